//go:build unix

package terminal

import (
	"os"
	"os/signal"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// endingSignals would end this process while the terminal's echo is off: Ctrl-\ and a
// hang-up. Those that whoever started it has ignored stay so.
func endingSignals() []os.Signal {
	return slices.DeleteFunc([]os.Signal{unix.SIGQUIT, unix.SIGHUP}, signal.Ignored)
}

// Stops has Ctrl-Z stop the process as it should, and a prompt see to the terminal before
// and after. Once a Go program has caught SIGTSTP, its default action cannot be had back: so
// this stands in for it from the first prompt on.
type Stops struct {
	once   sync.Once
	mu     sync.Mutex
	prompt func(stop func()) // the one that is shown, nil between them
}

// during has prompt called in place of a stop, until end is.
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
	// In the group of the session's leader there is no shell that could continue it. The
	// kernel would not stop it either.
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

// stopNow returns when the process was continued.
func stopNow() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	if unix.Kill(unix.Getpid(), unix.SIGSTOP) == nil {
		<-continued // this thread may run on for a moment before all of them stop
	}
}
