package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"regshape/store"
	"regshape/store/durable"
)

// File is a root key in a file that only the user can read: no set-up and nothing to
// unlock. It protects a copy of the data directory, not a stolen home.
//
// A staged key lies beside it, in a file that carries its kid, so that of several runs
// none can overwrite what another has staged, and a promotion can happen only once.
type File struct{ Location store.Location }

var _ store.Key = File{}

// Load reads the key line.
func (f File) Load(_ context.Context, kid string) (store.RootKey, error) {
	present := f.Location.KeyFile()
	k, err := loadFile(present, kid)
	if kid == "" || err == nil {
		return k, err
	}
	if k, stagedErr := loadFile(f.Location.StagedKeyFile(kid), kid); stagedErr == nil {
		return k, nil
	} else if !errors.Is(stagedErr, store.ErrNoKey) {
		return k, stagedErr
	}
	return loadFile(present, kid) // it may have been promoted between the two looks
}

// loadFile reads a file with one key line and checks its kid, unless that is "".
func loadFile(path, kid string) (store.RootKey, error) {
	line, err := durable.ReadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		return store.RootKey{}, fmt.Errorf("%w: there is no %s", store.ErrNoKey, path)
	}
	if err != nil {
		return store.RootKey{}, err
	}
	k, err := store.ParseKeyLine(string(line))
	if err != nil {
		return store.RootKey{}, fmt.Errorf("%s: %w", path, err)
	}
	if kid != "" && k.KID() != kid {
		return store.RootKey{}, fmt.Errorf("%w: %s has kid %s, and the store's is %s", store.ErrWrongKey, path, k.KID(), kid)
	}
	return k, nil
}

// Stage writes the key line to a file of its own, and to no other: a temporary file that a
// killed run leaves would be a clear key that nobody looks for.
func (f File) Stage(_ context.Context, k store.RootKey, _ string) error {
	return durable.WriteUnread(f.Location.StagedKeyFile(k.KID()), []byte(k.Line()+"\n"))
}

// Promote renames the staged file over the present one. A file that holds another key, or
// nothing that is one, does not replace the present one.
func (f File) Promote(_ context.Context, kid string) error {
	_, err := loadFile(f.Location.StagedKeyFile(kid), kid)
	if errors.Is(err, store.ErrNoKey) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("put the new key in place: %w", err)
	}
	err = durable.RenameOver(f.Location.StagedKeyFile(kid), f.Location.KeyFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("put the new key in place: %w", err)
	}
	return durable.SyncDir(filepath.Dir(f.Location.KeyFile()))
}

// Discard removes the files that hold the key. The present one is moved aside first and
// looked at there: another run may just have promoted another key.
func (f File) Discard(ctx context.Context, kid string) error {
	present, staged := f.Location.KeyFile(), f.Location.StagedKeyFile(kid)
	_, err := loadFile(present, kid)
	switch {
	case err == nil:
		if err := durable.RenameOver(present, staged); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the old key: %w", err)
		}
		if other, err := loadFile(staged, ""); err == nil && other.KID() != kid {
			return f.putBack(staged, other.KID(), os.Link)
		}
	case !errors.Is(err, store.ErrNoKey) && !errors.Is(err, store.ErrWrongKey) && !errors.Is(err, store.ErrKeyDamaged):
		return err
	}
	if err := durable.Remove(staged); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the old key: %w", err)
	}
	err = durable.SyncDir(filepath.Dir(present))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there is not even a directory
	}
	return err
}

// putBack returns a key that was moved aside, and turned out to be another run's, to its
// place, unless a newer one is there. Where the file system has no hard links it gets back
// the name that it was staged under, where Load finds it and the next write promotes it.
func (f File) putBack(aside, kid string, link func(from, to string) error) error {
	err := link(aside, f.Location.KeyFile())
	if err == nil || errors.Is(err, fs.ErrExist) {
		err = durable.Remove(aside)
	} else {
		err = durable.RenameOver(aside, f.Location.StagedKeyFile(kid))
	}
	if err != nil {
		return fmt.Errorf("put the present key back: %w", err)
	}
	return durable.SyncDir(filepath.Dir(aside))
}

// Cheap is true: loading is reading one small file.
func (File) Cheap() bool { return true }
