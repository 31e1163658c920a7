// Package importer moves the logins of other tools into the store.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
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
	From    []string `sep:"none" placeholder:"SOURCE" help:"docker, podman, helm, singularity, microagent, helper:NAME, or a file; without it all that exist. May be repeated."`
	Remove  bool     `help:"Remove each login from its source once the store has it."`
	DryRun  bool     `name:"dry-run" help:"Show what would be moved, and change nothing."`
	Replace bool     `help:"Replace a different login that the store has for the registry."`
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
	o := Options{DryRun: c.DryRun, remove: c.Remove, replace: c.Replace, Claims: map[string]Claim{}}
	progress := terminal.NewProgress(e.Err, "Importing")
	o.progress = func(done, total int) {
		if total >= 100 { // below it would only flicker
			progress.Step(done, total)
		}
	}
	all, err := importAll(e, s, groups, o)
	progress.End()
	for _, f := range all.replaced {
		if text := lookup.FurtherName(e, f.path, f.Names); text != "" {
			all.Failed = append(all.Failed, Failure{From: f.path, Message: text, Hint: "remove that name, or the logins in it"})
		}
	}
	if err != nil {
		// JSON has room for the error alone; what was done until then goes to standard error.
		o.remove = false // nothing was removed
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
	if all.removed > 0 && !o.DryRun {
		warnNotSetUp(e, all.emptied)
	}
	if err == nil && len(all.Failed) > 0 {
		err = app.ErrReported
	}
	return err
}

// warnNotSetUp tells of tools that no longer find what was removed from their files, since
// they do not ask regshape. Podman reads docker's file, too.
func warnNotSetUp(e *app.Env, files []string) {
	places := lookup.Places(e)
	if lookup.Installed("podman") != "" {
		places = append(places, lookup.PodmanPlaces(e)...)
	}
	told := map[string]bool{}
	for _, p := range places {
		if !slices.Contains(files, p.Path) || told[p.Tool+p.Path] || lookup.Asks(e, p) {
			continue
		}
		told[p.Tool+p.Path] = true
		e.Warn("%s does not ask regshape, and no longer finds what was removed from %s: run '%s'.", p.Tool, lookup.Tilde(e, p.Path), e.Own("auth", "setup", "--"+p.Tool))
	}
}

// Manual is the text of --help and of the man page.
func (*Import) Manual() app.Manual {
	return app.Manual{Failed: "a login could not be moved; it stays where it was", Examples: [][2]string{
		{"regshape auth import --dry-run", "show what would be moved"},
		{"regshape auth import --from docker --remove", "also remove the logins from docker's config.json"},
	}}
}

// importAll goes through the sources. One that cannot be read does not stop the others.
func importAll(e *app.Env, s *store.Store, groups []group, o Options) (all Report, err error) {
	for _, g := range groups {
		found := g.named == ""
		var missing []string
		for _, src := range g.sources {
			r, err := From(e, s, src, o)
			all.Add(r)
			_, storeFailed := errors.AsType[*app.StoreError](err)
			switch {
			case err == nil:
			case e.Ctx.Err() != nil:
				return all, context.Canceled
			case storeFailed:
				return all, err
			case src.InFile && errors.Is(err, fs.ErrNotExist):
				missing = append(missing, lookup.Tilde(e, src.Name))
				continue
			default:
				all.Failed = append(all.Failed, Failure{From: src.Name, Message: sourceReason(src, err), Hint: e.Advice(err)})
			}
			found = true
		}
		if !found {
			f := Failure{From: g.named, Message: "no such file: " + strings.Join(missing, ", "), Hint: "check the path"}
			if len(missing) == 0 {
				f.Message, f.Hint = "no home directory to look in", "set HOME"
			}
			all.Failed = append(all.Failed, f)
		}
	}
	return all, nil
}

// sourceReason is why a source could not be read, without its name in front again.
func sourceReason(src Source, err error) string {
	if syntax, ok := errors.AsType[*authfile.SyntaxError](err); ok {
		return fmt.Sprintf("line %d, column %d: %s; the file was not modified", syntax.Line, syntax.Column, syntax.Reason)
	}
	return strings.TrimPrefix(printable.Line(err.Error(), 400), src.Name+": ")
}

// group is what one --from stands for, its logins in order of precedence.
type group struct {
	named   string // as the user wrote it; "" where nothing was named, and nothing has to exist
	sources []Source
}

// knownTools are the tools whose files are known.
var knownTools = []string{"docker", "podman", "helm", "singularity", "microagent"}

// importGroups finds what --from names, or all that exist. Helpers come before files: docker
// and podman ask them first.
func importGroups(e *app.Env, from []string) ([]group, error) {
	only, named := lookup.Only(e)
	if len(from) > 0 && e.Authfile != "" {
		return nil, &app.UsageError{Message: "--authfile and --from both say where the logins are", Hint: "give one of them"}
	}
	if len(from) == 0 && named {
		g := group{sources: []Source{FileSource(only.Place)}}
		if e.Authfile != "" {
			g.named = only.By
		}
		return []group{g}, nil
	}
	places := lookup.Places(e)
	if len(from) == 0 {
		return []group{{sources: sourcesOf(e, places)}}, nil
	}
	var groups []group
	for _, name := range slices.Compact(from) {
		g := group{named: name}
		helper, isHelper := strings.CutPrefix(name, "helper:")
		switch {
		case isHelper && lookup.IsOwn(helper):
			return nil, &app.UsageError{Message: "regshape's own store is where logins are moved to", Hint: "name another helper"}
		case isHelper:
			g.sources = []Source{HelperSource(e, helper)}
		case slices.Contains(knownTools, name):
			g.sources = sourcesOf(e, slices.DeleteFunc(slices.Clone(places), func(p lookup.Place) bool { return p.Tool != name }))
		default:
			src, err := importFile(e, name)
			if err != nil {
				return nil, err
			}
			g.sources = []Source{src}
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// sourcesOf are the helpers that the files name for their tools, each once, and then the
// files. One that cannot be read is reported when its own logins are moved.
func sourcesOf(e *app.Env, places []lookup.Place) []Source {
	var helpers, files []Source
	for _, p := range places {
		files = append(files, FileSource(p))
		d, err := authfile.Read(p.Path, p.Format)
		if err != nil {
			continue
		}
		names := []string{}
		for _, h := range d.CredHelpers() {
			names = append(names, h.Helper)
		}
		if p.Format == authfile.Docker {
			names = append(names, d.CredsStore())
		}
		for _, name := range names {
			switch {
			case name == "", lookup.IsOwn(name):
			case lookup.MakesTokens(name):
				e.Warn("docker-credential-%s makes a new token for each call: its logins are not imported. To keep a token until it ends: %s",
					name, e.Own("auth", "login", "REGISTRY", "--helper", name))
			default:
				helpers = append(helpers, HelperSource(e, name))
			}
		}
	}
	return append(lookup.Unique(helpers, func(s Source) string { return s.Name }), files...)
}

// importFile is a file that the user names.
func importFile(e *app.Env, path string) (Source, error) {
	if !strings.ContainsAny(path, `./\`) {
		return Source{}, &app.UsageError{
			Message: fmt.Sprintf("cannot import logins from %q", printable.Line(path, 60)),
			Hint:    "give docker, podman, helm, singularity, microagent, helper:NAME, or a file as ./FILE",
		}
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return Source{}, fmt.Errorf("find the file: %w", err)
	}
	// What else is wrong with the file is reported with its logins.
	secrets, err := authfile.PullSecrets(absolute)
	if errors.Is(err, authfile.ErrYAML) {
		return Source{}, err
	}
	if len(secrets) > 0 {
		return secretSource(absolute, secrets), nil
	}
	return FileSource(lookup.PlaceOf(e, absolute, authfile.Containers)), nil
}
