package login

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// Signal is why a run was ended from outside; as the cause of its context it decides the
// exit code.
type Signal struct{ os.Signal }

// Error names the signal.
func (s Signal) Error() string { return s.String() }

// interruptedCode is the exit code of a run whose context ended: 128 and the signal, as
// shells have it.
func (e *env) interruptedCode() int {
	if e.ctx == nil {
		return exitInterrupted
	}
	if s, ok := errors.AsType[Signal](context.Cause(e.ctx)); ok {
		if n, ok := s.Signal.(syscall.Signal); ok {
			return 128 + int(n)
		}
	}
	return exitInterrupted
}
