//go:build unix

package terminal

import (
	"os"
	"os/signal"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// endingSignals would end this process while the echo is off: Ctrl-\ and a hang-up. Ignored
// signals stay ignored.
func endingSignals() []os.Signal {
	return slices.DeleteFunc([]os.Signal{unix.SIGQUIT, unix.SIGHUP}, signal.Ignored)
}

// Stops stops the process on Ctrl-Z, and lets a prompt restore the terminal before and after.
// A Go program that has caught SIGTSTP cannot get the default action back, so this replaces
// it from the first prompt on.
type Stops struct {
	once   sync.Once
	mu     sync.Mutex
	prompt func(stop func()) // of the current prompt, or nil
}

// during calls prompt instead of stopping the process, until end is called.
func (s *Stops) during(prompt func(stop func())) (end func()) {
	s.once.Do(func() {
		if signal.Ignored(unix.SIGTSTP) {
			return
		}
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, unix.SIGTSTP)
		go func() {
			for range caught {
				s.stop()
			}
		}()
	})
	s.set(prompt)
	return func() { s.set(nil) }
}

func (s *Stops) set(prompt func(stop func())) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prompt = prompt
}

func (s *Stops) stop() {
	// In the group of the session leader there is no shell to continue it; the kernel would
	// not stop it either.
	if session, err := unix.Getsid(0); err != nil || unix.Getpgrp() == session {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.prompt != nil {
		s.prompt(stopNow)
	} else {
		stopNow()
	}
}

// stopNow stops the process and returns when it continues.
func stopNow() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	if unix.Kill(unix.Getpid(), unix.SIGSTOP) == nil {
		<-continued // this thread may continue for a moment before all of them stop
	}
}
