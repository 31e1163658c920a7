//go:build unix

package authfile

import (
	"os"
	"syscall"
)

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
