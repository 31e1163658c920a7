package store

import (
	"context"
	"errors"
	"io/fs"
)

// Peek returns the entry of exactly this address even when it has expired: what renews a
// login outlives its secret. [ErrNotFound] means that there is none; other errors are
// those of [Store.Get].
func (s *Store) Peek(ctx context.Context, a Address) (found Credential, err error) {
	err = s.steady(func(s *Store) error {
		view, err := s.look(ctx)
		if err != nil {
			return err
		}
		found, err = view.read(ctx, a.String())
		if errors.Is(err, fs.ErrNotExist) {
			return ErrNotFound
		}
		return err
	})
	return found, err
}
