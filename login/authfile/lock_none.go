//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package authfile

import "time"

// lockFolder has no counterpart here: a folder cannot be locked, and a lock file
// has no business among the user's own. The comparison before the rename remains.
func lockFolder(string, time.Duration) (unlock func()) { return func() {} }
