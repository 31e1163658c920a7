package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// List returns all logins, expired ones included, sorted by canonical address, and the
// entries that could not be opened. err is set if nothing can be listed at all: the store is
// locked or has no key.
func (s *Store) List(ctx context.Context) (found []Credential, damaged []*EntryError, err error) {
	found, _, damaged, err = s.ListAnswered(ctx)
	return found, damaged, err
}

// ListAnswered is List that also returns what the programs of logins have answered, by
// [Credential.AnswerKey].
func (s *Store) ListAnswered(ctx context.Context) (found []Credential, answers map[string]Credential, damaged []*EntryError, err error) {
	now := *s
	for {
		found, answers, damaged, err = now.list(ctx)
		// Also without an error: a list taken while entries move to a new generation may be incomplete.
		changed, reloadErr := now.reload()
		if reloadErr != nil {
			return nil, nil, nil, reloadErr
		}
		if !changed {
			return found, answers, damaged, err
		}
	}
}

func (s *Store) list(ctx context.Context) (found []Credential, answers map[string]Credential, damaged []*EntryError, err error) {
	v, err := s.look(ctx)
	if errors.Is(err, ErrNotFound) {
		return nil, nil, nil, nil
	}
	if err != nil {
		return nil, nil, nil, err
	}
	v.needKey(ctx)
	names, strays, err := v.entryNames()
	if err != nil {
		return nil, nil, nil, err
	}
	for _, name := range strays {
		s.loc.passedOver(fmt.Errorf("%w: %q", ErrStray, filepath.Join(v.dir(), name)))
	}
	if len(names) > 0 && v.keyErr != nil {
		return nil, nil, nil, v.keyErr
	}
	all := v.openAll(names)
	for _, e := range all {
		if errors.Is(e.err, fs.ErrNotExist) {
			e.credential, e.err = v.openConfirmed(e.name)
			e.credential.payload = nil
		}
	}
	slices.SortFunc(all, func(a, b *opened) int {
		if order := cmp.Compare(a.credential.Canonical, b.credential.Canonical); order != 0 {
			return order
		}
		return cmp.Compare(a.name, b.name) // of those that did not open
	})
	found, answers = make([]Credential, 0, len(all)), map[string]Credential{}
	for _, e := range all {
		switch {
		case e.err == nil && e.credential.Answer != nil:
			answers[e.credential.Canonical] = e.credential
		case e.err == nil:
			found = append(found, e.credential)
		case !errors.Is(e.err, fs.ErrNotExist): // erased meanwhile
			damaged = append(damaged, &EntryError{File: filepath.Join(v.dir(), e.name), Err: e.err})
		}
	}
	return found, answers, damaged, nil
}

// entryNames lists the files of a generation that are named as entries, and the other files
// that are not hidden, in no order.
func (v view) entryNames() (names, strays []string, err error) {
	all, err := v.store.disk.List(v.dir())
	if err != nil {
		return nil, nil, fmt.Errorf("list the store: %w", err)
	}
	for _, name := range all {
		switch {
		case isEntryName(name):
			names = append(names, name)
		case !isHidden(name):
			strays = append(strays, name)
		}
	}
	return names, strays, nil
}

// isHidden recognizes temporary files, rotation markers, and what NFS makes of files that are
// removed while they are open.
func isHidden(name string) bool { return strings.HasPrefix(name, ".") }

// opened is the result of opening one file of a generation.
type opened struct {
	name       string
	credential Credential
	err        error
}

// openAll opens files of the generation on all processors: opening is mostly computing.
func (v view) openAll(names []string) []*opened {
	parts := slices.Collect(slices.Chunk(names, 64)) // small enough that all processors finish together
	queue := make(chan int, len(parts))
	for n := range parts {
		queue <- n
	}
	close(queue)
	done := make([][]opened, len(parts))
	var workers sync.WaitGroup
	for range min(len(parts), runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			o := v.opener()
			for n := range queue {
				done[n] = o.openPart(parts[n])
			}
		})
	}
	workers.Wait()
	all := make([]*opened, 0, len(names))
	for _, part := range done {
		for i := range part {
			all = append(all, &part[i])
		}
	}
	return all
}

func (o *opener) openPart(names []string) []opened {
	part := make([]opened, len(names))
	for i, name := range names {
		part[i] = o.openListed(name)
	}
	return part
}

func (o *opener) openListed(name string) opened {
	c, err := o.open(name)
	c.payload = nil // it is in the opener's buffer; Put reads it again from the entry
	return opened{name: name, credential: c, err: err}
}
