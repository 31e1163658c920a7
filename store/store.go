package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Store is one store: its folders and the source of its key. Its methods may be used
// by any number of processes at once.
type Store struct {
	loc    Location
	config Config
	key    Key
	disk   disk
	now    func() time.Time
}

// Open opens the store at a location. It creates nothing and does not touch the key.
// choose gives the key source that the config names (see package keys).
func Open(loc Location, choose func(Location, KeySource) (Key, error)) (*Store, error) {
	if err := loc.checkOwned(); err != nil {
		return nil, err
	}
	config, err := readConfig(loc)
	if err != nil {
		return nil, err
	}
	key, err := choose(loc, config.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", loc.configFile(), err)
	}
	return &Store{loc: loc, config: config, key: key, disk: osDisk{}, now: time.Now}, nil
}

// Location returns where the store keeps its files.
func (s *Store) Location() Location { return s.loc }

// Get returns the credential that answers for an address: its own, or that of the
// longest scope it lies in. [ErrNotFound] means that there is none or that it has
// expired. Where the key cannot be had, an address with no entry is still not found;
// for one that is stored the error says why. A damaged entry is an [EntryError].
func (s *Store) Get(ctx context.Context, a Address) (Credential, error) {
	view, err := s.look(ctx)
	if err != nil {
		return Credential{}, err
	}
	for _, lookup := range a.Lookups() {
		c, err := view.read(ctx, lookup.String())
		if errors.Is(err, fs.ErrNotExist) || err == nil && c.Expired(s.now()) {
			continue
		}
		return c, err
	}
	return Credential{}, ErrNotFound
}

// Put stores a credential under its ServerURL, replacing what was there. It sets
// Canonical, Created and Updated, and keeps from the entry it replaces the fields that
// this version does not know and, where c has no Transport, Transport and CAFile.
//
// After an error the old entry is intact, except after [ErrUnsure].
func (s *Store) Put(ctx context.Context, c Credential) error {
	if err := c.validate(); err != nil {
		return err
	}
	root, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	c.Canonical = ParseAddress(c.ServerURL).String()
	c.Updated = s.now().UTC().Truncate(time.Second)
	c.Created = c.Updated
	view := view{s, root.nameKey(), root, nil}
	if old, err := view.read(ctx, c.Canonical); err == nil {
		c.replaces(old)
	}
	payload, err := c.marshal()
	if err != nil {
		return err
	}
	path := view.path(c.Canonical)
	sealed, err := root.seal(filepath.Base(path), payload)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if err := publish(s.disk, path, sealed); err != nil {
		return fmt.Errorf("write the entry of %s: %w", c.Canonical, err)
	}
	return nil
}

// Erase removes the credential of exactly this address; a missing one is no error. It
// needs no key where the names file is there.
func (s *Store) Erase(ctx context.Context, a Address) (erased bool, err error) {
	view, err := s.look(ctx)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	path := view.path(a.String())
	if there, err := exists(path); err != nil || !there {
		return false, err
	}
	if err := s.checkMarkers(view.names.kid); err != nil {
		return false, err
	}
	if err := s.loc.checkWritable(); err != nil {
		return false, err
	}
	err = s.disk.remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // another run was faster
	}
	if err != nil {
		return false, fmt.Errorf("remove the entry of %s: %w", a, err)
	}
	if err := s.disk.syncFolder(filepath.Dir(path)); err != nil {
		return true, fmt.Errorf("%s was removed, but its folder could not be synced; after a power cut it may be back: %w", a, err)
	}
	return true, nil
}

// checkMarkers refuses to write into a generation that a rotation, which this version
// does not know how to meet, has marked.
func (s *Store) checkMarkers(kid string) error {
	for _, marker := range []string{".rekey", ".switched"} {
		path := filepath.Join(s.loc.Generation(kid), marker)
		if there, err := exists(path); err != nil {
			return err
		} else if there {
			return fmt.Errorf("%s: %w; upgrade regshape, then finish the rotation with it", path, ErrNewer)
		}
	}
	return nil
}

// Expired reports whether a credential's time has run out by the store's clock.
func (s *Store) Expired(c Credential) bool { return c.Expired(s.now()) }

// EraseAll removes every credential, also of a store that is locked or has no key, and
// returns how many files there were.
func (s *Store) EraseAll() (int, error) {
	generations, err := s.loc.generations()
	if err != nil {
		return 0, err
	}
	if err := s.loc.checkWritable(); err != nil {
		return 0, err
	}
	erased := 0
	for _, kid := range generations {
		if err := s.checkMarkers(kid); err != nil {
			return erased, err
		}
		folder := s.loc.Generation(kid)
		if err := checkFolder(folder); err != nil {
			return erased, err
		}
		files, err := os.ReadDir(folder)
		if err != nil {
			return erased, fmt.Errorf("list the store: %w", err)
		}
		for _, f := range files {
			if !isEntryName(f.Name()) {
				continue
			}
			if err := s.disk.remove(filepath.Join(folder, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return erased, fmt.Errorf("remove an entry: %w", err)
			}
			erased++
		}
		if err := s.disk.syncFolder(folder); err != nil {
			return erased, fmt.Errorf("removed, but the folder could not be synced; after a power cut entries may be back: %w", err)
		}
	}
	return erased, nil
}
