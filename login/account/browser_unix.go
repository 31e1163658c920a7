//go:build unix

package account

import (
	"os/exec"
	"syscall"
)

// detach gives a browser a session of its own: Ctrl-C in ours must not close it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
