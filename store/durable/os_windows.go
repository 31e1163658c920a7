package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

// NoWait has no counterpart: Windows keeps pipes out of the file system.
const NoWait = 0

// openNoFollow has none either: what is not a regular file is still refused.
const openNoFollow = 0

// ModesMatter is false: access control lists decide, see [Exposed]. By default a profile's
// directories are the user's alone.
const ModesMatter = false

func isSymlinkError(error) bool { return false }

// Open opens a file for reading. Unlike package os it lets others rename and remove the file
// meanwhile, as on Unix, and waits as [RenameOver] does for whoever is doing so.
func Open(path string) (f *os.File, err error) {
	const access, share = windows.GENERIC_READ, windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	err = WhileHeld(func() error {
		// With backup semantics a directory can be opened, too, and be told from a file.
		h, err := windows.CreateFile(name, access, share, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
		if err == nil {
			f = os.NewFile(uintptr(h), path)
		}
		return err
	}, isHeld, time.Sleep)
	if err != nil {
		return nil, notThere(path, &fs.PathError{Op: "open", Path: path, Err: err})
	}
	return f, nil
}

// ReadDir lists a directory by name.
func ReadDir(path string) ([]fs.DirEntry, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it is only read
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, notThere(filepath.Join(path, "x"), err)
}

var errNotDir = errors.New("not a directory: name another path, or move the file away")

// notThere tells a path that leads through a file from one that is not there. To package
// syscall both are ERROR_PATH_NOT_FOUND, which is [fs.ErrNotExist]. The path itself may have
// been made meanwhile.
func notThere(path string, err error) error {
	if !errors.Is(err, syscall.ENOTDIR) {
		return err
	}
	for dir := filepath.Dir(path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if info, lookErr := os.Stat(dir); lookErr == nil && !info.IsDir() {
			return &fs.PathError{Op: "open", Path: dir, Err: errNotDir}
		} else if lookErr == nil {
			break
		}
	}
	return err
}

// OwnerOf knows no uid.
func OwnerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// RenameOver tries again for up to 2 s while a reader or a virus scanner holds the file.
func RenameOver(from, to string) error {
	return WhileHeld(func() error { return os.Rename(from, to) }, isHeld, time.Sleep)
}

// Remove waits as RenameOver does: a reader keeps others from removing, too.
func Remove(path string) error {
	return WhileHeld(func() error { return os.Remove(path) }, isHeld, time.Sleep)
}

// isHeld recognizes what Windows says of a file that somebody has open.
func isHeld(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
}

// Writable cannot tell: access control lists decide when something is written.
func Writable(string) error { return nil }

// SyncDir is not offered by Windows; NTFS journals renames.
func SyncDir(string) error { return nil }
