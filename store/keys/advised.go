package keys

import (
	"errors"

	"regshape/store"
)

// advised is an error about a key that only the user can put in its place. Its advice
// stands in for that of package store, which would give the key up for lost.
type advised struct {
	error
	advice string
}

// Advice is what mends it.
func (a advised) Advice() string { return a.advice }

// Unwrap returns the error itself.
func (a advised) Unwrap() error { return a.error }

// advise adds advice to an error that is about the key.
func advise(err error, advice string) error {
	if errors.Is(err, store.ErrNoKey) || errors.Is(err, store.ErrWrongKey) || errors.Is(err, store.ErrKeyDamaged) {
		return advised{err, advice}
	}
	return err
}
