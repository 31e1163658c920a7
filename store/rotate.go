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

// Rotation is a change of a store's root key, or only of the place that holds it.
type Rotation struct {
	Source KeySource // where the key will be
	Place  Key       // that place

	// Key is the new root key if it was made elsewhere, as by a secret manager. If nil, a
	// new one is generated.
	Key *RootKey

	// Progress, unless nil, is called with how many of how many entries are re-encrypted. It
	// may be called by several goroutines, one at a time.
	Progress func(done, total int)
}

// attempts is how often a rotation starts again after writers aborted it.
const attempts = 5

// Rotate re-encrypts every entry under a new key and switches the store to it. Readers are not
// disturbed; writers wait, and abort a rotation that blocks them for too long: it then starts
// again. The commit is one rename: an interrupted run leaves the store whole, under the old
// key or the new one.
//
// A damaged entry is an [EntryError] before anything is changed. [ErrRotating] means that
// another rotation is marked, see [Store.Resume] and [Store.Abort]. After an error for which
// [LeftBehind] holds the store uses its new key.
func (s *Store) Rotate(ctx context.Context, r Rotation) error {
	for range attempts {
		to := NewRootKey()
		if r.Key != nil {
			to = *r.Key
		}
		now := *s
		err := now.rotate(ctx, r, to)
		if !errors.Is(err, errKeyChanged) {
			return err
		}
	}
	return fmt.Errorf("other runs kept writing to the store and aborted the rotation %d times: try again when it is idle", attempts)
}

// Move keeps the key and changes its place.
func (s *Store) Move(ctx context.Context, r Rotation) error {
	now := *s
	v, err := now.prepareToRotate(ctx)
	if err == nil {
		err = now.transition(ctx, v, r, v.root)
	}
	if errors.Is(err, errKeyChanged) {
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
		return errors.New("the new key is the one the store already uses: give another one")
	}
	return s.transition(ctx, v, r, to)
}

// prepareToRotate is prepare with a fresh config, until no other rotation intervenes.
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

// transition changes the store from the key of v to another key, or another place.
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
		if err := s.unmark(from, other); err != nil { // it was aborted, but not cleared away
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
		// Also if another run has aborted it: that did not see what was made since.
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
			return s.orKeyChanged(token, err)
		}
	}
	err = s.commit(token, next)
	committed = err == nil || errors.Is(err, durable.ErrUnsure)
	if err != nil {
		return err
	}
	left, err := s.finish(ctx, token)
	if err != nil {
		return fmt.Errorf("the store uses its new key now, but: %w", err)
	}
	if err := s.ensureNames(to.nameKey()); err != nil {
		left = errors.Join(left, fmt.Errorf("%w: %w", errLeftBehind, err))
	}
	return left
}

// keep makes the new key durable in its place and reads it back. A place that accepted the key
// but cannot be read because it is locked has to be trusted.
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
	return s.orKeyChanged(token, fmt.Errorf("keep the new key: %w", err))
}

// orKeyChanged returns err, or [errKeyChanged] if another run has aborted this transition and
// so removed the files that this one misses.
func (s *Store) orKeyChanged(token string, err error) error {
	if there, lookErr := durable.Exists(s.loc.stagedConfig(token)); lookErr == nil && !there {
		return errKeyChanged
	}
	return err
}

// reseal copies every entry of v's generation into that of another key, and makes the names
// file answer for both. The directory of the copies is named after the token, so that a run
// that does not know yet that it was aborted cannot touch another's.
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
	// A key made elsewhere may be tried again after an attempt that was interrupted here.
	if there, err := durable.Exists(generation); err != nil {
		return err
	} else if there {
		if _, err := s.retire(to.KID()); err != nil {
			return err
		}
	}
	err := s.disk.Rename(target.copies, generation)
	if errors.Is(err, fs.ErrNotExist) {
		// An NFS server that gets a repeated request answers "not there" for what it has done.
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
// system syncs several files in one go.
const copiers = 8

// copyAll seals every entry of one generation under the key of another, into a directory that
// was empty before. Everything is durable when it returns. It stops at the first damaged entry.
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
	cred, err := c.from.openConfirmed(name)
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
