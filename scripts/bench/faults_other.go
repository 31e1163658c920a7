//go:build !unix

package main

import "os"

// minorFaults are not counted here.
func minorFaults(*os.ProcessState) (faults int64, counted bool) { return 0, false }
