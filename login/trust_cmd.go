package login

import (
	"errors"
	"fmt"
	"strings"

	"regshape/store"
	"regshape/store/keys"
	"regshape/store/printable"
	"regshape/store/trust"
)

type trustCmd struct {
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
func (c *trustCmd) Run(e *env) error {
	const doing = "trust the programs of this store"
	loc, err := e.locate()
	if err != nil {
		return &storeError{"", doing, err}
	}
	if c.Revoke {
		return e.revokeTrust(loc)
	}
	k, err := e.openCustody(doing)
	if err != nil {
		return err
	}
	programs, err := keys.Programs(k.loc, k.now.Source)
	if err != nil {
		return k.failed(err)
	}
	if path, n, err := trust.Damaged(k.loc); err == nil && n > 0 {
		e.warn("%s of %s cannot be read and allow nothing: remove them.", count(n, "line"), path)
	}
	r := trustResult{Status: "success", Programs: []programJSON{}}
	var unasked error
	for _, p := range programs {
		err := trust.Check(k.loc, p)
		if errors.Is(err, store.ErrUntrusted) {
			err = c.allow(e, k.loc, p)
		}
		if errors.Is(err, errInterrupted) {
			return err
		}
		if !e.JSON {
			if err := e.say("%s", programLine(p, err)); err != nil {
				return err
			}
		}
		one := programJSON{Kind: p.Kind, Program: p.Words[0], Arguments: append([]string{}, p.Words[1:]...), Trusted: err == nil}
		if err != nil {
			r.Status, r.Reason, r.Message = "error", "trust", "not every program that the store names may be started"
			one.Problem = e.problem(err)
			if errors.Is(err, errUnasked) {
				unasked = err // once for all
			} else if !e.JSON {
				e.warn("%s.", one.Problem)
			}
		}
		r.Programs = append(r.Programs, one)
	}
	switch {
	case e.JSON:
		err = writeJSON(e.Out, r)
	case unasked != nil:
		return &storeError{"", doing, unasked}
	case len(programs) == 0:
		err = e.say("This store names no program.")
	case r.Status == "success":
		err = e.say("This store may start what it names; '%s' takes that back.", e.own("auth", "trust", "--revoke"))
	}
	if err == nil && r.Status != "success" {
		return errTold
	}
	return err
}

// errUnasked means that nobody is there to say whether a program is known.
var errUnasked = errors.New("there is no terminal to ask at")

// allow trusts a program that the user says is known.
func (c *trustCmd) allow(e *env, loc store.Location, p trust.Program) error {
	if !c.Yes {
		if !e.prompt().interactive() {
			return fmt.Errorf("%w: if you know what it starts, run '%s'", errUnasked, e.own("auth", "trust", "--yes"))
		}
		question := fmt.Sprintf("Let this store start %s? [y/N]: ", printable.Shell(p.Words...))
		answer, err := e.prompt().readLine(question)
		if errors.Is(err, errInterrupted) {
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

func (e *env) revokeTrust(loc store.Location) error {
	n, err := trust.Revoke(loc)
	if err != nil {
		return &storeError{"", "change the list of trusted programs", err}
	}
	if e.JSON {
		return writeJSON(e.Out, revokeResult{"success", n})
	}
	if n == 0 {
		return e.say("No program of this store was trusted.")
	}
	return e.say("%s of this store may not be started any more.", count(n, "program"))
}

// notStarted says which programs that the store names may not be started, and why; "" for
// none.
func (k *custody) notStarted() string {
	programs, err := keys.Programs(k.loc, k.effective())
	var problems []string
	if err != nil {
		problems = append(problems, k.e.problem(err))
	}
	for _, p := range programs {
		if err := trust.Check(k.loc, p); err != nil {
			problems = append(problems, k.e.problem(err))
		}
	}
	return strings.Join(problems, "; ")
}
