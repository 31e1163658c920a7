//go:build unix

package process

import "golang.org/x/sys/unix"

// NoCoreDumps keeps secrets in memory out of core files, and other processes of the
// user from attaching. It is best effort: a container may forbid it.
func NoCoreDumps() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	notDumpable()
}
