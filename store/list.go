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
	folder := v.folder()
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, nil, fmt.Errorf("list the store: %w", err)
	}
	files = slices.DeleteFunc(files, func(f fs.DirEntry) bool { return isHidden(f.Name()) })
	if len(files) > 0 && v.keyErr != nil {
		return nil, nil, v.keyErr
	}
	for _, e := range v.openAll(files) {
		switch {
		case e.err == nil:
			found = append(found, e.credential)
		case !errors.Is(e.err, fs.ErrNotExist): // erased meanwhile
			damaged = append(damaged, &EntryError{File: e.path, Err: e.err})
		}
	}
	slices.SortFunc(found, func(a, b Credential) int { return cmp.Compare(a.Canonical, b.Canonical) })
	return found, damaged, nil
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

// openAll opens files of the generation, in their order, on all processors: to open one is
// mostly computing.
func (v view) openAll(files []fs.DirEntry) []opened {
	all := make([]opened, len(files))
	var workers sync.WaitGroup
	for part := range slices.Chunk(all, partSize(len(all))) {
		names := files[:len(part)]
		files = files[len(part):]
		workers.Go(func() {
			var buf []byte
			for i := range part {
				part[i], buf = v.openEntry(names[i].Name(), buf)
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
