package keys

import (
	"errors"
	"fmt"

	"regshape/store"
)

// Errors that front ends have advice for, beside those of package store.
var (
	// ErrFIPS means that age was asked for where only approved cryptography may run
	// (GODEBUG=fips140=only). What age needs panics, fails or hangs there.
	ErrFIPS = errors.New("age is not approved in FIPS 140 mode")
	// ErrMemory means that there is no memory for the scrypt of a passphrase.
	ErrMemory = errors.New("not enough memory for a passphrase")
	// ErrNoKeyring means that no OS keyring can be reached from this session.
	ErrNoKeyring = errors.New("the OS keyring cannot be reached")
	// ErrNoKernelKeyring means that the kernel does not let this process use its keyring.
	ErrNoKernelKeyring = errors.New("the kernel keyring, which holds the key while the store is unlocked, is not available (a container's seccomp profile?)")
	// ErrCommand means that the command that prints the key does not.
	ErrCommand = errors.New("no key from the command")
	// ErrNoKeyLine means that a command or a file that the user fills holds no key.
	ErrNoKeyLine = errors.New("no key line")
	// ErrNoIdentity means that a change of slots needs the identity of the unlocked store.
	ErrNoIdentity = errors.New("the store's age identity is not at hand, and nothing else proves who can open the key")
)

// IdentityError is about a config whose age recipient is not that of the identity that
// opens the store.
type IdentityError struct {
	Config     string // the config's path
	Named, Own string // the recipients of the config and of the identity
}

func (e *IdentityError) Error() string {
	return fmt.Sprintf("%s names the age recipient %.80q, but the identity that opened this store belongs to %s: nothing is encrypted to the first one",
		e.Config, e.Named, e.Own)
}

// SourceError is about a key that is missing, wrong or damaged in a place that only the
// user can put it into.
type SourceError struct {
	Source string // [store.SourceCommand] or [store.SourceEnvironment]
	Err    error
}

func (e *SourceError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// elsewhere makes an error that is about the key one of its source.
func elsewhere(err error, source string) error {
	if errors.Is(err, store.ErrNoKey) || errors.Is(err, store.ErrWrongKey) || errors.Is(err, store.ErrKeyDamaged) {
		return &SourceError{source, err}
	}
	return err
}
