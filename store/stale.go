package store

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
)

// The client of a network file system may go on saying for a while that a file is not there,
// which another machine has made: the answer is kept from an earlier look. Its list of the
// folder is another answer, and newer. A lookup lives with that, and finds the login a moment
// later. What follows is for those who would take "not there" for "erased", and lose it.

// staleTries is how often a file is asked for that its folder lists: it may also have been
// erased and stored again in between.
const staleTries = 3

var errStale = errors.New("its folder lists it, and it cannot be found: the file system shows an old state; try again in a minute")

// lists reports whether the generation's folder lists an entry.
func (v view) lists(name string) (bool, error) {
	names, _, err := v.entryNames()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return slices.Contains(names, name), err
}

// openSure is [opener.open], whose [fs.ErrNotExist] is sure.
func (v view) openSure(name string) (Credential, error) {
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

// removeSure removes an entry's file. When it was not there, that is sure.
func (v view) removeSure(name string) (removed bool, err error) {
	for range staleTries {
		err := v.store.disk.Remove(filepath.Join(v.folder(), name))
		if !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
		if there, listErr := v.lists(name); listErr != nil || !there {
			return false, listErr // another run was faster
		}
	}
	return false, errStale
}
