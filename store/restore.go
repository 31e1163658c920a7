package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"regshape/store/durable"
)

// RootKey returns the key that seals the store, for a backup. [ErrNoKey] also means that
// there is no store yet.
func (s *Store) RootKey(ctx context.Context) (k RootKey, err error) {
	err = s.steady(func(s *Store) error {
		k, err = s.loadKey(ctx)
		return err
	})
	return k, err
}

// Custody is what a store says of its key.
type Custody struct {
	Source KeySource // where it is, or will be for a store that is not there yet
	KID    string    // "" for a store that is not there yet
	// Previous is the key before this one, nil where there was none. Its place may still
	// hold it when clearing it away failed.
	Previous *Pin
}

// Custody returns where the key is, as of now.
func (s *Store) Custody() (Custody, error) {
	now := *s
	if _, err := now.reload(); err != nil {
		return Custody{}, err
	}
	return Custody{now.config.Key, now.config.KID, now.config.Previous}, nil
}

// Restore puts the store's lost key back into a place, and turns the store to that place
// where it is another one. [ErrWrongKey] means that the key is not this store's; nothing
// is changed then.
func (s *Store) Restore(ctx context.Context, k RootKey, source KeySource, place Key) error {
	now := *s
	if _, err := now.reload(); err != nil {
		return err
	}
	if err := now.loc.checkWritable(); err != nil {
		return err
	}
	if err := now.checkOwn(k); err != nil {
		return err
	}
	v := view{store: &now, names: k.nameKey(), root: k}
	switch {
	case now.config.KID == "":
		return now.restoreFirst(ctx, v, source, place)
	case now.config.Key.Equal(source):
		if err := place.Stage(ctx, k, k.KID()); err != nil {
			return fmt.Errorf("put the key back: %w", err)
		}
		if err := place.Promote(ctx, k.KID()); err != nil {
			return fmt.Errorf("put the key back: %w", err)
		}
		return now.ensureNames(v.names)
	}
	// Whoever was changing the key cannot go on without it, and must not hold this up.
	tokens, err := now.underWay(k.KID())
	for _, token := range tokens {
		err = errors.Join(err, now.abort(ctx, k.KID(), token))
	}
	if err != nil {
		return err
	}
	// The marker of a transition stands in the generation, also of a store without entries.
	if err := durable.MakeDirsOn(now.disk, v.folder()); err != nil {
		return fmt.Errorf("make the store's folder: %w", err)
	}
	err = now.transition(ctx, v, Rotation{Source: source, Place: place}, k)
	if errors.Is(err, errMoved) {
		return ErrRotating
	}
	if err != nil {
		return err
	}
	return now.ensureNames(v.names)
}

// checkOwn refuses a key that the config does not pin or that, without a config, opens no
// generation of a store that has some.
func (s *Store) checkOwn(k RootKey) error {
	kids, err := s.loc.generations()
	if err != nil {
		return err
	}
	switch pinned := s.config.KID; {
	case pinned != "" && pinned != k.KID():
		return fmt.Errorf("%w: it has kid %s, and this store's has %s", ErrWrongKey, k.KID(), pinned)
	case pinned == "" && len(kids) > 0 && !slices.Contains(kids, k.KID()):
		return fmt.Errorf("%w: it has kid %s, and %s holds entries of other keys", ErrWrongKey, k.KID(), s.loc.v1())
	}
	return nil
}

// restoreFirst is Restore for a store without a config.
func (s *Store) restoreFirst(ctx context.Context, v view, source KeySource, place Key) error {
	if err := place.Stage(ctx, v.root, v.names.kid); err != nil {
		return fmt.Errorf("put the key back: %w", err)
	}
	s.config.Key, s.key = source, place
	if err := s.pin(ctx, v.names.kid); errors.Is(err, errMoved) || errors.Is(err, fs.ErrExist) {
		return ErrRotating
	} else if err != nil {
		return err
	}
	if err := place.Promote(ctx, v.names.kid); err != nil {
		return fmt.Errorf("put the key back: %w", err)
	}
	return s.ensureNames(v.names)
}
