package app

import (
	"errors"
	"os"
	"strings"
	"testing"

	"regshape/login/authfile"
	"regshape/login/registry"
)

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
