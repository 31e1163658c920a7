// Package setup configures docker, podman, skopeo, buildah, helm and a node's kubelet to use
// regshape, and reverts that.
package setup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/importer"
	"regshape/login/lookup"
	"regshape/store"
	"regshape/store/durable"
)

// Setup configures container tools to use the helper.
type Setup struct {
	Docker bool     `xor:"docker" help:"Configure docker, and with it every tool that reads docker's config.json."`
	Podman bool     `xor:"podman" help:"Configure podman, skopeo and buildah."`
	Helm   bool     `xor:"helm,nodehelm" help:"Configure helm's own file, where its login and logout go."`
	Hosts  []string `xor:"host,helm,nodehost" name:"host" placeholder:"REGISTRY" help:"Let docker use regshape for these registries only (credHelpers); implies --docker."`
	Undo   bool     `xor:"host,keep" help:"Revert what setup changed."`
	DryRun bool     `name:"dry-run" help:"Show what would be changed and imported, without writing anything."`
	Keep   bool     `xor:"keep,nodekeep" help:"Continue if a login cannot be moved into the store, or podman would use another one in its place; docker, podman or helm no longer find it."`

	Kubelet bool     `xor:"docker,podman,nodehelm,nodehost,nodekeep" help:"Configure the kubelet of this node, as root."`
	BinDir  string   `name:"bin-dir" placeholder:"DIR" type:"path" help:"With --kubelet: its directory of credential providers, where this program is copied."`
	Config  string   `name:"config" placeholder:"PATH" type:"path" help:"With --kubelet: its configuration of credential providers, a file or a directory of files."`
	Match   []string `name:"match" placeholder:"PATTERN" help:"With --kubelet: the images that it asks for, in place of those of every registry."`
}

// Validate is called by the parser.
func (c *Setup) Validate() error {
	switch given := c.BinDir != "" || c.Config != "" || len(c.Match) > 0; {
	case given && !c.Kubelet:
		return &app.UsageError{Message: "--bin-dir, --config and --match are for --kubelet", Hint: "add --kubelet, or leave them out"}
	case given && c.Undo:
		return &app.UsageError{Message: "--undo knows which files were changed", Hint: "run 'regshape auth setup --kubelet --undo'"}
	case c.Kubelet && !c.Undo && (c.BinDir == "" || c.Config == ""):
		return &app.UsageError{
			Message: "--kubelet needs --bin-dir and --config",
			Hint:    "give the values of the kubelet's flags --image-credential-provider-bin-dir and --image-credential-provider-config",
		}
	}
	return checkMatches(c.Match)
}

// setupResult is the JSON of setup and of setup --undo.
type setupResult struct {
	Status   string              `json:"status"`  // "success"; "error" beside Reason and Message
	Changed  []setupChange       `json:"changed"` // in order
	Imported []importer.Imported `json:"imported"`
	Failed   []importer.Failure  `json:"failed"`           // what could not be moved into the store
	Kept     []importer.Imported `json:"kept,omitempty"`   // logins of namespaces, which stay in podman's files
	Flags    []string            `json:"flags,omitempty"`  // of the kubelet
	Block    string              `json:"block,omitempty"`  // for the kubelet's file, which is YAML
	DryRun   bool                `json:"dry_run"`          // nothing was written: changed and imported are what would be
	Reason   string              `json:"reason,omitempty"` // "setup"
	Message  string              `json:"message,omitempty"`
	Hint     string              `json:"hint,omitempty"`
}

// setupChange is one file that setup wrote.
type setupChange struct {
	File   string `json:"file"`   // absolute path
	Action string `json:"action"` // "created", "edited", "linked" or, of --undo, "restored", "edited", "removed"
}

// setup is one run of the command.
type setup struct {
	*app.Env
	Setup
	loc    store.Location
	helper string // as docker and podman name it: "regshape", or of a profile "regshape-NAME"
	result setupResult
	warned []string // of helpers that fail
}

// Run configures docker and podman, or reverts that. It can be interrupted after each step:
// all refusals come before the first write, then the second program name, the import, the
// record for --undo, and the edits last.
func (c *Setup) Run(e *app.Env) error {
	s := &setup{Env: e, Setup: *c, helper: lookup.OwnHelper}
	if e.Profile != "" {
		s.helper += "-" + e.Profile // its program's name picks the profile
	}
	s.result = setupResult{Status: "success", Changed: []setupChange{}, Imported: []importer.Imported{}, Failed: []importer.Failure{}, DryRun: c.DryRun}
	var err error
	if s.loc, err = e.Locate(); err != nil {
		return err
	}
	run := s.forward
	switch {
	case c.Undo:
		run = s.undo
	case c.Kubelet:
		run = s.kubelet
	}
	if err = s.checkHome(); err == nil {
		err = run()
	}
	if refusal, ok := errors.AsType[*refusal](err); ok {
		return s.refuse(refusal)
	}
	return err
}

// Manual is the text of --help and of the man page.
func (*Setup) Manual() app.Manual {
	return app.Manual{Failed: "nothing was changed; the message says why", Examples: [][2]string{
		{"regshape auth setup --dry-run", "show what would be changed"},
		{"regshape auth setup --docker --host ghcr.io", "docker only, for one registry"},
		{"regshape auth setup --undo", "revert the changes"},
		{"regshape auth setup --kubelet --bin-dir DIR --config FILE", "on a node of a cluster, as root"},
	}}
}

// forward is setup without --undo.
func (s *setup) forward() error {
	hosts, err := s.hosts()
	if err != nil {
		return err
	}
	past, err := loadRecord(s.loc)
	if err != nil {
		return err
	}
	edits, err := s.plan(hosts)
	if err != nil {
		return err
	}
	name, err := findSecondName(s.helper)
	if err != nil {
		return err
	}
	if err := s.reach(&name); err != nil {
		return err
	}
	err = s.importHidden(edits, hosts)
	if err == nil {
		err = s.apply(past, edits, name)
	}
	if err != nil {
		if name.made {
			_ = name.remove() // err is the error to report
		}
		return err
	}
	return s.done(edits, name)
}

// checkHome refuses a home directory that does not exist, or is not the user's.
func (s *setup) checkHome() error {
	home := s.Where().Home
	info, err := os.Stat(home)
	switch {
	case home == "":
		return nil // reported later, if --docker-config does not name the file
	case err != nil:
		return &refusal{fmt.Sprintf("home directory %s cannot be used; nothing was changed", home), "set " + store.HomeVariable(s.Where().GOOS)}
	}
	// Root without sudo is fine: root of a container with a mounted home.
	if uid, known := durable.OwnerOf(info); known && uid != 0 && os.Geteuid() == 0 && s.Getenv("SUDO_UID") != "" {
		return &refusal{
			fmt.Sprintf("under sudo this would create files of root in %s, which belongs to uid %d; nothing was changed", home, uid),
			"run it without sudo, or with sudo -H",
		}
	}
	return nil
}

// changed adds a file to the result.
func (s *setup) changed(file, action string) {
	s.result.Changed = append(s.result.Changed, setupChange{file, action})
}

// say prints a line of the result, unless it is JSON.
func (s *setup) say(format string, args ...any) {
	if !s.JSON {
		_ = s.Say(format, args...)
	}
}

// refusal is a reason to stop before anything is changed, which the user can fix.
type refusal struct{ message, hint string }

func (r *refusal) Error() string { return r.message }

// refuse reports why setup stops, with what it found about each login.
func (s *setup) refuse(r *refusal) error {
	if s.JSON {
		s.result.Status, s.result.Reason, s.result.Message, s.result.Hint = "error", "setup", r.message, r.hint
		s.result.Changed = []setupChange{}
		if err := app.WriteJSON(s.Out, s.result); err != nil {
			return err
		}
		return app.ErrReported
	}
	s.Tell("Error: %s", r.message)
	if r.hint != "" {
		_, _ = fmt.Fprintf(s.Err, "Hint: %s\n", r.hint) // it may have several lines
	}
	return app.ErrReported
}

// apply records the edits for --undo, then makes them. If one fails, it undoes those before. A
// dry run writes nothing.
func (s *setup) apply(past record, edits []plannedEdit, name secondName) error {
	if s.DryRun {
		for _, x := range edits {
			s.changed(x.File, x.action())
		}
		return nil
	}
	if len(edits) == 0 && !name.made {
		return nil
	}
	next := past
	next.Edits = slices.Clone(past.Edits)
	for _, x := range edits {
		next.Edits = append(next.Edits, x.edit)
	}
	if name.made {
		next.Program, next.Target = name.path, name.target
	}
	if err := next.save(s.loc); err != nil {
		return err
	}
	for i, x := range edits {
		err := s.write(x)
		if err == nil {
			s.changed(x.File, x.action())
			continue
		}
		for _, done := range slices.Backward(edits[:i+1]) {
			if _, _, _, undoErr := undoEdits(done.File, []edit{done.edit}, false); undoErr != nil {
				// The record stays, so --undo can try again.
				return fmt.Errorf("%w; and the change of %s could not be undone: %w", err, done.File, undoErr)
			}
		}
		if saveErr := past.save(s.loc); saveErr != nil {
			return fmt.Errorf("%w; and %w", err, saveErr)
		}
		return err
	}
	return nil
}

// write makes one edit, if the file is still what the plan was made from.
func (s *setup) write(x plannedEdit) error {
	if x.Tool == "podman" {
		return s.writeDropIn(x)
	}
	err := lookup.Update(s.Env, x.File, authfile.Docker, func(d *authfile.Document) error {
		switch now := d.Bytes(); {
		case bytes.Equal(now, x.after):
			return nil // Update calls again if another program wrote after it
		case !bytes.Equal(now, x.before):
			return fmt.Errorf("%s: %w", x.File, errChanged)
		}
		return replace(d, x.after)
	})
	if errors.Is(err, authfile.ErrUnsure) {
		s.Warn("%s.", s.Problem(err))
		err = nil
	}
	return err
}

// replace replaces the text of a document.
func replace(d *authfile.Document, text []byte) error {
	other, err := authfile.Parse(d.Name(), text, d.Format())
	if err != nil {
		return err
	}
	*d = *other
	return nil
}

// done prints what was changed and what to do next.
func (s *setup) done(edits []plannedEdit, name secondName) error {
	if s.Store != "" && s.Getenv("REGSHAPE_STORE") == "" {
		s.Warn("docker and podman find this store only if REGSHAPE_STORE names it.")
	}
	if s.JSON {
		return app.WriteJSON(s.Out, s.result)
	}
	if name.made || name.missing && s.DryRun {
		s.say("%s: a second name of %s, which docker and podman run.", name.path, name.target)
	}
	for _, x := range edits {
		s.show(x)
	}
	switch {
	case s.DryRun:
		s.say("Nothing was written (--dry-run).")
		return nil
	case len(edits) == 0 && !name.made:
		s.say("Everything is set up already.")
	default:
		s.say("Setup done; '%s' reverts it.", s.Own("auth", "setup", "--undo"))
	}
	for _, p := range lookup.Places(s.Env) {
		if d, err := authfile.Read(p.Path, p.Format); err == nil && slices.ContainsFunc(lookup.Entries(d), lookup.IsLogin) {
			s.say("Still in plaintext in %s: '%s' removes it.", p.Path, s.Own("auth", "import", "--remove"))
		}
	}
	s.say("To log in: %s", s.Own("auth", "login", "REGISTRY"))
	return nil
}
