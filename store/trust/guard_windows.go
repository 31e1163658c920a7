package trust

import (
	"io/fs"
	"os"
)

// guarded only looks whether the path is there: owners and access control lists are not
// looked at here, as nowhere in package store. What is below Program Files and a user's
// profile is closed to other users unless somebody has changed that.
func guarded(path string) error {
	_, err := os.Stat(path)
	return err
}

func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }
