//go:build unix

package main

import (
	"os"
	"syscall"
)

// minorFaults is how often the process touched a page that it did not have yet and that
// needed no reading from the disk.
func minorFaults(state *os.ProcessState) (faults int64, counted bool) {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, false
	}
	return int64(usage.Minflt), true //nolint:unconvert // of another size on other processors
}
