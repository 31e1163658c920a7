package authfile

import (
	"io/fs"
	"os"
)

// OpenNoWait has no counterpart: what is not a regular file is refused anyway.
const OpenNoWait = 0

// modesMatter is false: access control lists decide, inherited from the folder.
const modesMatter = false

func keepOwner(*os.File, fs.FileInfo) bool { return true }
