// Package setup makes docker, podman, skopeo and buildah use regshape, and takes that back.
package setup

import (
	"errors"
	"fmt"
	"os"

	"regshape/login/app"
	"regshape/login/importer"
	"regshape/login/lookup"
	"regshape/store"
)

// Setup points container tools at the helper.
type Setup struct {
	Docker bool     `help:"Set docker up, and with it all that read docker's config.json."`
	Podman bool     `help:"Set podman, skopeo and buildah up."`
	Hosts  []string `name:"host" placeholder:"REGISTRY" help:"Have docker ask regshape for these registries alone (credHelpers); implies --docker."`
	Undo   bool     `help:"Take back what setup changed."`
	DryRun bool     `name:"dry-run" help:"Show what would be changed and imported, and write nothing."`
	Keep   bool     `help:"Go on if a login cannot be moved into the store, or is a profile's; docker or podman do not see it any more."`
}

// setupResult is the JSON of setup and of setup --undo.
type setupResult struct {
	Status   string              `json:"status"`  // "success"; "error" beside Reason and Message
	Changed  []setupChange       `json:"changed"` // in the order in which it happened
	Imported []importer.Imported `json:"imported"`
	Failed   []importer.Failure  `json:"failed"`           // what could not be moved into the store
	DryRun   bool                `json:"dry_run"`          // nothing was written: the others say what would be
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
}

// Run tells docker and podman to ask regshape for logins, or takes that back.
//
// The order makes each step safe to stop at: all refusals come before the first write,
// then the second program name, the import, the record for --undo, and the edits last.
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
	switch {
	case s.unfitHome() != nil:
		err = s.unfitHome()
	case !c.Undo:
		err = s.forward()
	case len(c.Hosts) > 0 || c.Keep:
		return &app.UsageError{Message: "--undo takes neither --host nor --keep", Hint: "run 'regshape auth setup --undo'"}
	default:
		err = s.undo()
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
	}}
}

// forward is setup without --undo.
func (s *setup) forward() error {
	hosts, err := s.hosts()
	if err != nil {
		return err
	}
	past, err := loadSetupRecord(s.loc)
	if err != nil {
		return err
	}
	if past.read == nil {
		past.Folders = missingFolders(setupRecordFile(s.loc))
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
	if err := s.change(past, edits, hosts, name); err != nil {
		if name.made {
			_ = name.remove() // the error is what to tell
		}
		return err
	}
	return s.done(edits, name)
}

// unfitHome refuses a home folder in which new files would be a mistake.
func (s *setup) unfitHome() error {
	home := s.Where().Home
	info, err := os.Stat(home)
	switch {
	case home == "":
		return nil // the places are asked for later, and --docker-config may name one
	case err != nil:
		return &refusal{fmt.Sprintf("home folder %s cannot be used; nothing was changed", home), "set HOME"}
	}
	// As root without sudo it is right: a container's root with a mounted home.
	if uid, foreign := rootInForeignFolder(info); foreign && s.Getenv("SUDO_UID") != "" {
		return &refusal{
			fmt.Sprintf("under sudo this would put root's files into %s, which belongs to uid %d; nothing was changed", home, uid),
			"run it without sudo, or with sudo -H",
		}
	}
	return nil
}

// change imports and edits.
func (s *setup) change(past Record, edits []plannedEdit, hosts []string, name secondName) error {
	if err := s.importHidden(edits, hosts); err != nil {
		return err
	}
	if s.DryRun {
		for _, x := range edits {
			s.changed(x.File, x.action())
		}
		return nil
	}
	return s.apply(past, edits, name)
}

// changed notes a file for the result.
func (s *setup) changed(file, action string) {
	s.result.Changed = append(s.result.Changed, setupChange{file, action})
}

// say prints a line of the result where it is meant for people.
func (s *setup) say(format string, args ...any) {
	if !s.JSON {
		_ = s.Say(format, args...)
	}
}

// refusal is a reason to stop with nothing changed that a command of the user mends.
type refusal struct{ message, hint string }

func (r *refusal) Error() string { return r.message }

// refuse tells why setup stops, with what it knows about each login.
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
		_, _ = fmt.Fprintf(s.Err, "Hint: %s\n", r.hint) // it may have a line for a file in it
	}
	return app.ErrReported
}
