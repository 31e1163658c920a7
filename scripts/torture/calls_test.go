//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// call is one system call that has to do with the store.
type call struct {
	Kind string
	Path string // below the folder that is watched
}

// A call is of one kind. "flush" is the close of a file that was written to: on NFS that is
// where data goes to the server, and where its refusal shows.
var (
	changing = []string{"create", "mkdir", "unlink", "link", "rename", "write", "sync", "chmod"}
	looking  = []string{"open", "read", "list", "stat", "fstat", "lock", "close", "flush"}
)

// name returns the call, if it is one of those that Go programs work on files with and is
// about something below the folder that is watched.
func (t *tracer) name(id, number int, arg func(int) uint64) (call, bool) {
	kind, paths := "", []string{}
	fd := func(n int) string {
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, int32(arg(n))))
		return target
	}
	// What a name leads to, seen from an open folder, as os.RemoveAll gives it.
	at := func(folder int) string {
		path := t.text(id, arg(folder+1))
		if !filepath.IsAbs(path) && int32(arg(folder)) >= 0 {
			path = filepath.Join(fd(folder), path)
		}
		return path
	}
	switch number {
	case unix.SYS_OPENAT:
		kind, paths = "open", []string{at(0)}
		if arg(2)&unix.O_CREAT != 0 {
			kind = "create"
		}
	case unix.SYS_MKDIRAT:
		kind, paths = "mkdir", []string{at(0)}
	case unix.SYS_UNLINKAT:
		kind, paths = "unlink", []string{at(0)}
	case unix.SYS_LINKAT:
		kind, paths = "link", []string{at(2), at(0)}
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		kind, paths = "rename", []string{at(2), at(0)}
	case unix.SYS_FCHMODAT:
		kind, paths = "chmod", []string{at(0)}
	case unix.SYS_FCHMOD, unix.SYS_FCHOWN:
		kind, paths = "chmod", []string{fd(0)}
	case unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_FTRUNCATE:
		kind, paths = "write", []string{fd(0)}
	case unix.SYS_READ, unix.SYS_PREAD64:
		kind, paths = "read", []string{fd(0)}
	case unix.SYS_GETDENTS64:
		kind, paths = "list", []string{fd(0)}
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		kind, paths = "sync", []string{fd(0)}
	case unix.SYS_NEWFSTATAT, unix.SYS_READLINKAT:
		kind, paths = "stat", []string{at(0)}
	case unix.SYS_FSTAT:
		kind, paths = "fstat", []string{fd(0)}
	case unix.SYS_FLOCK:
		kind, paths = "lock", []string{fd(0)}
	case unix.SYS_CLOSE:
		kind, paths = "close", []string{fd(0)}
	}
	for _, path := range paths {
		if below, ok := strings.CutPrefix(path, t.dir); ok {
			if kind == "close" && t.writes(int(int32(arg(0)))) {
				kind = "flush"
			}
			return call{kind, below}, true
		}
	}
	return call{}, false
}

// writes reports whether a file was opened for writing.
func (t *tracer) writes(fd int) bool {
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", t.pid, fd))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(info), "flags:")
	var flags int
	_, err = fmt.Sscanf(after, "%o", &flags)
	return err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY
}
