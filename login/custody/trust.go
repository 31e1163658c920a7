package custody

import (
	"errors"
	"fmt"
	"strings"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/printable"
	"regshape/store/source"
	"regshape/store/trust"
)

// Trust shows and trusts the programs that the store would start.
type Trust struct {
	Yes    bool `xor:"trust" help:"Trust all of them without asking."`
	Revoke bool `xor:"trust" help:"Trust none of them any more."`
}

// trustResult is the JSON of trust.
type trustResult struct {
	Status   string        `json:"status"` // "success" or "error"
	Programs []programJSON `json:"programs"`
	Reason   string        `json:"reason,omitempty"` // "trust", with status "error"
	Message  string        `json:"message,omitempty"`
}

// programJSON is a program that the store names.
type programJSON struct {
	Kind      string   `json:"kind"`    // "key", "plugin" or "login"
	Program   string   `json:"program"` // its path
	Arguments []string `json:"arguments"`
	Trusted   bool     `json:"trusted"`
	Problem   string   `json:"problem,omitempty"` // why it is not started
}

// revokeResult is the JSON of trust --revoke.
type revokeResult struct {
	Status  string `json:"status"` // "success"
	Revoked int    `json:"revoked"`
}

// Run shows which programs the store names, and trusts those that the user confirms. It
// starts none but the one that prints the key, once that is trusted.
func (c *Trust) Run(e *app.Env) error {
	const doing = "trust the programs of this store"
	loc, err := e.Locate()
	if err != nil {
		return &app.StoreError{Registry: "", Doing: doing, Err: err}
	}
	if c.Revoke {
		return revokeTrust(e, loc)
	}
	k, err := Open(e, doing)
	if err != nil {
		return err
	}
	programs, err := keys.Programs(k.Loc, k.Now.Source)
	if err != nil {
		return k.failed(err)
	}
	if path, n, err := trust.Damaged(k.Loc); err == nil && n > 0 {
		e.Warn("%s of %s cannot be read and are ignored: remove them.", terminal.Count(n, "line"), path)
	}
	r := trustResult{Status: "success", Programs: []programJSON{}}
	var unasked error
	show := func(p trust.Program) error {
		err := trust.Check(k.Loc, p)
		if errors.Is(err, store.ErrUntrusted) {
			err = c.allow(e, k.Loc, p)
		}
		if errors.Is(err, terminal.ErrInterrupted) {
			return err
		}
		if !e.JSON {
			if err := e.Say("%s", programLine(p, err)); err != nil {
				return err
			}
		}
		one := programJSON{Kind: p.Kind, Program: p.Words[0], Arguments: append([]string{}, p.Words[1:]...), Trusted: err == nil}
		if err != nil {
			r.Status, r.Reason, r.Message = "error", "trust", "the store names programs that are not trusted"
			one.Problem = e.Problem(err)
			if errors.Is(err, errUnasked) {
				unasked = err // reported once
			} else if !e.JSON {
				e.Warn("%s.", one.Problem)
			}
		}
		r.Programs = append(r.Programs, one)
		return nil
	}
	for _, p := range programs {
		if err := show(p); err != nil {
			return err
		}
	}
	// The programs of logins are in their entries, which need the key.
	var logins []store.Credential
	if r.Status == "success" {
		if logins, _, err = k.Store.List(e.Ctx); err != nil {
			e.Warn("the programs of its logins cannot be listed: %s.", e.Problem(err))
		}
	}
	for _, c := range logins {
		if c.Program != nil {
			if err := show(source.Program(*c.Program)); err != nil {
				return err
			}
		}
	}
	switch {
	case e.JSON:
		err = app.WriteJSON(e.Out, r)
	case unasked != nil:
		return &app.StoreError{Registry: "", Doing: doing, Err: unasked}
	case len(r.Programs) == 0 && err != nil:
		return app.ErrReported
	case len(r.Programs) == 0:
		err = e.Say("This store names no program.")
	case r.Status == "success":
		err = e.Say("This store may start these programs; '%s' reverts that.", e.Own("auth", "trust", "--revoke"))
	}
	if err == nil && r.Status != "success" {
		return app.ErrReported
	}
	return err
}

// Manual is the text of --help and of the man page.
func (*Trust) Manual() app.Manual {
	return app.Manual{Failed: "the store names a program that is not trusted", Examples: [][2]string{
		{"regshape auth trust", "show each program with its arguments, and ask"},
		{"regshape auth trust --yes --store DIR", "in a script that created the store itself"},
		{"regshape auth trust --revoke", "trust none of them any more"},
	}}
}

// errUnasked means that there is no terminal for the question.
var errUnasked = errors.New("no terminal to ask at")

// allow trusts a program after asking.
func (c *Trust) allow(e *app.Env, loc store.Location, p trust.Program) error {
	if !c.Yes {
		if !e.Prompt().Interactive() {
			return fmt.Errorf("%w: if you know what it starts, run '%s'", errUnasked, e.Own("auth", "trust", "--yes"))
		}
		question := fmt.Sprintf("Let this store start %s? [y/N]: ", printable.Shell(p.Words...))
		answer, err := e.Prompt().ReadLine(question)
		if errors.Is(err, terminal.ErrInterrupted) {
			return err
		}
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
			return fmt.Errorf("%s is still not trusted: run it again, and answer yes if you know it", printable.Shell(p.Words[0]))
		}
	}
	return trust.Add(loc, p)
}

// programLine shows a program with all its arguments, however long, since the user decides
// by them.
func programLine(p trust.Program, err error) string {
	what, state := "the key comes from", "trusted"
	switch p.Kind {
	case trust.Plugin:
		what = "a slot uses"
	case trust.Login:
		what = "a login's secret comes from"
	}
	if err != nil {
		state = "not trusted"
	}
	return fmt.Sprintf("%-12s %s: %s", state, what, printable.Shell(p.Words...))
}

func revokeTrust(e *app.Env, loc store.Location) error {
	n, err := trust.Revoke(loc)
	if err != nil {
		return &app.StoreError{Registry: "", Doing: "change the list of trusted programs", Err: err}
	}
	if e.JSON {
		return app.WriteJSON(e.Out, revokeResult{"success", n})
	}
	if n == 0 {
		return e.Say("No program of this store was trusted.")
	}
	return e.Say("Revoked the trust in %s of this store.", terminal.Count(n, "program"))
}

// notStarted says which programs that the store names are not started, and why; or "".
func (k *Session) notStarted() string {
	programs, err := keys.Programs(k.Loc, k.Effective())
	var problems []string
	if err != nil {
		problems = append(problems, k.E.Problem(err))
	}
	for _, p := range programs {
		if err := trust.Check(k.Loc, p); err != nil {
			problems = append(problems, k.E.Problem(err))
		}
	}
	return strings.Join(problems, "; ")
}
