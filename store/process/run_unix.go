//go:build unix

package process

import (
	"os/exec"

	"golang.org/x/sys/unix"
)

// Run runs cmd to its end. The end of its context kills also what it has started, which is in
// a process group of its own, or in a session of its own, without a terminal to ask at. In a
// group it may not read the terminal either: the system stops it until its context ends.
func Run(cmd *exec.Cmd, session bool) error {
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: !session, Setsid: session}
	cmd.Cancel = func() error {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // fails where all have ended by now, or are another user's
		return nil
	}
	return cmd.Run()
}
