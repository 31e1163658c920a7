package authfile

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// openNoWait has no counterpart: what is not a regular file is refused anyway.
const openNoWait = 0

// modesMatter is false: access control lists decide, inherited from the folder.
const modesMatter = false

func keepOwner(*os.File, fs.FileInfo) bool { return true }

// renameOver tries again for up to 2 s while a reader or a virus scanner holds
// the file.
func renameOver(from, to string) error {
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

// syncFolder is not offered by Windows; NTFS journals renames.
func syncFolder(string) error { return nil }
