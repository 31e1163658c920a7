package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"regshape/store/durable"
)

// Aside returns what resets have moved aside: entries, and often a key that opens them.
func (l Location) Aside() []string {
	var aside []string
	for _, dir := range slices.Compact([]string{l.v1(), l.State, l.Config}) {
		files, _ := durable.ReadDir(dir) // a missing one has none, and Check reports an unreadable one
		for _, f := range files {
			if isAside(f.Name()) {
				aside = append(aside, filepath.Join(dir, f.Name()))
			}
		}
	}
	return aside
}

const asideMark = ".forgotten-"

func isAside(name string) bool {
	return strings.HasPrefix(name, "old-") && strings.Contains(name, asideMark)
}

// Forget gives up every stored credential, so that a store whose key is lost can be used
// again. Nothing is deleted: generations, key and config are moved aside, and Forget returns
// their new paths. The next Put begins a new store. It also works on a store that cannot be
// opened.
func (l Location) Forget(now time.Time) (aside []string, err error) {
	if err := l.checkOwned(); err != nil {
		return nil, err
	}
	if err := l.checkWritable(); err != nil {
		return nil, err
	}
	generations, err := l.generations()
	if err != nil {
		return nil, err
	}
	suffix := asideMark + now.UTC().Format("20060102T150405.000000Z")
	var from []string
	for _, kid := range generations {
		from = append(from, l.Generation(kid))
	}
	// The generations first: while one is there, no key is made.
	for _, pattern := range []string{
		l.StagedKeyFile("*"), l.KeyFile(), l.SealedKeyFile("*"), filepath.Join(l.v1(), "slots"),
		l.stagedConfig("*"), l.configFile(), l.namesFile(),
	} {
		// A directory's name may contain Glob patterns.
		dir, err := durable.ReadDir(filepath.Dir(pattern))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look for what to move aside: %w", err)
		}
		for _, e := range dir {
			if ok, _ := filepath.Match(filepath.Base(pattern), e.Name()); ok {
				from = append(from, filepath.Join(filepath.Dir(pattern), e.Name()))
			}
		}
	}
	for _, path := range from {
		// A generation's new name must not begin with "g-".
		to := filepath.Join(filepath.Dir(path), "old-"+filepath.Base(path)+suffix)
		err := durable.OS{}.Rename(path, to)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			aside = append(aside, to)
			err = durable.OS{}.SyncDir(filepath.Dir(path))
		}
		if err != nil {
			return aside, fmt.Errorf("move %s aside: %w", path, err)
		}
	}
	return aside, nil
}
