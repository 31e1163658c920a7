package account

import (
	"os/exec"
	"syscall"
)

// detach gives a browser a process group of its own: Ctrl-C in ours must not close it.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
