package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
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
	names, err := v.entryNames()
	if err != nil {
		return nil, nil, err
	}
	if len(names) > 0 && v.keyErr != nil {
		return nil, nil, v.keyErr
	}
	all := v.openAll(names)
	slices.SortFunc(all, func(a, b *opened) int {
		if order := cmp.Compare(a.credential.Canonical, b.credential.Canonical); order != 0 {
			return order
		}
		return cmp.Compare(a.path, b.path) // of those that did not open
	})
	found = make([]Credential, 0, len(all))
	for _, e := range all {
		switch {
		case e.err == nil:
			found = append(found, e.credential)
		case !errors.Is(e.err, fs.ErrNotExist): // erased meanwhile
			damaged = append(damaged, &EntryError{File: e.path, Err: e.err})
		}
	}
	return found, damaged, nil
}

// entryNames lists the files of a generation that are entries, or stand where only
// entries should, in no order.
func (v view) entryNames() ([]string, error) {
	folder, err := os.Open(v.folder())
	var names []string
	if err == nil {
		names, err = folder.Readdirnames(-1)
		_ = folder.Close() // it was only read
	}
	if err != nil {
		return nil, fmt.Errorf("list the store: %w", err)
	}
	return slices.DeleteFunc(names, isHidden), nil
}

// isHidden tells files that are no entries: temporary files, rotation markers, and what NFS
// makes of files that are removed while somebody reads them.
func isHidden(name string) bool { return strings.HasPrefix(name, ".") }

// opened is what became of one file of a generation.
type opened struct {
	path       string
	credential Credential
	err        error
}

// openAll opens files of the generation on all processors: to open one is mostly computing.
func (v view) openAll(names []string) []*opened {
	all := make([]*opened, 0, len(names))
	var workers sync.WaitGroup
	for part := range slices.Chunk(names, partSize(len(names))) {
		found := make([]opened, len(part))
		for i := range found {
			all = append(all, &found[i])
		}
		workers.Go(func() {
			var buf []byte
			for i, name := range part {
				found[i], buf = v.openEntry(name, buf)
			}
		})
	}
	workers.Wait()
	return all
}

// partSize is how many of n entries one goroutine opens: fewer are not worth one.
func partSize(n int) int {
	const few = 32
	return max(few, (n+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
}

func (v view) openEntry(name string, buf []byte) (opened, []byte) {
	o := opened{path: filepath.Join(v.folder(), name)}
	if !isEntryName(name) {
		o.err = fmt.Errorf("%w: its name is no entry's", ErrDamaged)
		return o, buf
	}
	o.credential, buf, o.err = v.openInto(buf, o.path)
	o.credential.payload = nil // it is in buf; Put finds it again in the entry
	return o, buf
}
