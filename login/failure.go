package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"regshape/login/authfile"
	"regshape/login/registry"
	"regshape/store"
)

// usageError is a command line that cannot be run; exit code 2.
type usageError struct{ message, hint string }

func (e *usageError) Error() string { return e.message }

// verifyError is a command that ended with what the registry said.
type verifyError struct {
	doing    string // "Login failed for"
	registry string
	result   registry.Result
}

func (e *verifyError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.doing, e.registry, e.result.Message)
}

// storeError is a store that could not take, give or remove a credential.
type storeError struct {
	registry string // "" where it is about the whole store
	doing    string // "store credentials"
	err      error
}

func (e *storeError) Error() string {
	return fmt.Sprintf("Could not %s: %v", e.doing, e.err)
}
func (e *storeError) Unwrap() error { return e.err }

// errTold is a failure that the command has already put into words.
var errTold = errors.New("already told")

// errInterrupted is Ctrl-C at a prompt or while waiting for the network.
var errInterrupted = errors.New("interrupted")

// report is the JSON object of a failed command.
type report struct {
	Status   string `json:"status"` // "error"
	Registry string `json:"registry,omitempty"`
	Reason   string `json:"reason"` // an outcome of verification, or usage, store, input, interrupted
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
	Detail   string `json:"detail,omitempty"` // what the registry itself said
}

// fail tells an error with its hint, as text on standard error or as JSON on standard
// output, and returns the exit code.
func (e *env) fail(err error) int {
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errTold) {
		return exitFailed
	}
	r, code := e.describe(err)
	if e.JSON {
		_ = writeJSON(e.Out, r) // nowhere left to say that it failed
		return code
	}
	_, _ = fmt.Fprintf(e.Err, "Error: %s\n", r.Message)
	if r.Detail != "" {
		_, _ = fmt.Fprintf(e.Err, "The registry says: %s\n", r.Detail)
	}
	if r.Hint != "" {
		_, _ = fmt.Fprintf(e.Err, "Hint: %s\n", r.Hint)
	}
	return code
}

func (e *env) describe(err error) (report, int) {
	r := report{Status: "error", Reason: "input", Message: err.Error(), Hint: e.advice(err)}
	var usage *usageError
	var verify *verifyError
	var stored *storeError
	switch {
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		r.Reason, r.Message, r.Hint = "interrupted", "interrupted", ""
		return r, exitInterrupted
	case errors.As(err, &usage):
		r.Reason, r.Hint = "usage", usage.hint
		return r, exitUsage
	case errors.As(err, &verify):
		r.Registry, r.Reason = verify.registry, string(verify.result.Outcome)
		r.Hint, r.Detail = verify.result.Hint, verify.result.Detail
		if r.Hint == "" && verify.result.Outcome == registry.Rejected {
			r.Hint = "check the user name; many registries want an access token in place of the password"
		}
	case errors.As(err, &stored):
		r.Registry, r.Reason = stored.registry, "store"
	}
	if r.Hint == "" && errors.Is(err, authfile.ErrNotOnPath) {
		r.Hint = "install it, or change the settings that name it: regshape auth doctor"
	}
	return r, exitFailed
}

// advice is what mends an error of the store that the flags name.
func (e *env) advice(err error) string { return store.Advice(err, e.own) }

// warn tells something that does not stop the command.
func (e *env) warn(format string, args ...any) {
	_, _ = fmt.Fprintf(e.Err, "Warning: "+format+"\n", args...)
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
