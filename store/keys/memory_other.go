//go:build !linux

package keys

import "io/fs"

// availableMemory is not known: these systems extend their swap as needed, and set a
// process no limit of their own.
func availableMemory(fs.FS) (headroom, bool) { return headroom{}, false }
