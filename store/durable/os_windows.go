package durable

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// NoWait has no counterpart: Windows keeps pipes out of the file system.
const NoWait = 0

// openNoFollow has none either: what is not a regular file is still refused.
const openNoFollow = 0

// ModesMatter is false: access control lists decide, and a profile's directories are the
// user's alone by default.
const ModesMatter = false

func isSymlinkError(error) bool { return false }

// OwnerOf knows no uid.
func OwnerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// RenameOver tries again for up to 2 s while a reader or a virus scanner holds the file.
func RenameOver(from, to string) error {
	return WhileHeld(func() error { return os.Rename(from, to) }, isHeld, time.Sleep)
}

// removeFile waits as RenameOver does: a reader keeps others from removing, too.
func removeFile(path string) error {
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
