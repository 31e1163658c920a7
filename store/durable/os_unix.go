//go:build unix

package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// NoWait is a flag of [os.OpenFile] that keeps it from waiting for the other end of a FIFO.
const NoWait = syscall.O_NONBLOCK

// openNoFollow also refuses a symbolic link.
const openNoFollow = syscall.O_NOFOLLOW | NoWait

// ModesMatter reports whether permission bits decide who may read a file.
const ModesMatter = true

// isSymlinkError recognizes the error of open with O_NOFOLLOW (ELOOP; EMLINK on FreeBSD).
func isSymlinkError(err error) bool {
	return errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK)
}

// Exposed says how a file or directory of the user's is open to others in a way that s forbids,
// and the words of the command that closes it; both are empty where it is not.
func Exposed(path string, info fs.FileInfo, s Secrecy) (how string, fix []string, err error) {
	perm := info.Mode().Perm()
	if perm&fs.FileMode(s) == 0 {
		return "", nil, nil
	}
	mode := "600"
	if info.IsDir() {
		mode = "700"
	}
	return fmt.Sprintf("mode %04o", perm), []string{"chmod", mode, path}, nil
}

// Open opens a file for reading. It does not wait for the other end of a FIFO.
func Open(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDONLY|NoWait, 0) }

// ReadDir lists a directory by name. A path that leads through a file is not [fs.ErrNotExist].
func ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// notThere has nothing to tell apart: ENOTDIR is not ENOENT.
func notThere(_ string, err error) error { return err }

// OwnerOf is the uid of a file, where the system has one.
func OwnerOf(info fs.FileInfo) (uid int, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// RenameOver renames a file over another one, atomically.
func RenameOver(from, to string) error { return os.Rename(from, to) }

// Remove removes a file or an empty directory.
func Remove(path string) error { return os.Remove(path) }

// Writable returns nil where the process may make files in a directory, without trying.
func Writable(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}

// SyncDir makes renames within a directory durable; "" is the current one. File systems that
// cannot sync a directory (EINVAL, ENOTSUP) need no sync.
func SyncDir(path string) error {
	f, err := os.Open(filepath.Join(path, "."))
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
