package store

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// Windows keeps pipes out of the file system, and cannot refuse a link: readFile still
// refuses what is not a regular file.
const openNoHang, openNoFollow = 0, 0

// modesMatter is false: access control lists decide, and a profile's folders are the
// user's alone by default.
const modesMatter = false

func isSymlinkError(error) bool { return false }

func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// RenameOver tries again for up to 2 s while a reader or a virus scanner holds the file.
func RenameOver(from, to string) error {
	return whileHeld(func() error { return os.Rename(from, to) }, isHeld, time.Sleep)
}

// removeFile waits as RenameOver does: a reader keeps others from removing, too.
func removeFile(path string) error {
	return whileHeld(func() error { return os.Remove(path) }, isHeld, time.Sleep)
}

// isHeld recognizes what Windows says of a file that somebody has open.
func isHeld(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
}

// SyncFolder is not offered by Windows; NTFS journals renames.
func SyncFolder(string) error { return nil }
