// Package keys has the places that a store's root key can be in: a file, slots (the key
// encrypted with age to passphrases, recipients and hardware), the OS keyring, and what a
// command prints. Each is a [store.Key]; which one a store uses is in its config, and
// [Sources] makes it. A key that slots have opened is kept for a while where the kernel, or
// the OS keyring, forgets it. Backups are here, too.
package keys

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"

	"regshape/store"
)

// Sources chooses among the places that a key can be in.
type Sources struct {
	KeyFile string // the file that REGSHAPE_KEY_FILE names, "" when it is not set
}

var _ store.Sources = Sources{}

// Default is the named file where there is one, on macOS and Windows the keyring, and
// elsewhere the key file: sessions without a desktop are common there.
func (s Sources) Default() store.KeySource {
	switch {
	case s.KeyFile != "":
		return store.KeySource{Source: store.SourceEnvironment}
	case HasRing(runtime.GOOS):
		return store.KeySource{Source: store.SourceKeyring}
	}
	return store.KeySource{Source: store.SourceFile}
}

// HasRing reports whether a system has a keyring of its own. That is unlocked with the user's
// session; where it is not, the system may ask the user when a key is loaded.
func HasRing(goos string) bool { return goos == "darwin" || goos == "windows" }

// Choose returns the place that a store's config names, or, whatever it names, the named
// file where there is one: the pinned kid still decides whether that has the right key.
// It touches nothing yet.
func (s Sources) Choose(loc store.Location, source store.KeySource) (store.Key, error) {
	if s.KeyFile != "" {
		return Named{Path: s.KeyFile}, nil
	}
	switch source.Source {
	case store.SourceFile:
		return File{Location: loc}, nil
	case store.SourceSlots:
		return Slots{Location: loc, Recipient: source.Recipient, cache: systemCache()}, nil
	case store.SourceKeyring:
		return NewKeyring(), nil
	case store.SourceCommand:
		if len(source.Command) == 0 || !filepath.IsAbs(source.Command[0]) {
			return nil, fmt.Errorf("%w: it names no command by its absolute path", store.ErrConfigDamaged)
		}
		return Command{Words: source.Command, loc: loc}, nil
	case store.SourceEnvironment:
		return nil, errors.New("this store's key comes from the file that " + keyFileVariable + " names: set it")
	}
	return nil, fmt.Errorf("key source %q is unknown: %w", source.Source, store.ErrNewer)
}
