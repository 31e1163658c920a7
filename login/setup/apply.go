package setup

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
)

// apply notes the edits for --undo, then makes them. If one fails, those before it are
// taken back.
func (s *setup) apply(past Record, edits []plannedEdit, name secondName) error {
	if len(edits) == 0 && !name.made {
		return nil
	}
	next := past
	next.Edits = slices.Clone(past.Edits)
	for _, x := range edits {
		next.Edits = append(next.Edits, x.Edit)
	}
	if name.made {
		next.Program, next.Target = name.path, name.target
	}
	if err := next.Save(s.loc); err != nil {
		return err
	}
	for i, x := range edits {
		err := s.write(x)
		if err == nil {
			s.changed(x.File, x.action())
			continue
		}
		for _, done := range slices.Backward(edits[:i+1]) {
			if _, backErr := takeBack(done.File, []Edit{done.Edit}); backErr != nil {
				// The record stays, so that --undo can try again.
				return fmt.Errorf("%w; and %s could not be taken back: %w", err, done.File, backErr)
			}
		}
		if saveErr := past.Save(s.loc); saveErr != nil {
			return fmt.Errorf("%w; and %w", err, saveErr)
		}
		return err
	}
	return nil
}

// write makes one edit, if the file still is what it was planned from.
func (s *setup) write(x plannedEdit) error {
	if x.Tool == "podman" {
		return s.writeDropIn(x)
	}
	err := lookup.Update(s.Env, x.File, authfile.Docker, func(d *authfile.Document) error {
		switch now := d.Bytes(); {
		case bytes.Equal(now, x.After):
			return nil // Update asks again when somebody wrote right after it
		case !bytes.Equal(now, x.Before):
			return fmt.Errorf("%s: %w", x.File, errChangedMeanwhile)
		}
		return become(d, x.After)
	})
	if errors.Is(err, authfile.ErrUnsure) {
		s.Warn("%v.", err)
		err = nil
	}
	return err
}

// become gives a document another text.
func become(d *authfile.Document, text []byte) error {
	other, err := authfile.Parse(d.Name(), text, d.Format())
	if err != nil {
		return err
	}
	*d = *other
	return nil
}

// done tells what was changed and what to do next.
func (s *setup) done(edits []plannedEdit, name secondName) error {
	if s.Store != "" && s.Getenv("REGSHAPE_STORE") == "" {
		s.Warn("docker and podman find this store only where REGSHAPE_STORE names it.")
	}
	if s.JSON {
		return app.WriteJSON(s.Out, s.result)
	}
	if name.made || name.missing && s.DryRun {
		s.say("%s: a second name of %s, which docker and podman start.", name.path, name.target)
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
		s.say("Set up; '%s' takes it back.", s.Own("auth", "setup", "--undo"))
	}
	for _, p := range lookup.Places(s.Env) {
		if d, err := authfile.Read(p.Path, p.Format); err == nil && slices.ContainsFunc(d.Entries(), lookup.IsLogin) {
			s.say("Still in plaintext in %s: '%s' takes it out.", p.Path, s.Own("auth", "import", "--remove"))
		}
	}
	s.say("To log in: %s", s.Own("auth", "login", "REGISTRY"))
	return nil
}
