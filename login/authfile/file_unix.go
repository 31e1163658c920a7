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
	info, err := f.Stat()
	if err != nil {
		return false
	}
	have, ok := info.Sys().(*syscall.Stat_t)
	want, known := old.Sys().(*syscall.Stat_t)
	if !ok || !known {
		return false
	}
	// Without privileges only the group can go, to one that the user is in.
	return f.Chown(int(want.Uid), int(want.Gid)) == nil || have.Gid == want.Gid || f.Chown(-1, int(want.Gid)) == nil
}

// NamesOf looks the names of a file up; symbolic links are followed. Of a file that cannot
// be looked at there is nothing to tell.
func NamesOf(path string) Names {
	info, err := os.Stat(path)
	if err != nil {
		return Names{}
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Names{}
	}
	return Names{Device: uint64(st.Dev), Inode: uint64(st.Ino), Others: max(int(st.Nlink)-1, 0)} //nolint:gosec // of other widths elsewhere
}
