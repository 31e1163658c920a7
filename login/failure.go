package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"regshape/login/authfile"
	"regshape/login/registry"
	"regshape/store"
	"regshape/store/printable"
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
	Reason   string `json:"reason"` // an outcome of verification, or usage, store, input, interrupted; of import, setup and trust their name
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
	switch told := errors.Is(err, errTold); {
	case told && errors.Is(err, errInterrupted):
		return e.interruptedCode()
	case told:
		return exitFailed
	}
	r, code := e.describe(err)
	if e.JSON {
		_ = writeJSON(e.Out, r) // nowhere left to say that it failed
		return code
	}
	e.tell("Error: %s", r.Message)
	if !strings.Contains(r.Message, r.Detail) {
		e.tell("The registry says: %s", r.Detail)
	}
	e.hint(r.Hint)
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
		return r, e.interruptedCode()
	case errors.As(err, &usage):
		r.Reason, r.Hint = "usage", usage.hint
		return r, exitUsage
	case errors.As(err, &verify):
		r.Registry, r.Reason = verify.registry, string(verify.result.Outcome)
		r.Hint, r.Detail = verify.result.Hint, verify.result.Detail
		if r.Hint == "" {
			r.Hint = hintFor(verify.result.Outcome)
		}
	case errors.As(err, &stored):
		r.Registry, r.Reason = stored.registry, "store"
	}
	if _, ok := errors.AsType[*authfile.SyntaxError](err); ok && r.Hint == "" {
		r.Hint = "mend it at that line and column; nothing in it was changed"
	}
	if r.Hint == "" && errors.Is(err, authfile.ErrNotOnPath) {
		r.Hint = "install it, or change the setting that names it; '" + e.own("auth", "doctor") + "' has the command"
	}
	return r, exitFailed
}

// hintFor is what may help where the registry client has nothing better to say.
func hintFor(o registry.Outcome) string {
	switch o {
	case registry.Rejected:
		return "check the user name; many registries want an access token in place of the password"
	case registry.Unreachable:
		return "check the registry's name, the port and the network, or try again later"
	case registry.Throttled:
		return "wait a while, then try again"
	}
	return ""
}

// advice is what mends an error of the store that the flags name.
func (e *env) advice(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok && !e.ofStore(path.Path) {
		return "" // a file of the user's or of another tool's, which REGSHAPE_STORE does not move
	}
	return store.Advice(err, e.own)
}

// problem is an error with what mends it, for a result that goes on without.
func (e *env) problem(err error) string {
	if advice := e.advice(err); advice != "" {
		return err.Error() + ": " + advice
	}
	return err.Error()
}

// ofStore reports whether a path is one of the store's, or a folder that they are in.
func (e *env) ofStore(path string) bool {
	loc, err := e.locate()
	if err != nil {
		return true
	}
	path = filepath.Clean(path)
	for _, dir := range []string{loc.Data, loc.State, loc.Config} {
		if within(path, dir) || within(dir, path) {
			return true
		}
	}
	return false
}

// within reports whether a path is a folder or below it.
func within(path, dir string) bool {
	rest, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rest)
}

// tell writes a line on standard error.
func (e *env) tell(format string, args ...any) {
	_, _ = io.WriteString(e.Err, printable.Format(format+"\n", args...))
}

// warn tells something that does not stop the command.
func (e *env) warn(format string, args ...any) { e.tell("Warning: "+format, args...) }

// hint tells what may help, if anything.
func (e *env) hint(text string) {
	if text != "" {
		e.tell("Hint: %s", text)
	}
}

// writeJSON writes a result for programs. What is exact is a secret that was asked for.
func writeJSON(w io.Writer, v any, exact ...string) error {
	text, err := printable.JSON(v, exact...)
	if err == nil {
		_, err = printable.Raw(w).Write(text)
	}
	return err
}

// stamp is a time for JSON: in UTC and whole seconds, as all others.
func stamp(t time.Time) *time.Time {
	t = t.UTC().Truncate(time.Second)
	return &t
}
