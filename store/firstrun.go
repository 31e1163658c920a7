package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"regshape/store/durable"
)

// prepare returns a view with the root key, and makes sure that everything a new entry depends
// on exists and is durable: the key first, then the config that pins it, the names file, and the
// generation's directory. After the first run it only checks.
func (s *Store) prepare(ctx context.Context) (view, error) {
	if err := s.loc.checkWritable(); err != nil {
		return view{}, err
	}
	root, err := s.loadKey(ctx)
	if errors.Is(err, ErrNoKey) {
		root, err = s.firstKey(ctx)
	}
	switch {
	case err != nil:
	case s.config.KID == "":
		err = s.pin(ctx, root.KID())
	case durable.Recent(s.loc.configFile()): // the run that made it may not have synced it yet, or never will
		if err = s.disk.SyncDir(s.loc.Config); err != nil {
			err = fmt.Errorf("%w: %w", durable.ErrUnsure, err)
		}
	}
	if err != nil {
		return view{}, err
	}
	if err := s.finishPending(ctx); err != nil {
		return view{}, err
	}
	v := view{store: s, names: root.nameKey(), root: root}
	err = v.checkGeneration()
	first := errors.Is(err, ErrNotFound)
	if err != nil && !first {
		return view{}, err
	}
	if err := s.ensureNames(v.names); err != nil {
		return view{}, err
	}
	if err := s.makeGeneration(v.dir(), first); err != nil {
		return view{}, fmt.Errorf("make the store's directory: %w", err)
	}
	return v, nil
}

// makeGeneration makes a generation's directory durable, and creates it only in an empty store:
// one that vanished a moment after it was seen was retired by another run.
func (s *Store) makeGeneration(path string, first bool) error {
	if first {
		return durable.MakeDirsOn(s.disk, path)
	}
	if !durable.Recent(path) {
		return nil
	}
	if err := durable.MakeDirsOn(s.disk, filepath.Dir(path)); err != nil {
		return err
	}
	if err := s.disk.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%w: %w", durable.ErrUnsure, err)
	}
	return nil
}

// finishPending finishes a committed key change.
func (s *Store) finishPending(ctx context.Context) error {
	pending, err := s.unfinished()
	if err != nil || !pending {
		return err
	}
	_, err = s.finish(ctx, "")
	return err
}

// firstKey makes the key of an empty store, never while there are entries that only a lost key
// opens.
func (s *Store) firstKey(ctx context.Context) (RootKey, error) {
	generations, err := s.loc.generations()
	if err != nil {
		return RootKey{}, err
	}
	if len(generations) > 0 {
		// Another first run may just have made both.
		root, err := s.loadKey(ctx)
		if errors.Is(err, ErrNoKey) {
			err = fmt.Errorf("%w, and %s holds entries that only it opens", err, s.loc.v1())
		}
		return root, err
	}
	root := NewRootKey()
	if err := s.key.Stage(ctx, root, ""); err != nil {
		return RootKey{}, fmt.Errorf("create the store's key: %w", err)
	}
	if err := s.pin(ctx, root.KID()); err != nil {
		_ = s.key.Discard(ctx, root.KID())
		return RootKey{}, err
	}
	if err := s.key.Promote(ctx, root.KID()); err != nil {
		return RootKey{}, fmt.Errorf("create the store's key: %w", err)
	}
	return root, nil
}

// pin writes the config of a first run. Of several such runs one wins, whatever the key source;
// the others get [errKeyChanged].
func (s *Store) pin(ctx context.Context, kid string) error {
	if err := durable.MakeDirsOn(s.disk, s.loc.Config); err != nil {
		return fmt.Errorf("make the config directory: %w", err)
	}
	next := s.config
	next.KID = kid
	data, err := next.marshal()
	if err != nil {
		return err
	}
	if s.config.KID == "" {
		err = durable.PublishFirst(s.disk, s.loc.configFile(), data)
	} else {
		err = s.repin(ctx, data)
	}
	if errors.Is(err, fs.ErrExist) || errors.Is(err, errKeyChanged) {
		return errKeyChanged
	}
	if err != nil {
		return fmt.Errorf("write the config: %w", err)
	}
	s.config = next
	return nil
}

// repin replaces a config whose key is lost, in a store without entries. The staged file is
// named after the old kid, so that one run at a time gets it.
func (s *Store) repin(ctx context.Context, data []byte) error {
	const pause = 10 * time.Millisecond
	path := s.loc.stagedConfig(s.config.KID)
	for waited := time.Duration(0); ; waited += pause {
		err := durable.PublishFirst(s.disk, path, data)
		held := errors.Is(err, fs.ErrExist)
		if err != nil && !held {
			return err
		}
		config, readErr := readConfig(s.loc)
		switch {
		case readErr != nil:
			return readErr
		case config.KID != s.config.KID:
			if !held {
				_ = s.disk.Remove(path)
			}
			return errKeyChanged
		case !held:
			if err := s.disk.Rename(path, s.loc.configFile()); errors.Is(err, fs.ErrNotExist) {
				return errKeyChanged
			} else if err != nil {
				_ = s.disk.Remove(path)
				return err
			}
			return s.disk.SyncDir(s.loc.Config)
		case waited >= s.rotationTimeout: // the run that made it was killed
			if err := s.disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
