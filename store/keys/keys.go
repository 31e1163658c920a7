// Package keys has the places that a store's root key can come from.
package keys

import (
	"fmt"

	"regshape/store"
)

// Choose returns the key source that a store's config names. It touches nothing yet.
func Choose(loc store.Location, source store.KeySource) (store.Key, error) {
	if source.Source == store.SourceFile {
		return File{Path: loc.KeyFile()}, nil
	}
	return nil, fmt.Errorf("key source %q is unknown: %w", source.Source, store.ErrNewer)
}
