package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// prepare returns the root key and sees to it that everything a new entry stands on is
// there and durable: key first, then the config that pins it, the names file, and the
// generation's folder. After the first run it only looks.
func (s *Store) prepare(ctx context.Context) (RootKey, error) {
	if err := s.loc.checkWritable(); err != nil {
		return RootKey{}, err
	}
	root, err := s.loadKey(ctx)
	if errors.Is(err, ErrNoKey) {
		root, err = s.firstKey(ctx)
	} else if errors.Is(err, ErrWrongKey) {
		root, err = s.awaitPin(ctx, err)
	}
	if err != nil {
		return RootKey{}, err
	}
	names := root.nameKey()
	if err := (view{store: s, names: names}).checkGeneration(); err != nil && !errors.Is(err, ErrNotFound) {
		return RootKey{}, err
	}
	if err := s.checkMarkers(names.kid); err != nil {
		return RootKey{}, err
	}
	if err := s.pin(names.kid); err != nil {
		return RootKey{}, err
	}
	if err := s.writeNames(names); err != nil {
		return RootKey{}, err
	}
	if err := makeFolders(s.disk, s.loc.Generation(names.kid)); err != nil {
		return RootKey{}, fmt.Errorf("make the store's folder: %w", err)
	}
	return root, nil
}

// firstKey creates the key of an empty store. It never does while entries are there
// that only a lost key opens.
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
	root, err := s.key.Create(ctx, NewRootKey())
	if err != nil {
		return RootKey{}, fmt.Errorf("create the store's key: %w", err)
	}
	s.config.KID = "" // what it pinned is gone, and nothing was sealed under it
	return root, nil
}

// awaitPin gives a first run that is between its key and its config, in a store that
// was emptied before, a second to finish. mismatch is what loadKey said.
func (s *Store) awaitPin(ctx context.Context, mismatch error) (RootKey, error) {
	const tries, pause = 20, 50 * time.Millisecond
	for range tries {
		if generations, err := s.loc.generations(); err != nil || len(generations) > 0 {
			return RootKey{}, mismatch
		}
		select {
		case <-ctx.Done():
			return RootKey{}, ctx.Err()
		case <-time.After(pause):
		}
		config, err := readConfig(s.loc)
		if err != nil {
			return RootKey{}, err
		}
		s.config = config
		if root, err := s.loadKey(ctx); err == nil {
			return root, nil
		}
	}
	return RootKey{}, mismatch
}

// pin writes the config of a first run.
func (s *Store) pin(kid string) error {
	if s.config.KID == kid {
		return nil
	}
	s.config.KID = kid
	data, err := s.config.marshal()
	if err != nil {
		return err
	}
	if err := makeFolders(s.disk, s.loc.Config); err != nil {
		return fmt.Errorf("make the config folder: %w", err)
	}
	if err := publish(s.disk, s.loc.configFile(), data); err != nil {
		return fmt.Errorf("write the config: %w", err)
	}
	return nil
}

// writeNames writes the names file where it is missing, damaged, or another key's.
func (s *Store) writeNames(names nameKey) error {
	var found nameKey
	if s.readNames(&found) == nil && found == names {
		return nil
	}
	if err := makeFolders(s.disk, s.loc.State); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	if err := publish(s.disk, s.loc.namesFile(), []byte(names.line()+"\n")); err != nil {
		return fmt.Errorf("write the names file: %w", err)
	}
	return nil
}
