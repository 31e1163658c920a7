package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"regshape/login/authfile"
	"regshape/login/registry"
	"regshape/store"
)

// REGSHAPE_STORE is what helps with a file or folder of the store's, and with no other.
func TestAdviceIsForTheStoreAlone(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, "s")
	e := &Env{Call: Call{Getenv: os.Getenv}, Globals: Globals{Store: dir}}
	for path, own := range map[string]bool{
		filepath.Join(dir, "v1", "g-0"):          true,
		dir:                                      true,
		home:                                     true, // where the folder would be made
		filepath.Join(home, "config.json"):       false,
		filepath.Join(home, "s2"):                false,
		filepath.Join(home, "..", "audit.log"):   false,
		filepath.Join(home, ".docker", "x.json"): false,
	} {
		for _, cause := range []error{syscall.EACCES, syscall.EROFS, syscall.ENOSPC} {
			err := fmt.Errorf("while writing: %w", &fs.PathError{Op: "open", Path: path, Err: cause})
			if got := e.Advice(err); strings.Contains(got, "REGSHAPE_STORE") != own {
				t.Errorf("%v: %q", err, got)
			}
		}
	}
	missing := &fs.PathError{Op: "stat", Path: filepath.Join(home, "nowhere"), Err: os.ErrNotExist}
	if got := e.Advice(missing); got != "" {
		t.Errorf("%v: %q", missing, got)
	}
	if got := e.Advice(store.ErrLocked); got != "run 'regshape --store "+dir+" auth unlock'" {
		t.Error(got)
	}
}

// What ends a command says how to go on, and nothing twice.
func TestFailureSaysHowToGoOn(t *testing.T) {
	syntax := &authfile.SyntaxError{Name: "/h/config.json", Line: 3, Column: 4, Reason: "not valid JSON"}
	for _, test := range []struct {
		err  error
		want string
	}{
		{
			&VerifyError{Doing: "Login failed for", Registry: "r.example", Result: registry.Result{Outcome: registry.Unreachable, Message: "no such host"}},
			"Error: Login failed for r.example: no such host\nHint: check the registry's name, the port and the network, or try again later\n",
		},
		{
			&VerifyError{Doing: "Login failed for", Registry: "r.example", Result: registry.Result{Outcome: registry.Throttled, Message: "too many requests"}},
			"Error: Login failed for r.example: too many requests\nHint: wait a while, then try again\n",
		},
		{
			&VerifyError{Doing: "Login failed for", Registry: "r.example", Result: registry.Result{Outcome: registry.Forbidden, Message: "access forbidden: not you", Detail: "not you"}},
			"Error: Login failed for r.example: access forbidden: not you\nHint: ask the registry's operator for access for this account, and from this network\n",
		},
		{
			&VerifyError{Doing: "Login failed for", Registry: "r.example", Result: registry.Result{Outcome: registry.Protocol, Message: "odd", Detail: "why"}},
			"Error: Login failed for r.example: odd\nThe registry says: why\nHint: the operator of that server has to fix this; --debug-calls shows what it answers\n",
		},
		{
			&StoreError{"r.example", "resolve r.example", syntax},
			"Error: Could not resolve r.example: /h/config.json:3:4: not valid JSON\nHint: fix the syntax error there; the file was not modified\n",
		},
		{errors.New("anything else"), "Error: anything else\n"},
	} {
		var said strings.Builder
		e := &Env{Call: Call{Err: &said, Getenv: os.Getenv}}
		if code := Fail(e, test.err); code != ExitFailed || said.String() != test.want {
			t.Errorf("exit code %d, %q, want %q", code, &said, test.want)
		}
	}
}
