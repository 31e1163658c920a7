//go:build !unix

package setup

import "io/fs"

// rootInForeignFolder is about sudo, which other systems do not have.
func rootInForeignFolder(fs.FileInfo) (uid uint32, foreign bool) { return 0, false }
