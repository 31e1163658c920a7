package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store"
	"regshape/store/durable"
	"regshape/store/printable"
	"regshape/store/source"
	"regshape/store/trust"
)

const (
	// maxLabels is how many labels a host may have that the kubelet asks for by default.
	maxLabels = 6

	// The answer has its own duration, so this never counts; the kubelet wants one.
	cacheDuration = "5m0s"

	providerVersion = "credentialprovider.kubelet.k8s.io/v1"
)

// kubelet is setup --kubelet: all refusals, then the record for --undo, the program, and the
// kubelet's file last.
func (s *setup) kubelet() error {
	if os.Geteuid() != 0 {
		return &refusal{"the program that the kubelet asks, and its store, must be root's; nothing was changed", "run it as root, on Linux"}
	}
	past, err := loadRecord(s.loc)
	if err != nil {
		return err
	}
	node := lookup.Node{Program: filepath.Join(s.BinDir, s.providerName()), Config: s.Config}
	if old := past.Node; old != nil {
		if old.Program != node.Program || old.Config != node.Config {
			return &refusal{
				fmt.Sprintf("the kubelet is set up with %s and %s; nothing was changed", filepath.Dir(old.Program), old.Config),
				"give these directories, or run '" + s.Own("auth", "setup", "--kubelet", "--undo") + "' first",
			}
		}
		node.Sum, node.Dirs = old.Sum, old.Dirs
	}
	if node.Provider, err = s.provider(); err != nil {
		return err
	}
	program, err := s.planProgram(&node)
	if err != nil {
		return err
	}
	edits, err := s.planProviders(node)
	if err != nil {
		return err
	}
	if err := s.makeNode(past, node, program, edits); err != nil {
		return err
	}
	return s.nodeDone(node, program, edits)
}

// makeNode writes the record, the program and the kubelet's file. If one fails, it takes the
// others back.
func (s *setup) makeNode(past record, node lookup.Node, program []byte, edits []plannedEdit) error {
	if s.DryRun {
		return s.apply(past, edits, secondName{})
	}
	next := past
	next.Node = &node
	if err := next.save(s.loc); err != nil {
		return err
	}
	err := writeProgram(node.Program, program)
	if err == nil {
		err = s.apply(next, edits, secondName{})
	}
	if err == nil {
		return nil
	}
	s.result.Changed = s.result.Changed[:0]
	if past.Node == nil && node.Sum != "" {
		_ = removeProgram(node) // err is the error to report
	}
	return errors.Join(err, past.save(s.loc))
}

// providerName is the name of the program and of its entry. The profile is in it.
func (s *setup) providerName() string {
	return lookup.ProviderProgram + strings.TrimPrefix(s.helper, lookup.OwnHelper)
}

// provider is the entry for the kubelet's file. It looks at everything that the program will
// need, as the user who will run it.
func (s *setup) provider() (authfile.Provider, error) {
	p := authfile.Provider{Name: s.providerName(), MatchImages: s.Match, DefaultCacheDuration: cacheDuration, APIVersion: providerVersion}
	for _, v := range []authfile.Variable{
		{Name: "HOME", Value: store.Home()},
		{Name: "REGSHAPE_KEY_FILE", Value: app.Sources(s.Env).KeyFile},
		{Name: "REGSHAPE_STORE", Value: s.Store},
		{Name: "XDG_CONFIG_HOME", Value: s.Getenv("XDG_CONFIG_HOME")},
		{Name: "XDG_DATA_HOME", Value: s.Getenv("XDG_DATA_HOME")},
		{Name: "XDG_STATE_HOME", Value: s.Getenv("XDG_STATE_HOME")},
	} {
		if v.Value != "" {
			p.Env = append(p.Env, v)
		}
	}
	for _, problem := range s.loc.Check(s.Now()) {
		if !problem.Harmless {
			hint := "run '" + s.Own("auth", "doctor", "--kubelet") + "'"
			if problem.Fix != nil {
				hint = "run '" + printable.Shell(problem.Fix...) + "'"
			}
			return p, &refusal{problem.What + "; nothing was changed", hint}
		}
	}
	logins, err := s.logins()
	if err != nil {
		return p, &app.StoreError{Registry: "", Doing: "read the logins for the kubelet", Err: err}
	}
	if len(s.Match) == 0 {
		for n := range maxLabels {
			p.MatchImages = append(p.MatchImages, strings.Repeat("*.", n)+"*")
		}
		for _, c := range logins {
			if host := lookup.KubeletHost(c); host != "" && !p.Matches(host) {
				p.MatchImages = append(p.MatchImages, host)
			}
		}
	}
	return p, nil
}

// logins lists the logins of the store, and checks its key and their programs.
func (s *setup) logins() ([]store.Credential, error) {
	held, err := s.OpenStore()
	if err != nil {
		return nil, err
	}
	found, damaged, err := held.List(s.Ctx)
	if err == nil && len(found)+len(damaged) == 0 { // an empty list needs no key, the next login does
		if _, err = held.RootKey(s.Ctx); errors.Is(err, store.ErrNoKey) {
			err = nil
		}
	}
	for _, c := range found {
		if err == nil && c.Program != nil {
			err = trust.Check(s.loc, source.Program(*c.Program))
		}
	}
	return found, err
}

// checkMatches refuses what the kubelet would refuse to start with.
func checkMatches(patterns []string) error {
	for _, p := range patterns {
		_, err := url.Parse("https://" + p)
		if _, bad := path.Match(p, ""); err != nil || bad != nil || p == "" || strings.Contains(p, "://") {
			return &app.UsageError{
				Message: fmt.Sprintf("invalid pattern of images %q", printable.Line(p, 200)),
				Hint:    "give HOST, HOST:PORT or HOST/NAMESPACE, with * for a label of the host, as in *.example.com",
			}
		}
	}
	return nil
}

// planProgram decides whether this program has to be copied: nil if it is there. A program
// that setup did not put there is not replaced.
func (s *setup) planProgram(n *lookup.Node) (program []byte, err error) {
	dir := filepath.Dir(n.Program)
	for above := dir; ; above = filepath.Dir(above) {
		if exists(above) {
			if err := (trust.Program{Words: []string{above}}).Guarded(); err != nil {
				return nil, err
			}
			break
		}
	}
	self, err := os.Executable()
	if err == nil {
		program, err = os.ReadFile(self)
	}
	if err != nil {
		return nil, fmt.Errorf("read the running program: %w", err)
	}
	now, err := os.ReadFile(n.Program)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if n.Sum = sum(program); len(n.Dirs) == 0 {
			n.Dirs = missingDirs(n.Program)
		}
		s.changed(n.Program, "created")
		return program, nil
	case err != nil:
		return nil, fmt.Errorf("read the program in place: %w", err)
	case bytes.Equal(now, program):
		return nil, (trust.Program{Words: []string{n.Program}}).Guarded()
	case sum(now) != n.Sum:
		return nil, &refusal{
			n.Program + " is another program, which setup did not put there; nothing was changed",
			"move it away, or give another --bin-dir",
		}
	}
	n.Sum = sum(program)
	s.changed(n.Program, "edited")
	return program, nil
}

// writeProgram puts a program in place whole, also over one that is running.
func writeProgram(file string, program []byte) error {
	if program == nil {
		return nil
	}
	dir := filepath.Dir(file)
	err := os.MkdirAll(dir, 0o755) //nolint:gosec // as other directories of programs
	next := file + ".next"
	if err == nil {
		err = durable.WriteUnread(next, program)
	}
	if err == nil {
		err = os.Chmod(next, 0o755) //nolint:gosec // a program, without secrets
	}
	if err == nil {
		err = durable.RenameOver(next, file)
	}
	if err != nil {
		_ = os.Remove(next)
		return fmt.Errorf("copy the program: %w", err)
	}
	return durable.SyncDir(dir)
}

// removeProgram removes the program that setup has copied.
func removeProgram(n lookup.Node) error {
	now, err := os.ReadFile(n.Program)
	if errors.Is(err, fs.ErrNotExist) || err == nil && sum(now) != n.Sum {
		return nil
	}
	if err == nil {
		err = os.Remove(n.Program)
	}
	if err != nil {
		return fmt.Errorf("remove the kubelet's program: %w", err)
	}
	removeDirs(n.Dirs)
	return nil
}

// planProviders plans the edit of the kubelet's file: none if it is YAML, or has the entry.
func (s *setup) planProviders(n lookup.Node) ([]plannedEdit, error) {
	text, err := json.Marshal(n.Provider)
	if err != nil {
		return nil, fmt.Errorf("encode the kubelet's provider: %w", err)
	}
	previous := ""
	x := plannedEdit{edit: edit{Tool: "kubelet", File: n.File(), Existed: true, Helper: n.Provider.Name, Store: &previous}}
	d, err := authfile.Read(x.File, authfile.Docker)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.Existed = false
		x.after, err = authfile.NewProviders(n.Provider)
	case errors.As(err, new(*authfile.SyntaxError)) && isYAML(x.File):
		s.result.Block = yamlBlock(n.Provider)
		return nil, nil
	case err == nil:
		if named, _, _ := d.Providers(x.Helper); len(named) == 1 {
			previous = named[0]
		}
		if previous == string(text) {
			return nil, nil
		}
		x.before = d.Bytes()
		d.SetProvider(x.Helper, string(text))
		x.after, err = d.Bytes(), d.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("edit the kubelet's file: %w", err)
	}
	x.splice(x.before, x.after)
	x.Dirs = missingDirs(x.File)
	return []plannedEdit{x}, nil
}

// isYAML reports whether a file that is not JSON can be YAML.
func isYAML(file string) bool {
	text, err := os.ReadFile(file)
	return err == nil && !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{"))
}

// yamlBlock is an entry of providers, as YAML: a string of JSON is one of YAML.
func yamlBlock(p authfile.Provider) string {
	var b strings.Builder
	quoted := func(format, text string) {
		literal, _ := json.Marshal(text) // a string never fails
		fmt.Fprintf(&b, format, literal)
	}
	quoted("- name: %s\n", p.Name)
	quoted("  apiVersion: %s\n", p.APIVersion)
	quoted("  defaultCacheDuration: %s\n  matchImages:\n", p.DefaultCacheDuration)
	for _, m := range p.MatchImages {
		quoted("  - %s\n", m)
	}
	b.WriteString("  env:\n")
	for _, v := range p.Env {
		quoted("  - name: %s\n", v.Name)
		quoted("    value: %s\n", v.Value)
	}
	return b.String()
}

// providerChanges is what is new in the kubelet's file.
func providerChanges(name string, before, after []byte) []string {
	shown := func(text []byte) string {
		d, err := authfile.Parse("", text, authfile.Docker)
		if err != nil {
			return ""
		}
		var p authfile.Provider
		named, _, err := d.Providers(name)
		if err != nil || len(named) == 0 || json.Unmarshal([]byte(named[0]), &p) != nil {
			return "(none)"
		}
		return "matchImages " + strings.Join(p.MatchImages, ", ")
	}
	return []string{fmt.Sprintf("%s: %s → %s", name, shown(before), shown(after))}
}

// noProvider reports whether a file of the kubelet has no provider, with which it would not start.
func noProvider(text []byte) bool {
	d, err := authfile.Parse("", text, authfile.Docker)
	if err != nil {
		return false
	}
	_, all, err := d.Providers("")
	return err == nil && all == 0
}

// nodeDone prints what was changed, and what is left to do by hand.
func (s *setup) nodeDone(n lookup.Node, program []byte, edits []plannedEdit) error {
	s.result.Flags = []string{
		"--image-credential-provider-bin-dir=" + filepath.Dir(n.Program),
		"--image-credential-provider-config=" + n.Config,
	}
	if s.JSON {
		return app.WriteJSON(s.Out, s.result)
	}
	if program != nil {
		s.say("%s: a copy of this program, which the kubelet starts; run setup again after an upgrade.", n.Program)
	}
	for _, x := range edits {
		s.show(x)
	}
	if s.result.Block != "" {
		s.say("%s is YAML, which setup does not edit. Add this to its providers:", n.File())
		_, _ = fmt.Fprint(s.Out, s.result.Block)
	}
	switch {
	case s.DryRun:
		s.say("Nothing was written (--dry-run).")
	case program == nil && len(edits) == 0 && s.result.Block == "":
		s.say("Everything is set up already.")
	}
	s.say("Start the kubelet with these flags, and restart the kubelet after every change of its file:")
	for _, flag := range s.result.Flags {
		s.say("  %s", flag)
	}
	s.say("Every pod of this node may then use these logins. '%s' checks it, '%s' reverts it.",
		s.Own("auth", "doctor", "--kubelet"), s.Own("auth", "setup", "--kubelet", "--undo"))
	return nil
}

// undoNode removes the program, and says what is left to do by hand.
func (s *setup) undoNode(r *record) error {
	n := *r.Node
	if n.Sum != "" {
		if err := s.undoProgram(n.Program, func() error { return removeProgram(n) }); err != nil {
			return err
		}
	}
	switch file := n.File(); {
	case !exists(file):
		s.say("No provider is left: remove the kubelet's flags --image-credential-provider-*, or it does not start.")
	case isYAML(file):
		s.say("%s: take the entry %s out by hand.", file, n.Provider.Name)
	}
	s.say("Then restart the kubelet.")
	r.Node = nil
	return nil
}
