//go:build torture && linux && amd64

package torture

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// What is done to a call beside failing it.
const (
	kill = "kill"
	jump = "jump" // the clock jumps
)

// errorNames are the errors by their names in a plan.
var errorNames = map[string]unix.Errno{
	"ENOSPC": unix.ENOSPC, "EDQUOT": unix.EDQUOT, "EIO": unix.EIO, "EACCES": unix.EACCES, "EINTR": unix.EINTR,
	"ENOENT": unix.ENOENT, "ESTALE": unix.ESTALE,
}

// failing is a way to fail calls of some kinds.
type failing struct {
	action string
	kinds  []string
}

// faults are what is done to whom:
//
//   - kill where something changes: between two such calls the disk stays as it is;
//   - ENOSPC wherever a file system takes room, which for copy-on-write ones is also where
//     something is removed, and at the close of a written file, where NFS tells of it;
//   - EDQUOT likewise, but nobody's quota forbids to remove something;
//   - EIO everywhere: any call may have to read the disk or ask a server;
//   - EACCES where a name is looked up, and where rights are changed;
//   - EINTR everywhere. Local disks give it where a program waits; FUSE and NFS also at calls
//     on names, and those may have been done all the same (see doneAllTheSame);
//   - ENOENT where a name is looked up that is there: the client of a network file system has
//     kept an old answer;
//   - ESTALE at every look: another machine has replaced what was found.
//
// Those that change something and those that only look are separate ways, as the latter are
// sampled.
var faults = []failing{
	{kill, changing},
	{"ENOSPC", []string{"create", "mkdir", "unlink", "link", "rename", "write", "sync", "flush"}},
	{"EDQUOT", []string{"create", "mkdir", "link", "rename", "write", "sync", "flush"}},
	{"EIO", changing},
	{"EIO", looking},
	{"EACCES", []string{"create", "mkdir", "unlink", "link", "rename", "chmod"}},
	{"EACCES", []string{"open", "stat"}},
	{"EINTR", changing},
	{"EINTR", looking},
	{"ENOENT", []string{"open", "stat"}},
	{"ESTALE", []string{"open", "read", "list", "stat", "fstat"}},
}

// doneAllTheSame reports whether a call that fails was done: Linux has closed a file whatever
// close says, and an interrupted wait for a server takes back nothing of what was asked of it.
func (c call) doneAllTheSame(err unix.Errno) bool {
	switch c.Kind {
	case "close", "flush":
		return true
	case "mkdir", "unlink", "link", "rename":
		return err == unix.EINTR
	}
	return false
}

// onlyLooks reports whether these calls change nothing.
func (f failing) onlyLooks() bool {
	return !slices.ContainsFunc(f.kinds, func(kind string) bool { return slices.Contains(changing, kind) })
}

// likeAnother reports whether the program goes the same way after it as after one of the
// faults that a change of the key meets at every call.
func (f failing) likeAnother() bool {
	return f.action == "EDQUOT" || f.action == "EACCES" || f.action == "EINTR" || f.action == "ESTALE"
}

// everyCall is what TORTURE_FAULTS=all asks for.
func everyCall() bool { return os.Getenv("TORTURE_FAULTS") == "all" }
