package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"regshape/store/durable"
	"regshape/store/printable"
)

// view is what one run knows of a store: names and, unless keyErr says why not, the root
// key. names.kid is the generation's.
type view struct {
	store  *Store
	names  nameKey
	root   RootKey
	keyErr error  // why root is not there
	copies string // the directory of a generation that is being made; "" for an existing one
}

// look loads the key, or the names file if the key is not available or not worth asking for
// yet. [ErrNotFound] means that the store is empty.
func (s *Store) look(ctx context.Context) (view, error) {
	v := view{store: s, keyErr: errKeyNotAsked}
	if s.key.Cheap() {
		if err := v.askKey(ctx); v.keyErr == nil {
			if !s.config.Key.inFile() { // whose store can do without names
				_, _ = s.checkNames(v.names) // which reports it
			}
			return v, err
		}
	}
	if s.readNames(&v.names) == nil {
		return v, v.checkGeneration()
	}
	generations, err := s.loc.generations()
	if err != nil {
		return v, err
	}
	if len(generations) == 0 {
		return v, ErrNotFound
	}
	// Without names nothing is known, and even an expensive source has to be asked.
	if errors.Is(v.keyErr, errKeyNotAsked) {
		return v, v.askKey(ctx)
	}
	return v, v.keyErr
}

// dir is the generation's directory.
func (v view) dir() string {
	if v.copies != "" {
		return v.copies
	}
	return v.store.loc.Generation(v.names.kid)
}

// askKey loads the key and looks for its generation. A key without one, in a store that has
// others, is not this store's.
func (v *view) askKey(ctx context.Context) error {
	if v.root, v.keyErr = v.store.loadKey(ctx); v.keyErr != nil {
		return v.keyErr
	}
	v.names = v.root.nameKey()
	err := v.checkGeneration()
	if errors.Is(err, ErrWrongKey) {
		v.keyErr = err
	}
	return err
}

// needKey loads the key if it was not asked for yet, for entries that exist.
func (v *view) needKey(ctx context.Context) {
	if !errors.Is(v.keyErr, errKeyNotAsked) {
		return
	}
	v.root, v.keyErr = v.store.loadKey(ctx)
	if v.keyErr == nil && v.root.KID() != v.names.kid { // without a config nothing else ties them
		v.keyErr = fmt.Errorf("%w: it has kid %s, and %s is about %s", ErrWrongKey, v.root.KID(), v.store.loc.namesFile(), v.names.kid)
	}
	if v.keyErr == nil {
		v.names = v.root.nameKey()
		_, _ = v.store.checkNames(v.names) // which reports it
	}
}

// errKeyNotAsked stands in for the error of a key source that was not asked yet.
var errKeyNotAsked = errors.New("the key source was not asked")

// loadKey asks the key source for the pinned key.
func (s *Store) loadKey(ctx context.Context) (RootKey, error) {
	root, err := s.key.Load(ctx, s.config.KID)
	if err != nil {
		return RootKey{}, err
	}
	if kid := root.KID(); s.config.KID != "" && kid != s.config.KID {
		return RootKey{}, fmt.Errorf("%w: it has kid %s, and %s pins %s", ErrWrongKey, kid, s.loc.configFile(), s.config.KID)
	}
	return root, nil
}

// checkGeneration checks that the generation exists and is safe. If it does not exist but
// others do, the key is another store's: "not found" would then hide logins.
func (v view) checkGeneration() error {
	loc := v.store.loc
	err := durable.CheckDir(v.dir())
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	generations, err := loc.generations()
	switch {
	case err != nil:
		return err
	case slices.Contains(generations, v.names.kid): // another first run made it just now
		return nil
	case len(generations) > 0:
		return fmt.Errorf("%w: it has kid %s, and %s holds entries of other keys", ErrWrongKey, v.names.kid, loc.v1())
	}
	return ErrNotFound
}

func (v view) path(canonical string) string {
	return filepath.Join(v.dir(), v.names.name(canonical))
}

// read opens the entry of a canonical address. The error wraps [fs.ErrNotExist] if there is
// none, is an [EntryError] if it cannot be opened, and says why the key is missing if that is
// the reason.
func (v *view) read(ctx context.Context, canonical string) (Credential, error) {
	if v.keyErr != nil {
		there, err := durable.Exists(v.path(canonical))
		if err == nil && !there {
			err = fs.ErrNotExist
		}
		if err != nil {
			return Credential{}, err
		}
		if v.needKey(ctx); v.keyErr != nil {
			return Credential{}, fmt.Errorf("%s: %w", printable.Address(canonical), v.keyErr)
		}
	}
	path := v.path(canonical) // with the key's names, if it was loaded only now
	c, err := v.opener().open(filepath.Base(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Credential{}, &EntryError{Address: canonical, File: path, Err: err}
	}
	return c, err
}

// A network file system's client may report for a while that a file does not exist that
// another machine has made: it caches the negative answer. A list of the directory is newer. A
// lookup lives with that, and finds the login a moment later. The functions below are for
// callers that would take "not there" for "erased", and lose the entry.

// staleTries is how often a listed file is tried: it may also have been erased and stored
// again in between.
const staleTries = 3

var errStale = errors.New("listed in its directory but not found: the file system shows an old state; try again in a minute")

// lists reports whether the generation's directory lists an entry.
func (v view) lists(name string) (bool, error) {
	names, _, err := v.entryNames()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return slices.Contains(names, name), err
}

// openConfirmed is [opener.open] that confirms [fs.ErrNotExist].
func (v view) openConfirmed(name string) (Credential, error) {
	for range staleTries {
		c, err := v.opener().open(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
		if there, listErr := v.lists(name); listErr != nil || !there {
			return Credential{}, errors.Join(listErr, err)
		}
	}
	return Credential{}, errStale
}

// removeConfirmed removes an entry's file, and confirms that it was not there.
func (v view) removeConfirmed(name string) (removed bool, err error) {
	for range staleTries {
		err := v.store.disk.Remove(filepath.Join(v.dir(), name))
		if !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
		if there, listErr := v.lists(name); listErr != nil || !there {
			return false, listErr // another run was faster
		}
	}
	return false, errStale
}
