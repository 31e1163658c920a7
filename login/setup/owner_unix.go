//go:build unix

package setup

import (
	"io/fs"
	"os"
	"syscall"
)

// rootInForeignFolder reports whether root would put its files into a folder of somebody
// else, and whose that is.
func rootInForeignFolder(info fs.FileInfo) (uid uint32, foreign bool) {
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return owner.Uid, os.Geteuid() == 0 && owner.Uid != 0
}
