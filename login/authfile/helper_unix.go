//go:build unix

package authfile

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// killGroup puts the helper into a process group of its own and makes the end of its
// context kill that group: a shell script's children would outlive the script.
// The price: the terminal stops a helper that reads it from the background, and the time
// limit then ends it. A helper must not prompt there anyway.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}
