package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"regshape/store/durable"
	"regshape/store/printable"
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
		err = now.transition(ctx, v, r, v.root)
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
	return s.transition(ctx, v, r, to)
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
func (s *Store) transition(ctx context.Context, v view, r Rotation, to RootKey) (err error) {
	from, token := v.names.kid, newToken()
	tokens, err := s.markers(from)
	if err != nil {
		return err
	}
	for _, other := range tokens {
		if there, err := durable.Exists(s.loc.stagedConfig(other)); err != nil {
			return err
		} else if there {
			return ErrRotating
		}
		if err := s.unmark(from, other); err != nil { // it was aborted, and not cleared away
			return err
		}
	}
	next := s.config
	next.Previous = &Pin{Key: s.config.Key, KID: from, Proof: v.root.vouch(to.KID())}
	next.KID, next.Key, next.Proof = to.KID(), r.Source, to.vouch(from)
	committed := false
	defer func() {
		if committed {
			return
		}
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(err, s.abort(ctx, from, token))
		// Also where another run has aborted: it did not see what was made since.
		s.clear(ctx, token, next)
	}()
	if err := s.stage(token, next); err != nil {
		return err
	}
	if err := s.keep(ctx, r.Place, to, from, token); err != nil {
		return err
	}
	if err := s.mark(from, token); err != nil {
		return err
	}
	if to.KID() != from {
		if err := s.reseal(ctx, v, to, token, r.Progress); err != nil {
			return s.orMoved(token, err)
		}
	}
	err = s.commit(token, next)
	committed = err == nil || errors.Is(err, durable.ErrUnsure)
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

// keep makes the new key durable in its place, and looks whether it is there. A place that
// took it and is not readable at once, because it is locked, has to be trusted.
func (s *Store) keep(ctx context.Context, place Key, to RootKey, from, token string) error {
	err := place.Stage(ctx, to, from)
	if err == nil {
		var staged RootKey
		staged, err = place.Load(ctx, to.KID())
		switch {
		case errors.Is(err, ErrLocked):
			err = nil
		case err == nil && !staged.Equal(to):
			err = ErrWrongKey
		}
	}
	if err == nil {
		return nil
	}
	return s.orMoved(token, fmt.Errorf("keep the new key: %w", err))
}

// orMoved returns err, or [errMoved] when another run has aborted: it removes what this
// one then misses.
func (s *Store) orMoved(token string, err error) error {
	if there, lookErr := durable.Exists(s.loc.stagedConfig(token)); lookErr == nil && !there {
		return errMoved
	}
	return err
}

// reseal copies every entry of v's generation into that of another key, and makes the
// names file answer for both. The copies are made in a directory that carries the token, so
// that a run that was aborted, and does not know it yet, cannot touch another's.
func (s *Store) reseal(ctx context.Context, v view, to RootKey, token string, progress func(done, total int)) error {
	target := view{store: s, names: to.nameKey(), root: to, copies: s.loc.copiesDir(token)}
	if err := durable.MakeDirsOn(s.disk, target.copies); err != nil {
		return fmt.Errorf("make the entries of the new key: %w", err)
	}
	if err := copyAll(ctx, v, target, progress); err != nil {
		return err
	}
	if err := s.writeNames(v.names, target.names); err != nil {
		return err
	}
	generation := s.loc.Generation(to.KID())
	// A key that was made elsewhere may be tried again after a try that was cut short here.
	if there, err := durable.Exists(generation); err != nil {
		return err
	} else if there {
		if _, err := s.retire(to.KID()); err != nil {
			return err
		}
	}
	err := s.disk.Rename(target.copies, generation)
	if errors.Is(err, fs.ErrNotExist) {
		// A server that got the request twice says "not there" for what it has done.
		if there, lookErr := durable.Exists(generation); lookErr == nil && there {
			err = nil
		}
	}
	if err == nil {
		err = s.disk.SyncDir(s.loc.v1())
	}
	if err != nil {
		return fmt.Errorf("make the entries of the new key: %w", err)
	}
	return nil
}

// copiers is how many entries are copied at once: a copy waits for the disk, and a file
// system that is asked to sync several files at once does it in one go.
const copiers = 8

// copyAll seals every entry of one generation under the key of another, into a directory that
// was empty before. Everything is durable when it returns. The first damaged entry ends it.
func copyAll(ctx context.Context, from, to view, progress func(done, total int)) error {
	names, _, err := from.entryNames()
	if err != nil {
		return err
	}
	c := copying{from: from, to: to, progress: progress, total: len(names)}
	queue := make(chan string)
	var workers sync.WaitGroup
	for range min(copiers, len(names)) {
		workers.Go(func() {
			for name := range queue {
				c.copyEntry(name)
			}
		})
	}
	for _, name := range names {
		if c.failed() || ctx.Err() != nil {
			break
		}
		queue <- name
	}
	close(queue)
	workers.Wait()
	if err := errors.Join(c.err, ctx.Err()); err != nil {
		return err
	}
	if err := to.store.disk.SyncDir(to.dir()); err != nil {
		return fmt.Errorf("make the copies durable: %w", err)
	}
	return nil
}

type copying struct {
	from, to view
	progress func(done, total int)
	total    int

	mu   sync.Mutex
	done int
	err  error // the first one
}

func (c *copying) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

func (c *copying) copyEntry(name string) {
	err := c.seal(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	if c.err == nil {
		c.err = err
	}
	if c.progress != nil && err == nil {
		c.progress(c.done, c.total)
	}
}

// seal copies one entry, unless it was erased meanwhile, and reads the copy back.
func (c *copying) seal(name string) error {
	path := filepath.Join(c.from.dir(), name)
	cred, err := c.from.openSure(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &EntryError{File: path, Err: err}
	}
	target := c.to.path(cred.Canonical)
	sealed, err := c.to.root.sealer().seal(filepath.Base(target), cred.payload)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	disk := c.to.store.disk
	if err := durable.Place(disk, target, sealed, disk.Rename); err != nil {
		return fmt.Errorf("copy the entry of %s: %w", printable.Address(cred.Canonical), err)
	}
	found, err := c.to.opener().open(filepath.Base(target))
	if err == nil && !bytes.Equal(found.payload, cred.payload) {
		err = ErrDamaged
	}
	if err != nil {
		return fmt.Errorf("read the copy of the entry of %s back: %w", printable.Address(cred.Canonical), err)
	}
	return nil
}
