//go:build unix

package authfile

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives the new file the owner and the group of the old one, as far as
// the system permits, and reports whether the group is the same.
func keepOwner(f *os.File, old fs.FileInfo) bool {
	want, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	have, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	if have.Uid == want.Uid && have.Gid == want.Gid {
		return true
	}
	if f.Chown(int(want.Uid), int(want.Gid)) == nil {
		return true
	}
	// Without privileges only the group can go, to one that the user is in.
	return have.Gid == want.Gid || f.Chown(-1, int(want.Gid)) == nil
}
