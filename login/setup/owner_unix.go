//go:build unix

package setup

import (
	"io/fs"
	"os"
	"syscall"
)

// rootInForeignDir reports whether root would create files in a directory of another
// user, and whose that is.
func rootInForeignDir(info fs.FileInfo) (uid uint32, foreign bool) {
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return owner.Uid, os.Geteuid() == 0 && owner.Uid != 0
}
