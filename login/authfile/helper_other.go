//go:build !unix

package authfile

import "os/exec"

// killGroup leaves the helper as it is: the end of its context kills the process itself,
// and nobody waits for a child of it (pipeGrace).
func killGroup(*exec.Cmd) {}
