package login

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"regshape/login/authfile"
	"regshape/store"
	"regshape/store/printable"
)

type importCmd struct {
	From    []string `sep:"none" placeholder:"SOURCE" help:"docker, podman, singularity, microagent, helper:NAME, or a file; without it all that exist. May be repeated."`
	Remove  bool     `help:"Take out of its source what the store has then."`
	DryRun  bool     `name:"dry-run" help:"Say what would be moved, and change nothing."`
	Replace bool     `help:"What is found replaces another login that the store has."`
}

// Run moves the logins of other tools into the store.
func (c *importCmd) Run(e *env) error {
	groups, err := e.importGroups(c.From)
	if err != nil {
		return err
	}
	s, err := e.openStore()
	if err == nil {
		// A store that is locked or has lost its key says so before anything is done.
		_, _, err = s.List(e.ctx)
	}
	if err != nil {
		return &storeError{"", "store credentials", err}
	}
	o := importOptions{dryRun: c.DryRun, remove: c.Remove, replace: c.Replace, taken: map[string]takenLogin{}}
	progress := newProgress(e.Err, "Importing")
	o.progress = func(done, total int) {
		if total >= 100 { // below it would only flicker
			progress.step(done, total)
		}
	}
	all, err := e.importAll(s, groups, o)
	progress.end()
	for _, n := range all.names {
		if text := e.furtherName(n.path, n.Names); text != "" {
			all.failed = append(all.failed, importFailure{From: n.path, Message: text})
		}
	}
	if err != nil {
		// The error is what JSON has room for; what was done until then is told beside it.
		o.remove = false // it did not come to that
		if len(all.moved)+len(all.already)+len(all.failed) > 0 {
			_, _ = fmt.Fprint(e.Err, all.text(e, o))
			all.warnings(e, o)
		}
		return err
	}
	if e.JSON {
		err = writeJSON(e.Out, all.result(o))
	} else {
		_, err = fmt.Fprint(e.Out, all.text(e, o))
		all.warnings(e, o)
	}
	if err == nil && len(all.failed) > 0 {
		err = errTold
	}
	return err
}

// importAll goes through the sources. One that cannot be read does not stop the others.
func (e *env) importAll(s *store.Store, groups []importGroup, o importOptions) (all importReport, err error) {
	for _, g := range groups {
		found := g.named == ""
		var looked []string
		for _, src := range g.sources {
			r, err := e.importFrom(s, src, o)
			all.add(r)
			var stored *storeError
			switch {
			case err == nil:
			case e.ctx.Err() != nil:
				return all, context.Canceled
			case errors.As(err, &stored):
				return all, err
			case src.file && absent(err):
				looked = append(looked, e.tilde(src.name))
				continue
			default:
				all.failed = append(all.failed, importFailure{From: src.name, Message: sourceReason(src, err)})
			}
			found = true
		}
		if !found {
			reason := "there is no such file"
			switch {
			case len(looked) == 0:
				reason = "there is no home folder to look in"
			case len(looked) > 1 || looked[0] != e.tilde(g.named):
				reason = "there is no " + strings.Join(looked, " and no ")
			}
			all.failed = append(all.failed, importFailure{From: g.named, Message: reason})
		}
	}
	return all, nil
}

// sourceReason says why a source could not be read, without its name in front again.
func sourceReason(src importSource, err error) string {
	var syntax *authfile.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("line %d, column %d: %s; nothing in it was changed", syntax.Line, syntax.Column, syntax.Reason)
	}
	return strings.TrimPrefix(printable.Line(err.Error(), 400), src.name+": ")
}
