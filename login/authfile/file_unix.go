//go:build unix

package authfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// openNoWait keeps open from waiting for the other end of a FIFO.
const openNoWait = syscall.O_NONBLOCK

// modesMatter says that permission bits decide who may read a file.
const modesMatter = true

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

func renameOver(from, to string) error { return os.Rename(from, to) }

// syncFolder makes a rename durable. File systems that cannot sync a folder
// (EINVAL, ENOTSUP) keep what they promise without it.
func syncFolder(path string) error {
	if path == "" {
		path = "."
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
