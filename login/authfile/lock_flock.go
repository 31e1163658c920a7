//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package authfile

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// lockDir keeps other processes of this machine that ask for the same out of a
// directory, for as long as they are patient, and returns what ends that.
//
// Comparing before the rename leaves a moment in which two writers both find the
// file unchanged. The lock closes it among ourselves. It is taken on the directory,
// so there is no lock file, none can be left behind, and a rename does not carry
// it away. It is advice: where a file system has none, the edit goes on without.
func lockDir(dir string, timeout time.Duration) (unlock func()) {
	f, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	unlock = func() { _ = f.Close() } // which ends the lock, flock(2)
	const pause = 2 * time.Millisecond
	for waited := time.Duration(0); waited < timeout; waited += pause {
		// Never the waiting form: it has no time limit.
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
		time.Sleep(pause)
	}
	return unlock
}
