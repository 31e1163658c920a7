package store

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// openNoFollow has no counterpart: readFile still refuses what is not a regular file.
const openNoFollow = 0

// modesMatter is false: access control lists decide, and a profile's folders are the
// user's alone by default.
const modesMatter = false

func isSymlinkError(error) bool { return false }

func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// RenameOver tries again for up to 2 s while a reader or a virus scanner holds the file.
func RenameOver(from, to string) error {
	const limit, pause = 2 * time.Second, 10 * time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		err := os.Rename(from, to)
		held := errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !held || waited >= limit {
			return err
		}
		time.Sleep(pause)
	}
}

// SyncFolder is not offered by Windows; NTFS journals renames.
func SyncFolder(string) error { return nil }
