//go:build unix

package login

import (
	"os"
	"os/signal"
	"slices"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// promptSignals would end or stop this process while the terminal's echo is off: Ctrl-\, a
// hang-up, and Ctrl-Z. Those of them that whoever started it has ignored stay so.
func promptSignals() []os.Signal {
	return slices.DeleteFunc([]os.Signal{unix.SIGQUIT, unix.SIGHUP, unix.SIGTSTP}, signal.Ignored)
}

// suspended stops the process, as Ctrl-Z is meant to, with the terminal as it was before,
// and takes it up again with the terminal as the prompt had it. Once a Go program has caught
// SIGTSTP, its default action cannot be had back, so SIGSTOP stands in. In the group of the
// session's leader there is no shell to continue it: like the kernel, this does not stop it.
// ok is false for a signal that is to end the prompt.
func suspended(s os.Signal, fd int, before *term.State) (ok bool) {
	if s != unix.SIGTSTP {
		return false
	}
	session, err := unix.Getsid(0)
	if err != nil || unix.Getpgrp() == session {
		return true
	}
	during, err := term.GetState(fd)
	if err != nil {
		return true
	}
	_ = term.Restore(fd, before)
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	if unix.Kill(unix.Getpid(), unix.SIGSTOP) == nil {
		<-continued // another thread may run on for a moment before all of them stop
	}
	_ = term.Restore(fd, during)
	return true
}
