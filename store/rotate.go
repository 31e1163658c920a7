package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Rotation is a change of the key that seals a store, or only of the place that the key
// is in.
type Rotation struct {
	Source KeySource // where the key is to be from then on
	Place  Key       // that place

	// Key is the new root key where it was made elsewhere, as by a secret manager. With
	// nil a new one is made.
	Key *RootKey

	// Progress, unless nil, is told how many of how many entries are sealed anew. It may
	// be called by several goroutines, one at a time.
	Progress func(done, total int)
}

// attempts is how often a rotation that writers took back begins again.
const attempts = 5

// Rotate seals every entry under a new key and turns the store to it. Readers are not
// disturbed; writers wait, and take the rotation back when it holds them up too long: it
// then begins again. The commit is one rename: a run that is cut short leaves the store
// under the old key or the new one, whole.
//
// A damaged entry is an [EntryError] before anything is changed. [ErrRotating] means that
// another rotation is marked, see [Store.Resume] and [Store.Abort]. An error for which
// [LeftBehind] holds comes after the store has turned to its new key.
func (s *Store) Rotate(ctx context.Context, r Rotation) error {
	for range attempts {
		to := NewRootKey()
		if r.Key != nil {
			to = *r.Key
		}
		now := *s
		err := now.rotate(ctx, r, to)
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return fmt.Errorf("other runs kept writing to the store and took the rotation back %d times; try again when it is quiet", attempts)
}

// Move keeps the key and changes the place that it is in.
func (s *Store) Move(ctx context.Context, r Rotation) error {
	now := *s
	v, err := now.prepareToRotate(ctx)
	if err == nil {
		err = now.transition(ctx, v, r, v.root, newToken())
	}
	if errors.Is(err, errMoved) {
		return ErrRotating
	}
	return err
}

func (s *Store) rotate(ctx context.Context, r Rotation, to RootKey) error {
	v, err := s.prepareToRotate(ctx)
	if err != nil {
		return err
	}
	if to.KID() == v.names.kid {
		return errors.New("the key to turn to is the one that seals the store already")
	}
	return s.transition(ctx, v, r, to, to.KID())
}

// prepareToRotate is prepare by the config as it is now. Another run's rotation may come
// in between.
func (s *Store) prepareToRotate(ctx context.Context) (view, error) {
	_, err := s.reload()
	for err == nil {
		v, prepareErr := s.prepare(ctx)
		if prepareErr == nil {
			return v, nil
		}
		var changed bool
		if changed, err = s.reload(); err == nil && !changed {
			err = prepareErr
		}
	}
	return view{}, err
}

// transition turns the store from the key that v has to another key, or another place.
func (s *Store) transition(ctx context.Context, v view, r Rotation, to RootKey, token string) (err error) {
	from := v.names.kid
	if tokens, err := s.markers(from); err != nil {
		return err
	} else if len(tokens) > 0 {
		return ErrRotating
	}
	next := s.config
	next.Previous = &Pin{Key: s.config.Key, KID: from}
	next.KID, next.Key = to.KID(), r.Source
	if err := s.stage(token, next); errors.Is(err, fs.ErrExist) {
		return ErrRotating // a run that was cut short has staged the same key
	} else if err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed {
			err = errors.Join(err, s.abort(context.WithoutCancel(ctx), from, token))
		}
	}()
	if err := r.Place.Stage(ctx, to, from); err != nil {
		return fmt.Errorf("keep the new key: %w", err)
	}
	// A place that is not readable at once, because it is locked, has to be trusted.
	if staged, err := r.Place.Load(ctx, to.KID()); err == nil && staged != to {
		return fmt.Errorf("keep the new key: %w", ErrWrongKey)
	} else if err != nil && !errors.Is(err, ErrLocked) {
		return fmt.Errorf("keep the new key: %w", err)
	}
	if err := s.mark(from, token); err != nil {
		return err
	}
	if to.KID() != from {
		if err := s.reseal(ctx, v, to, token, r.Progress); err != nil {
			return err
		}
	}
	err = s.commit(token, next)
	committed = err == nil || errors.Is(err, ErrUnsure)
	if err != nil {
		return err
	}
	left, err := s.finish(ctx, token)
	if err != nil {
		return fmt.Errorf("the store has turned to its new key, but: %w", err)
	}
	if err := s.ensureNames(to.nameKey()); err != nil {
		left = errors.Join(left, fmt.Errorf("%w: %w", errLeftBehind, err))
	}
	return left
}

// reseal copies every entry of v's generation into that of another key, and makes the
// names file answer for both.
func (s *Store) reseal(ctx context.Context, v view, to RootKey, token string, progress func(done, total int)) error {
	target := view{store: s, names: to.nameKey(), root: to}
	if err := makeFolders(s.disk, s.loc.Generation(to.KID())); err != nil {
		return fmt.Errorf("make the new generation: %w", err)
	}
	err := copyAll(ctx, v, target, progress)
	if errors.Is(err, fs.ErrNotExist) {
		// Whoever takes a rotation back removes the copies.
		if there, lookErr := exists(s.loc.stagedConfig(token)); lookErr == nil && !there {
			return errMoved
		}
	}
	if err != nil {
		return err
	}
	return s.writeNames(v.names, target.names)
}
