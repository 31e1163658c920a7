// Package importer moves the logins of other tools into the store.
package importer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/printable"
)

// Import moves other tools' logins into the store.
type Import struct {
	From    []string `sep:"none" placeholder:"SOURCE" help:"docker, podman, singularity, microagent, helper:NAME, or a file; without it all that exist. May be repeated."`
	Remove  bool     `help:"Take out of its source what the store has then."`
	DryRun  bool     `name:"dry-run" help:"Say what would be moved, and change nothing."`
	Replace bool     `help:"What is found replaces another login that the store has."`
}

// Run moves the logins of other tools into the store.
func (c *Import) Run(e *app.Env) error {
	groups, err := importGroups(e, c.From)
	if err != nil {
		return err
	}
	s, err := e.OpenStore()
	if err == nil {
		// A store that is locked or has lost its key says so before anything is done.
		_, _, err = s.List(e.Ctx)
	}
	if err != nil {
		return &app.StoreError{Registry: "", Doing: "store credentials", Err: err}
	}
	o := Options{DryRun: c.DryRun, remove: c.Remove, replace: c.Replace, Taken: map[string]Taken{}}
	progress := terminal.NewProgress(e.Err, "Importing")
	o.progress = func(done, total int) {
		if total >= 100 { // below it would only flicker
			progress.Step(done, total)
		}
	}
	all, err := importAll(e, s, groups, o)
	progress.End()
	for _, n := range all.names {
		if text := lookup.FurtherName(e, n.path, n.Names); text != "" {
			all.Failed = append(all.Failed, Failure{From: n.path, Message: text})
		}
	}
	if err != nil {
		// The error is what JSON has room for; what was done until then is told beside it.
		o.remove = false // it did not come to that
		if len(all.Moved)+len(all.already)+len(all.Failed) > 0 {
			_, _ = fmt.Fprint(e.Err, all.text(e, o))
			all.warnings(e, o)
		}
		return err
	}
	if e.JSON {
		err = app.WriteJSON(e.Out, all.result(o))
	} else {
		_, err = fmt.Fprint(e.Out, all.text(e, o))
		all.warnings(e, o)
	}
	if err == nil && len(all.Failed) > 0 {
		err = app.ErrReported
	}
	return err
}

// importAll goes through the sources. One that cannot be read does not stop the others.
func importAll(e *app.Env, s *store.Store, groups []group, o Options) (all Report, err error) {
	for _, g := range groups {
		found := g.named == ""
		var looked []string
		for _, src := range g.sources {
			r, err := From(e, s, src, o)
			all.Add(r)
			var stored *app.StoreError
			switch {
			case err == nil:
			case e.Ctx.Err() != nil:
				return all, context.Canceled
			case errors.As(err, &stored):
				return all, err
			case src.file && Absent(err):
				looked = append(looked, lookup.Tilde(e, src.Name))
				continue
			default:
				all.Failed = append(all.Failed, Failure{From: src.Name, Message: sourceReason(src, err)})
			}
			found = true
		}
		if !found {
			reason := "there is no such file"
			switch {
			case len(looked) == 0:
				reason = "there is no home folder to look in"
			case len(looked) > 1 || looked[0] != lookup.Tilde(e, g.named):
				reason = "there is no " + strings.Join(looked, " and no ")
			}
			all.Failed = append(all.Failed, Failure{From: g.named, Message: reason})
		}
	}
	return all, nil
}

// sourceReason says why a source could not be read, without its name in front again.
func sourceReason(src Source, err error) string {
	var syntax *authfile.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("line %d, column %d: %s; nothing in it was changed", syntax.Line, syntax.Column, syntax.Reason)
	}
	return strings.TrimPrefix(printable.Line(err.Error(), 400), src.Name+": ")
}
