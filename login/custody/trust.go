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
	"regshape/store/trust"
)

// Trust shows and allows the programs that the store starts.
type Trust struct {
	Yes    bool `xor:"trust" help:"Trust all of them without asking."`
	Revoke bool `xor:"trust" help:"Trust no program of this store any more."`
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
	Kind      string   `json:"kind"`    // "key" or "plugin"
	Program   string   `json:"program"` // its path
	Arguments []string `json:"arguments"`
	Trusted   bool     `json:"trusted"`
	Problem   string   `json:"problem,omitempty"` // why it may not be started
}

// revokeResult is the JSON of trust --revoke.
type revokeResult struct {
	Status  string `json:"status"` // "success"
	Revoked int    `json:"revoked"`
}

// Run shows which programs the store names, and allows those that the user knows. It starts
// none.
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
		e.Warn("%s of %s cannot be read and allow nothing: remove them.", terminal.Count(n, "line"), path)
	}
	r := trustResult{Status: "success", Programs: []programJSON{}}
	var unasked error
	for _, p := range programs {
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
			r.Status, r.Reason, r.Message = "error", "trust", "not every program that the store names may be started"
			one.Problem = e.Problem(err)
			if errors.Is(err, errUnasked) {
				unasked = err // once for all
			} else if !e.JSON {
				e.Warn("%s.", one.Problem)
			}
		}
		r.Programs = append(r.Programs, one)
	}
	switch {
	case e.JSON:
		err = app.WriteJSON(e.Out, r)
	case unasked != nil:
		return &app.StoreError{Registry: "", Doing: doing, Err: unasked}
	case len(programs) == 0:
		err = e.Say("This store names no program.")
	case r.Status == "success":
		err = e.Say("This store may start what it names; '%s' takes that back.", e.Own("auth", "trust", "--revoke"))
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

// errUnasked means that nobody is there to say whether a program is known.
var errUnasked = errors.New("there is no terminal to ask at")

// allow trusts a program that the user says is known.
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
			return fmt.Errorf("%s stays untrusted", printable.Shell(p.Words[0]))
		}
	}
	return trust.Add(loc, p)
}

// programLine shows a program with all its arguments, however long: what is not seen cannot
// be decided about.
func programLine(p trust.Program, err error) string {
	what, state := "the key comes from", "trusted"
	if p.Kind == trust.Plugin {
		what = "a way in uses"
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
	return e.Say("%s of this store may not be started any more.", terminal.Count(n, "program"))
}

// notStarted says which programs that the store names may not be started, and why; "" for
// none.
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
