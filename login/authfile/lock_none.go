//go:build !(windows || linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package authfile

import "time"

// lockDir has no counterpart here: a directory cannot be locked, and a lock file
// has no business among the user's own. The comparison before the rename remains.
func lockDir(string, time.Duration) (unlock func()) { return func() {} }
