//go:build unix

package keys

import (
	"errors"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// endWithChildren has a program that takes too long killed together with all that it has
// started, which is in its process group.
func endWithChildren(cmd *exec.Cmd) {
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		if errors.Is(err, unix.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}
