package setup

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/importer"
	"regshape/login/lookup"
	"regshape/store"
	"regshape/store/printable"
)

// importHidden moves the logins into the store that the edits hide: with credsStore docker
// does not read the logins in its file, with credential-helpers podman reads no auth.json.
// A first pass writes nothing, so that setup can stop before anything is changed.
func (s *setup) importHidden(edits []plannedEdit, hosts []string) error {
	if len(edits) == 0 {
		return nil
	}
	target, err := s.OpenStore()
	if err != nil {
		return &app.StoreError{Registry: "", Doing: "import logins", Err: err}
	}
	report, err := s.importAll(target, edits, hosts, true)
	if err != nil {
		return err
	}
	s.result.Failed = append(s.result.Failed, report.Failed...)
	if len(report.Failed) > 0 && !s.Keep {
		s.warnFailed()
		return &refusal{
			"docker, podman or helm would no longer find these logins, and they cannot be moved into the store; nothing was changed",
			"fix them, or continue without them: add --keep",
		}
	}
	if !s.DryRun {
		if report, err = s.importAll(target, edits, hosts, false); err != nil {
			return err
		}
		if s.result.Failed = append([]importer.Failure{}, report.Failed...); len(report.Failed) > 0 && !s.Keep {
			s.warnFailed()
			return &refusal{"a login could not be moved into the store; no file was edited", "run setup again"}
		}
	}
	s.warnFailed()
	s.result.Imported = append(s.result.Imported, report.Moved...)
	verb := "Imported"
	if s.DryRun {
		verb = "Would import"
	}
	for _, l := range report.Moved {
		s.say("%s %s: %s, from %s.", verb, l.Registry, printable.Line(l.Username, 120), lookup.Tilde(s.Env, l.From))
	}
	return nil
}

// importAll imports what each edit hides. If two tools used different logins for one
// registry, the second is a failure, since the store has one of them.
func (s *setup) importAll(target *store.Store, edits []plannedEdit, hosts []string, dryRun bool) (importer.Report, error) {
	var all importer.Report
	options := importer.Options{DryRun: dryRun, Claims: map[string]importer.Claim{}}
	for _, x := range slices.Backward(edits) {
		sources, err := s.hiddenBy(x, hosts)
		if err != nil {
			return all, err
		}
		for _, src := range sources {
			r, err := importer.From(s.Env, target, src, options)
			var stored *app.StoreError
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case errors.As(err, &stored), err != nil && s.Ctx.Err() != nil:
				return all, err
			case err != nil:
				r.Failed = append(r.Failed, importer.Failure{From: src.Name, Message: printable.Line(err.Error(), 400), Hint: s.Advice(err)})
			}
			// Podman reads docker's file too: report its problems once.
			r.Failed = slices.DeleteFunc(r.Failed, func(f importer.Failure) bool { return slices.Contains(all.Failed, f) })
			all.Add(r)
		}
	}
	return all, nil
}

// hiddenBy lists the sources of a tool that an edit hides from it, in the tool's order.
func (s *setup) hiddenBy(x plannedEdit, hosts []string) ([]importer.Source, error) {
	var sources []importer.Source
	seen := map[string]bool{} // found in a source of higher precedence
	if x.Tool == "podman" {
		for _, p := range lookup.PodmanPlaces(s.Env) {
			if !x.hidesFiles {
				break
			}
			sources = append(sources, s.inUse(importer.FileSource(p), seen, nil))
		}
		return sources, nil
	}
	d, err := authfile.Parse(x.File, x.before, authfile.Docker)
	if err != nil {
		return nil, err
	}
	crane := lookup.Place{Tool: "podman", Path: authfile.CraneAuth(s.Where()), Format: authfile.Docker}
	store := lookup.DockerStore(d)
	previous := map[string][]string{} // helper -> the hosts that the tool asked it for; nil: all
	if len(hosts) == 0 {
		previous[store] = nil
		for _, c := range d.CredHelpers() { // the tool still uses these
			seen[c.Host] = c.Helper != "" // to helm an empty one is none
		}
	}
	for host, helper := range x.Hosts {
		if _, ok := hostHelper(d, host); !ok {
			helper = store
		}
		previous[helper] = append(previous[helper], host)
	}
	for _, helper := range slices.Sorted(maps.Keys(previous)) {
		if helper == "" || helper == s.helper {
			continue
		}
		src := importer.HelperSource(s.Env, helper)
		if d.CredsStore() == "" && helper == store {
			src = s.ifWorking(x.Tool, src)
		}
		sources = append(sources, s.inUse(src, seen, previous[helper]))
	}
	// If a helper is named, the tool does not read the logins in the file.
	sources = append(sources, s.inUse(importer.FileSource(lookup.Place{Tool: x.Tool, Path: x.File, Format: authfile.Docker}), seen, hosts))
	if !x.Existed && x.Tool == "docker" { // crane reads podman's file then, docker before 23 .dockercfg
		if crane.Path != "" {
			sources = append(sources, s.inUse(s.usable(importer.FileSource(crane)), seen, hosts))
		}
		sources = append(sources, s.inUse(importer.FileSource(lookup.Place{Tool: "docker", Path: authfile.Dockercfg(s.Where()), Format: authfile.DockercfgFormat}), seen, hosts))
	}
	return sources, nil
}

// usable are the logins of podman's file that crane and its relatives use for certain, and
// that leave podman what it has: a namespace's would answer it for the whole registry, before
// the helpers of the user's own list.
func (s *setup) usable(src importer.Source) importer.Source {
	list := src.List
	helpers, _, err := lookup.PodmanHelpers(s.Env)
	alone := err == nil && !slices.ContainsFunc(helpers, func(h string) bool { return h != authfile.AuthFileHelper && h != s.helper })
	src.List = func(ctx context.Context) ([]importer.Login, error) {
		logins, err := list(ctx)
		return slices.DeleteFunc(logins, func(l importer.Login) bool { return l.Err != nil || l.Namespace() && !alone }), err
	}
	return src
}

// ifWorking is a helper that a tool takes by itself where it is installed. One that does not
// work has given it nothing.
func (s *setup) ifWorking(tool string, src importer.Source) importer.Source {
	list := src.List
	src.List = func(ctx context.Context) ([]importer.Login, error) {
		logins, err := list(ctx)
		if err != nil && ctx.Err() == nil {
			// It is asked for the plan, for the dry run and for the import.
			if use := tool + " would use " + src.Name; !slices.Contains(s.warned, use) {
				s.warned = append(s.warned, use)
				s.Warn("%s, which fails; nothing is imported from it: %s.", use, printable.Line(err.Error(), 300))
			}
			err = nil
		}
		return logins, err
	}
	return src
}

// inUse narrows a source to what a tool uses: the logins of hosts (all if empty), and the
// first one of an address; of a file all that clients ask for. A namespace's stays where podman looks for it.
func (s *setup) inUse(src importer.Source, seen map[string]bool, hosts []string) importer.Source {
	all := src.List
	src.List = func(ctx context.Context) ([]importer.Login, error) {
		logins, err := all(ctx)
		before := maps.Clone(seen)
		return slices.DeleteFunc(logins, func(l importer.Login) bool {
			address := l.Address.String()
			switch asked := src.InFile && l.Exact(); {
			case !l.Used(), before[address], seen[address] && !asked,
				len(hosts) > 0 && !slices.Contains(hosts, l.Address.Registry().String()):
				return true
			}
			seen[address] = !l.Marker
			if l.Address.Scope() != "" && src.InFile {
				s.keep(l, src)
				return true
			}
			return false
		}), err
	}
	return src
}

// keep notes a login that stays in its file.
func (s *setup) keep(l importer.Login, src importer.Source) {
	kept := importer.Imported{Registry: l.Address.Name(), Username: l.Username, From: src.Name}
	if l.Username != "" && !slices.Contains(s.result.Kept, kept) {
		s.result.Kept = append(s.result.Kept, kept)
		s.say("%s: %s stays in %s, where podman finds it: it asks helpers only for whole registries.",
			kept.Registry, printable.Line(kept.Username, 120), lookup.Tilde(s.Env, kept.From))
	}
}

// warnFailed warns of logins that cannot be moved.
func (s *setup) warnFailed() {
	if s.JSON {
		return
	}
	for _, f := range s.result.Failed {
		f.Username = "" // the JSON has it
		s.Warn("%s.", f.Text(s.Env))
		if f.Registry == "" { // what to do about a login is in the refusal
			s.Hint(f.Hint)
		}
	}
}
