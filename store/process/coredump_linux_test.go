package process

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestNoCoreDumps(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	NoCoreDumps()
	after, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	// The other tests may look at /proc/self, which a process that is not dumpable does not own.
	if restoreErr := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); restoreErr != nil {
		t.Error(restoreErr)
	}
	if err != nil || after != 0 {
		t.Errorf("dumpable is %d (%v)", after, err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit != (unix.Rlimit{}) {
		t.Errorf("core files may have %v (%v)", limit, err)
	}
}
