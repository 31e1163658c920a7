package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"regshape/login/registry"
	"regshape/login/terminal"
)

// Exit codes.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitInterrupted = 130 // 128 + SIGINT, as shells have it
)

// UsageError is a command line that cannot be run; exit code 2.
type UsageError struct{ Message, Hint string }

func (e *UsageError) Error() string { return e.Message }

// VerifyError is a command that failed with a verification.
type VerifyError struct {
	Doing    string // "Login failed for"
	Registry string
	Result   registry.Result
	Hint     string // where the command knows better than the registry's client; "" else
}

func (e *VerifyError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Doing, e.Registry, e.Result.Message)
}

// StoreError is a store that could not take, give or remove a credential.
type StoreError struct {
	Registry string // "" where it is about the whole store
	Doing    string // "store credentials"
	Err      error
}

func (e *StoreError) Error() string {
	return fmt.Sprintf("Could not %s: %v", e.Doing, e.Err)
}

func (e *StoreError) Unwrap() error { return e.Err }

// ErrReported is a failure that the command has already put into words.
var ErrReported = errors.New("already reported")

// Report is the JSON object of a failed command.
type Report struct {
	Status   string `json:"status"` // "error"
	Registry string `json:"registry,omitempty"`
	Reason   string `json:"reason"` // an outcome of verification, or usage, store, input, interrupted; of import, setup and trust their name
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
	Detail   string `json:"detail,omitempty"` // the registry's own message
}

// Fail tells an error with its hint, as text on standard error or as JSON on standard
// output, and returns the exit code.
func Fail(e *Env, err error) int {
	if err == nil {
		return ExitDone
	}
	switch reported := errors.Is(err, ErrReported); {
	case reported && errors.Is(err, terminal.ErrInterrupted):
		return interruptedCode(e)
	case reported:
		return ExitFailed
	}
	r, code := Describe(e, err)
	if e.JSON {
		_ = WriteJSON(e.Out, r) // nowhere left to say that it failed
		return code
	}
	e.Tell("Error: %s", r.Message)
	if !strings.Contains(r.Message, r.Detail) {
		e.Tell("The registry says: %s", r.Detail)
	}
	e.Hint(r.Hint)
	return code
}

// Describe turns an error into what is reported of it, and the exit code.
func Describe(e *Env, err error) (Report, int) {
	r := Report{Status: "error", Reason: "input", Message: err.Error(), Hint: e.Advice(err)}
	var usage *UsageError
	var verify *VerifyError
	var stored *StoreError
	switch {
	case errors.Is(err, terminal.ErrInterrupted), errors.Is(err, context.Canceled):
		r.Reason, r.Message, r.Hint = "interrupted", "interrupted", ""
		return r, interruptedCode(e)
	case errors.As(err, &usage):
		r.Reason, r.Hint = "usage", usage.Hint
		return r, ExitUsage
	case errors.As(err, &verify):
		r.Registry, r.Reason = verify.Registry, string(verify.Result.Outcome)
		r.Detail = verify.Result.Detail
	case errors.As(err, &stored):
		r.Registry, r.Reason = stored.Registry, "store"
	}
	return r, ExitFailed
}

// Signal is why a run was ended from outside; as the cause of its context it decides the
// exit code.
type Signal struct{ os.Signal }

// Error names the signal.
func (s Signal) Error() string { return s.String() }

// interruptedCode is the exit code of a run whose context ended: 128 and the signal, as
// shells have it.
func interruptedCode(e *Env) int {
	if s, ok := errors.AsType[Signal](context.Cause(e.Ctx)); ok {
		if n, ok := s.Signal.(syscall.Signal); ok {
			return 128 + int(n)
		}
	}
	return ExitInterrupted
}
