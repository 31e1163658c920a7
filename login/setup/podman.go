package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/durable"
	"regshape/store/printable"
)

const (
	// dropInMark is the start of a drop-in that setup wrote; a file without it is not touched.
	dropInMark = "# Written by `regshape auth setup"
	dropInNote = "Written by `regshape auth setup --podman`; `regshape auth setup --podman --undo` removes it."
)

// planPodman plans the drop-ins that make podman, skopeo and buildah of every version ask the
// helper. more are the logins that docker's edit imports.
func (s *setup) planPodman(more func() []lookup.Entry) ([]plannedEdit, error) {
	if s.Where().Home == "" {
		return nil, errors.New("no home directory for podman's file: set " + store.HomeVariable(s.Where().GOOS))
	}
	whole, namespaces := lookup.PodmanLogins(s.Env)
	coming := sync.OnceValue(func() []lookup.Entry { return append(whole, more()...) }) // it may ask helpers
	hidden := lookup.Hidden(s.Env, namespaces, coming)

	byDir := map[string][]podmanRules{}
	var failing []podmanRules
	for _, g := range authfile.Generations {
		r := s.podmanRules(g, len(hidden) > 0)
		if r.err != nil {
			failing = append(failing, r)
		} else if r.path != "" {
			byDir[filepath.Dir(r.path)] = append(byDir[filepath.Dir(r.path)], r)
		}
	}
	if err := s.podmanFails(failing); err != nil {
		return nil, err
	}
	var edits []plannedEdit
	for _, dir := range slices.Sorted(maps.Keys(byDir)) {
		x, err := s.planDropIn(byDir[dir])
		if err != nil {
			return nil, err
		}
		edits = append(edits, x)
	}
	if slices.ContainsFunc(edits, func(x plannedEdit) bool { return x.after != nil }) {
		if err := s.podmanRemote(s.Where().GOOS, coming); err != nil {
			return nil, err
		}
	}
	if slices.ContainsFunc(edits, func(x plannedEdit) bool { return x.hidesFiles }) {
		return edits, s.hidesHelpers("podman", lookup.PodmanPlaces(s.Env), coming)
	}
	if len(hidden) > 0 && slices.ContainsFunc(edits, func(x plannedEdit) bool { return x.filesFirst }) {
		s.Warn("podman has logins for %s and for the whole registry, so it looks into its files first: podman login writes passwords to %s, unencrypted.",
			terminal.Some(hidden), lookup.Tilde(s.Env, authfile.ContainersAuthWrite(s.Where())))
	}
	return edits, nil
}

// podmanRules is how podman of one generation picks its helpers here.
type podmanRules struct {
	authfile.Generation
	now, want []string // the list that counts, and the one to write
	done      bool     // now is as good
	path      string   // the drop-in for want, "" if none counts
	err       error    // why it cannot be made to ask
	advice    string   // what to do about that
}

// podmanRules looks at one generation. With filesFirst it is to look into podman's files
// before it asks the helper, unless the user's own list has it read no file.
func (s *setup) podmanRules(g authfile.Generation, filesFirst bool) podmanRules {
	r := podmanRules{Generation: g}
	lists, err := authfile.HelperLists(s.Where(), g)
	if err != nil {
		r.err = err
		return r
	}
	dir := filepath.Dir(authfile.RegistriesDropIn(s.Where(), g, ""))
	own := func(l authfile.HelperList) bool { return filepath.Dir(l.File) == dir && isOwn(l.File) }
	others := slices.DeleteFunc(slices.Clone(lists), own)
	before, _ := authfile.LastOf(others)
	r.now, _ = authfile.LastOf(lists)
	filesFirst = filesFirst && slices.Contains(before, authfile.AuthFileHelper)
	r.want = authfile.WithHelper(slices.Concat(before, r.now), s.helper, filesFirst)
	if n := len(lists); n > 0 && own(lists[n-1]) {
		r.path, r.done = lists[n-1].File, slices.Equal(r.now, r.want)
		return r
	}
	last := ""
	if n := len(others); n > 0 {
		last = others[n-1].File
	}
	if r.path = authfile.RegistriesDropIn(s.Where(), g, last); !filepath.IsAbs(r.path) {
		r.path = ""
	}
	r.done = slices.Contains(r.now, s.helper) && (!filesFirst || lookup.FilesFirst(r.now))
	if r.path == "" && !r.done {
		why, advice, _ := lookup.HelpersElsewhere(s.Env, g, last, s.helper)
		r.err, r.advice = errors.New(why), advice
	}
	return r
}

// podmanFails refuses if every installed tool is of a generation that cannot be made to ask
// the helper, else it warns of those generations.
func (s *setup) podmanFails(failing []podmanRules) error {
	if len(failing) == 0 {
		return nil
	}
	fails := func(g authfile.Generation) bool {
		return slices.ContainsFunc(failing, func(r podmanRules) bool { return r.Generation == g })
	}
	var installed []authfile.Generation
	for _, tool := range lookup.PodmanTools(s.Ctx) {
		installed = append(installed, tool.Rules...)
	}
	if len(installed) == 0 {
		installed = authfile.Generations
	}
	if !slices.ContainsFunc(installed, func(g authfile.Generation) bool { return !fails(g) }) {
		for _, r := range failing {
			switch {
			case !slices.Contains(installed, r.Generation):
			case r.advice == "":
				return fmt.Errorf("cannot configure podman: %w", r.err)
			default:
				return &refusal{r.err.Error() + "; nothing was changed", r.advice}
			}
		}
	}
	for _, r := range failing {
		text := r.err.Error()
		if r.advice != "" {
			text += "; " + r.advice
		}
		s.Warn("%s will not ask %s: %s.", r.Generation, s.helper, text)
	}
	return nil
}

// podmanRemote refuses, or with --keep warns, where podman would fail at every pull.
func (s *setup) podmanRemote(goos string, coming func() []lookup.Entry) error {
	if !lookup.PodmanIsRemote(goos) || lookup.Installed("podman") == "" {
		return nil
	}
	hub := store.ParseAddress(store.HubAddress)
	held := slices.ContainsFunc(coming(), func(e lookup.Entry) bool { return e.Address.Hub() })
	if _, err := lookup.Stored(s.Env, hub); !held && errors.Is(err, store.ErrNotFound) {
		s.Warn("podman asks for all logins at every pull here: it will fail while the store is locked, or has one for Docker Hub.")
		return nil
	}
	const text = "podman asks for all logins at every pull here, and would fail at the one for Docker Hub"
	if !s.Keep {
		return &refusal{text + "; nothing was changed", "configure only docker with 'regshape auth setup --docker', or add --keep"}
	}
	s.Warn("%s.", text)
	return nil
}

// planDropIn plans the one drop-in for the generations that read a directory.
func (s *setup) planDropIn(rules []podmanRules) (plannedEdit, error) {
	x := plannedEdit{edit: edit{Tool: "podman", Helper: s.helper}}
	done, filesWereFirst, filesFirst := true, false, false
	var list []string
	for _, r := range rules {
		x.File = max(x.File, r.path) // of two names, the one that is read last
		x.readBy = append(x.readBy, r.Generation)
		list = append(list, r.want...)
		done = done && r.done
		filesFirst = filesFirst || lookup.FilesFirst(r.want)
		filesWereFirst = filesWereFirst || lookup.FilesFirst(r.now)
	}
	if done {
		return x, nil
	}
	var err error
	switch x.before, err = os.ReadFile(x.File); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return x, fmt.Errorf("cannot configure podman: %w", err)
	case !isOwn(x.File):
		return x, fmt.Errorf("%s was not written by setup: rename it, so that setup can use the name", x.File)
	default:
		x.Existed = true
	}
	x.after = authfile.DropInText(dropInNote, authfile.WithHelper(list, s.helper, filesFirst))
	x.hidesFiles, x.filesFirst = filesWereFirst && !filesFirst, filesFirst
	return x, nil
}

// isOwn reports whether setup wrote a drop-in.
func isOwn(path string) bool {
	text, err := os.ReadFile(path)
	return err == nil && strings.HasPrefix(string(text), dropInMark)
}

// hidesHelpers refuses, or with --keep warns of, a registry for which files of a tool name a
// helper while regshape has a login, too: the tool would use that one from now on.
func (s *setup) hidesHelpers(tool string, places []lookup.Place, coming func() []lookup.Entry) error {
	for _, p := range places {
		d, err := authfile.Read(p.Path, p.Format)
		if err != nil {
			continue // the import reports it
		}
		for _, c := range d.CredHelpers() {
			address, asked := lookup.HelperAddress(c.Host, p.Format)
			if c.Helper == "" || c.Helper == s.helper || !asked || address.Scope() != "" { // asked for are whole registries
				continue
			}
			held := slices.ContainsFunc(coming(), func(e lookup.Entry) bool { return e.Address.String() == address.String() })
			if _, err := lookup.Stored(s.Env, address); !held && errors.Is(err, store.ErrNotFound) {
				continue
			}
			text := fmt.Sprintf("%s names %s for %s, and %s would use the login in regshape's store instead",
				lookup.Tilde(s.Env, p.Path), printable.Line(c.Helper, 100), printable.Address(c.Host), tool)
			if !s.Keep {
				return &refusal{
					text + "; nothing was changed",
					"remove that login with 'regshape auth logout', or configure only docker with 'regshape auth setup --docker', or add --keep",
				}
			}
			s.Warn("%s.", text)
		}
	}
	return nil
}

// writeDropIn writes the drop-in and checks that podman would use it.
func (s *setup) writeDropIn(x plannedEdit) error {
	now, err := os.ReadFile(x.File)
	if (err == nil) != x.Existed || !bytes.Equal(now, x.before) {
		return fmt.Errorf("%s: %w", x.File, errChanged)
	}
	if err := durable.WriteOver(lookup.ThroughLinks(x.File), x.after); err != nil && !errors.Is(err, durable.ErrUnsure) {
		return fmt.Errorf("write %s: %w", x.File, err)
	}
	for _, g := range x.readBy {
		helpers, from, err := authfile.CredentialHelpers(s.Where(), g)
		if err == nil && !slices.Contains(helpers, x.Helper) {
			err = fmt.Errorf("%s has no effect: %s is read after it; change credential-helpers there", x.File, from)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// undoDropIn takes the helper out of the list, or puts podman's default in its place where the
// list does not have that. It edits only a list on one line, as setup writes it.
func (x edit) undoDropIn(text []byte) ([]byte, error) {
	var kept strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "credential-helpers") {
			fallback := `"` + authfile.AuthFileHelper + `"` // which 0.1.0 left out
			if strings.Contains(line, fallback) {
				line = strings.Replace(line, `"`+x.Helper+`", `, "", 1)
				line = strings.Replace(line, `, "`+x.Helper+`"`, "", 1)
			}
			line = strings.Replace(line, `"`+x.Helper+`"`, fallback, 1)
		}
		if !strings.HasPrefix(line, "#") && strings.Contains(line, `"`+x.Helper+`"`) {
			return nil, fmt.Errorf("%s has changed: remove %q from its credential-helpers by hand", x.File, x.Helper)
		}
		kept.WriteString(line)
	}
	return []byte(kept.String()), nil
}

// isDefault reports whether a drop-in only sets podman's default.
func isDefault(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, dropInMark) && !strings.HasPrefix(line, "# Podman, Skopeo and Buildah ask") &&
			line != `credential-helpers = ["`+authfile.AuthFileHelper+`"]` {
			return false
		}
	}
	return true
}
