package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// List returns all credentials, expired ones included, sorted by canonical address, and
// beside them what could not be opened. err is set where nothing can be listed at all:
// the store is locked or has no key.
func (s *Store) List(ctx context.Context) (found []Credential, damaged []*EntryError, err error) {
	now := *s
	for {
		found, damaged, err = now.list(ctx)
		// A list without error may be half a list, too: entries move to a new generation.
		changed, reloadErr := now.reload()
		if reloadErr != nil {
			return nil, nil, reloadErr
		}
		if !changed {
			return found, damaged, err
		}
	}
}

func (s *Store) list(ctx context.Context) (found []Credential, damaged []*EntryError, err error) {
	v, err := s.look(ctx)
	if errors.Is(err, ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	v.needKey(ctx)
	folder := v.folder()
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, nil, fmt.Errorf("list the store: %w", err)
	}
	for _, f := range files {
		// Temporary files, rotation markers, and what NFS makes of files removed while open.
		if strings.HasPrefix(f.Name(), ".") {
			continue
		}
		if v.keyErr != nil {
			return nil, nil, v.keyErr
		}
		path := filepath.Join(folder, f.Name())
		if !isEntryName(f.Name()) {
			damaged = append(damaged, &EntryError{File: path, Err: fmt.Errorf("%w: its name is no entry's", ErrDamaged)})
			continue
		}
		c, err := v.openFile(path)
		switch {
		case err == nil:
			found = append(found, c)
		case !errors.Is(err, fs.ErrNotExist): // erased meanwhile
			damaged = append(damaged, &EntryError{File: path, Err: err})
		}
	}
	slices.SortFunc(found, func(a, b Credential) int { return cmp.Compare(a.Canonical, b.Canonical) })
	return found, damaged, nil
}
