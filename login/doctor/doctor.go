// Package doctor checks the setup of this machine and suggests fixes.
package doctor

import (
	"fmt"
	"io"
	"strings"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store/printable"
)

// Doctor checks the setup and suggests fixes.
type Doctor struct {
	Kubelet bool `help:"Check what setup --kubelet set up on this node, and not docker, podman and helm."`
}

// severity says what a finding means for the exit code.
type severity string

const (
	severityOK      severity = "ok"
	severityInfo    severity = "info"    // nothing to fix
	severityProblem severity = "problem" // makes the exit code 1
)

// finding is one result of a check, and one element of doctor's JSON. No field ever
// holds a secret or a user name.
type finding struct {
	Check string   `json:"check"` // the name of the check
	Level severity `json:"level"` // "ok", "info" or "problem"
	What  string   `json:"what"`
	Where string   `json:"where,omitempty"` // a path or a variable
	Fix   string   `json:"fix,omitempty"`   // the command that fixes it
}

func good(what, where string) finding { return finding{"", severityOK, what, where, ""} }

func note(what, where, fix string) finding {
	return finding{"", severityInfo, what, where, fix}
}

func bad(what, where, fix string) finding {
	return finding{"", severityProblem, what, where, fix}
}

// badError is the finding about an error, with the command that fixes it or else what helps.
func badError(e *app.Env, what string, err error, where string) finding {
	fix := fixFor(e, err)
	if advice := e.Advice(err); fix == "" && advice != "" {
		what += ": " + advice
	}
	return bad(what, where, fix)
}

// Where a check is for.
const (
	everywhere = iota
	clientsOnly
	nodesOnly
)

// checks lists the checks in the order in which they run. They leave everything as it was.
var checks = []struct {
	name  string
	where int
	run   func(*app.Env, *storeState) []finding
}{
	{"programs", clientsOnly, checkPrograms},
	{"docker", clientsOnly, checkDocker},
	{"podman", clientsOnly, checkPodman},
	{"helm", clientsOnly, checkHelm},
	{"plaintext", clientsOnly, checkPlaintext},
	{"store", everywhere, checkFiles},
	{"access", clientsOnly, checkAccess},
	{"key", everywhere, checkKey},
	{"logins", everywhere, checkEntries},
	{"forwards", clientsOnly, checkForwards},
	{"clock", everywhere, checkClock},
	{"round-trip", clientsOnly, checkRoundTrip},
	{"kubelet", nodesOnly, checkKubelet},
	{"variables", everywhere, checkVariables},
	{"sudo", everywhere, checkSudo},
}

// Run runs every check and shows its findings at once. A problem makes the exit code 1.
func (d *Doctor) Run(e *app.Env) error {
	all := []finding{}
	problems := 0
	state := readStore(e)
	for _, c := range checks {
		if c.where == clientsOnly && d.Kubelet || c.where == nodesOnly && !d.Kubelet {
			continue
		}
		found := c.run(e, state)
		if err := e.Ctx.Err(); err != nil {
			return err // findings of an interrupted check mean nothing
		}
		for _, f := range found {
			f.Check = c.name
			f = f.printable()
			if f.Level == severityProblem {
				problems++
			}
			all = append(all, f)
			if e.JSON {
				continue
			}
			if err := f.write(e.Out); err != nil {
				return err
			}
		}
	}
	var err error
	switch {
	case e.JSON:
		err = app.WriteJSON(e.Out, all)
	case problems == 0:
		err = e.Say("No problems found.")
	default:
		err = e.Say("%s found.", terminal.Count(problems, "problem"))
	}
	if err == nil && problems > 0 {
		return app.ErrReported
	}
	return err
}

// Manual is the text of --help and of the man page.
func (*Doctor) Manual() app.Manual {
	return app.Manual{Failed: "problems were found", Examples: [][2]string{
		{"regshape auth doctor", "list findings with the command that fixes each"},
		{"regshape auth doctor --json", "for scripts"},
		{"regshape auth doctor --kubelet", "on a node of a cluster, as root"},
	}}
}

// printable makes the texts safe for a terminal: they name files, hosts and helpers from
// other programs' files.
func (f finding) printable() finding {
	const long = 8000 // a longer command is of no use
	f.What = printable.Line(f.What, long)
	f.Where = printable.Line(f.Where, long)
	f.Fix = printable.Line(f.Fix, long)
	return f
}

// write prints a finding, with the fix on its own line.
func (f finding) write(out io.Writer) error {
	mark := map[severity]string{severityOK: "ok ", severityInfo: "i  ", severityProblem: "BAD"}[f.Level]
	line := mark + " " + f.What
	if f.Where != "" && !strings.Contains(f.What, f.Where) {
		line += " (" + f.Where + ")"
	}
	if f.Fix != "" {
		line += "\n    fix: " + f.Fix
	}
	_, err := fmt.Fprintln(out, line)
	return err
}
