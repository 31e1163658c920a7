//go:build !unix

package setup

import "io/fs"

// rootInForeignDir is about sudo, which only Unix has.
func rootInForeignDir(fs.FileInfo) (uid uint32, foreign bool) { return 0, false }
