package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"regshape/store/durable"
	"regshape/store/printable"
)

// Store is one store: its directories and the source of its key. Its methods may be used by
// several goroutines, and by any number of processes at once.
type Store struct {
	loc             Location
	sources         Sources
	config          Config // as it was when the store was opened; methods work on a copy of the Store
	key             Key
	disk            durable.Disk
	now             func() time.Time
	rotationTimeout time.Duration // how long a writer waits for a rotation
}

// Open opens the store at a location. It creates nothing and does not touch the key.
func Open(loc Location, sources Sources) (*Store, error) {
	if err := loc.checkOwned(); err != nil {
		return nil, err
	}
	config, err := readConfig(loc)
	if err != nil {
		return nil, err
	}
	if config.KID == "" {
		config.Key = sources.Default()
	}
	key, err := sources.Choose(loc, config.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", loc.configFile(), err)
	}
	return &Store{
		loc: loc, sources: sources, config: config, key: key,
		disk: durable.OS{}, now: time.Now, rotationTimeout: defaultRotationTimeout,
	}, nil
}

// Location returns where the store keeps its files.
func (s *Store) Location() Location { return s.loc }

// Get returns the credential that answers for an address: its own, or that of the
// longest scope it lies in. [ErrNotFound] means that there is none or that it has
// expired. If the key is not available, an address with no entry is still not found;
// for a stored one the error says why. A damaged entry is an [EntryError].
func (s *Store) Get(ctx context.Context, a Address) (found Credential, err error) {
	err = s.retryOnRotation(func(s *Store) error {
		view, err := s.look(ctx)
		if err == nil {
			found, err = view.get(ctx, a, func(c Credential) bool { return !c.Expired(s.now()) })
		}
		return err
	})
	return found, err
}

// get finds the first entry that answers for an address and is alive.
func (v *view) get(ctx context.Context, a Address, alive func(Credential) bool) (Credential, error) {
	for _, lookup := range a.Lookups() {
		c, err := v.read(ctx, lookup.String())
		if errors.Is(err, fs.ErrNotExist) || err == nil && !alive(c) {
			continue
		}
		return c, err
	}
	return v.getByPattern(ctx, a)
}

// Put stores a credential under its ServerURL, replacing what was there. It sets
// Canonical, Created and Updated, and keeps from the entry it replaces the fields that
// this version does not know and, if c has no Transport, CAFile and Transport; the
// latter only if it is https, or c has the same user name and secret.
//
// A damaged entry is replaced, too, but not one that a newer regshape wrote: [ErrNewer].
//
// After an error the old entry is intact, except after [ErrUnsure].
func (s *Store) Put(ctx context.Context, c Credential) error {
	_, err := s.Replace(ctx, c)
	return err
}

// Replace is Put that returns the login that it replaced, zero where that could not be read.
func (s *Store) Replace(ctx context.Context, c Credential) (old Credential, err error) {
	if err := c.validate(); err != nil {
		return old, err
	}
	c.Canonical = ParseAddress(c.ServerURL).String()
	c.Updated = s.now().UTC().Truncate(time.Second)
	c.Created = c.Updated
	ready := func(s *Store) (view, error) { return s.prepare(ctx) }
	err = s.change(ctx, ready, func(v view) error {
		if c.IsPattern() {
			if err := v.markPatterns(); err != nil {
				return err
			}
		}
		before, err := v.write(ctx, c)
		if old.Canonical == "" { // a rotation has it written once more
			old = before
		}
		return err
	})
	return old, err
}

// write seals a credential into its entry, and returns the one that was there.
func (v view) write(ctx context.Context, c Credential) (old Credential, err error) {
	switch old, err = v.read(ctx, c.Canonical); {
	case err == nil:
		c.replaces(old)
	case errors.Is(err, ErrNewer): // it may hold what this version does not know to keep
		return old, err
	}
	payload, err := c.marshal()
	if err != nil {
		return old, err
	}
	path := v.path(c.Canonical)
	sealed, err := v.root.sealer().seal(filepath.Base(path), payload)
	if err != nil {
		return old, fmt.Errorf("seal: %w", err)
	}
	if err := durable.Publish(v.store.disk, path, sealed); err != nil {
		return old, fmt.Errorf("write the entry of %s: %w", printable.Address(c.For().String()), err)
	}
	return old, nil
}

// Erase removes the credential of exactly this address; a missing one is not an error.
// It needs no key if there is a names file.
func (s *Store) Erase(ctx context.Context, a Address) (erased bool, err error) {
	_, erased, err = s.Remove(ctx, a)
	return erased, err
}

// Remove is Erase that returns the login that answered for the address, even one that has ended
// if it renews; zero where there was none or it could not be read.
func (s *Store) Remove(ctx context.Context, a Address) (old Credential, erased bool, err error) {
	err = s.change(ctx, func(s *Store) (view, error) { return s.lookForErase(ctx) }, func(v view) error {
		if old.Canonical == "" && v.keyErr == nil {
			old, _ = v.get(ctx, a, s.alive)
		}
		there, err := v.remove(a)
		erased = erased || there
		return err
	})
	if errors.Is(err, ErrNotFound) { // there is no store
		err = nil
	}
	return old, erased, err
}

// lookForErase is look before a removal, which would silently miss its entry if the names file
// is forged. So it asks for the key, but goes on without it.
func (s *Store) lookForErase(ctx context.Context) (view, error) {
	v, err := s.look(ctx)
	if err == nil {
		v.needKey(ctx)
		err = s.finishPending(ctx)
	}
	return v, err
}

// remove removes an entry, if it is there.
func (v view) remove(a Address) (removed bool, err error) {
	path := v.path(a.String())
	name := filepath.Base(path)
	s := v.store
	there, err := durable.Exists(path)
	if err == nil && !there {
		there, err = v.lists(name)
	}
	if err == nil && there {
		err = s.loc.checkWritable()
	}
	if err != nil {
		return false, err
	}
	if there {
		if removed, err = v.removeConfirmed(name); err != nil {
			return false, fmt.Errorf("remove the entry of %s: %w", a, err)
		}
	}
	// Also if nothing was there: the run that removed it may have been killed before this.
	err = s.disk.SyncDir(filepath.Dir(path))
	if err != nil && (there || !errors.Is(err, fs.ErrNotExist)) {
		return removed, fmt.Errorf("%s is removed, but its directory could not be synced; after a power cut it may be back: %w", a, err)
	}
	return removed, nil
}

// Expired reports whether a credential's time has run out by the store's clock.
func (s *Store) Expired(c Credential) bool { return c.Expired(s.now()) }

// Peek returns the entry of exactly this address even if it has expired: the refresh token
// outlives the secret. [ErrNotFound] means that there is none; other errors are
// those of [Store.Get].
func (s *Store) Peek(ctx context.Context, a Address) (found Credential, err error) {
	err = s.retryOnRotation(func(s *Store) error {
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

// EraseAll removes every credential, even of a store that is locked or has no key, and
// returns how many files there were.
func (s *Store) EraseAll(ctx context.Context) (erased int, err error) {
	if err := s.loc.checkWritable(); err != nil {
		return 0, err
	}
	pinned := func(s *Store) (view, error) {
		return view{store: s, names: nameKey{kid: s.config.KID}}, s.finishPending(ctx)
	}
	err = s.change(ctx, pinned, func(v view) error {
		generations, err := v.store.loc.generations()
		if err != nil {
			return err
		}
		for _, kid := range generations {
			n, err := v.store.empty(kid)
			erased += n
			if err != nil {
				return err
			}
		}
		return nil
	})
	return erased, err
}

// empty removes the entries of a generation.
func (s *Store) empty(kid string) (erased int, err error) {
	if _, err := s.markers(kid); err != nil {
		return 0, err
	}
	v := view{store: s, names: nameKey{kid: kid}}
	dir := v.dir()
	if err := durable.CheckDir(dir); err != nil {
		return 0, err
	}
	names, _, err := v.entryNames()
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if _, err := v.removeConfirmed(name); err != nil {
			return erased, fmt.Errorf("remove an entry: %w", err)
		}
		erased++
	}
	if err := s.disk.SyncDir(dir); err != nil {
		return erased, fmt.Errorf("removed, but the directory could not be synced; after a power cut entries may be back: %w", err)
	}
	return erased, nil
}
