package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store/durable"
)

// undone says what became of a file.
type undone string

const (
	undoneExactly undone = "restored" // the very bytes of before setup
	undoneRemoved undone = "removed"  // setup had made it
	undoneInPart  undone = "edited"   // others changed it since; their changes stay
	undoneNothing undone = ""         // nothing of setup's is in it any more
)

// undo takes back what the record tells of.
func (s *setup) undo() error {
	r, err := loadSetupRecord(s.loc)
	if err != nil {
		return err
	}
	if r.read == nil {
		if s.JSON {
			return app.WriteJSON(s.Out, s.result)
		}
		s.say("There is nothing to undo: setup has changed nothing here.")
		return nil
	}
	wanted := func(x Edit) bool {
		return !s.Docker && !s.Podman || s.Docker && x.Tool == "docker" || s.Podman && x.Tool == "podman"
	}
	var failed error
	for _, file := range filesOf(r.Edits, wanted) {
		edits := slices.DeleteFunc(slices.Clone(r.Edits), func(x Edit) bool { return x.File != file })
		if err := s.undoFile(file, edits); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		r.Edits = slices.DeleteFunc(r.Edits, func(x Edit) bool { return x.File == file })
	}
	if failed == nil && len(r.Edits) == 0 && r.Program != "" {
		failed = s.undoProgram(&r)
	}
	if !s.DryRun {
		if err := r.Save(s.loc); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return failed
	}
	if s.JSON {
		return app.WriteJSON(s.Out, s.result)
	}
	if s.DryRun {
		s.say("Nothing was written (--dry-run).")
		return nil
	}
	s.say("Logins that are in the store stay there; '%s' writes one out.", s.Own("auth", "export", "REGISTRY", "--format", "FORMAT"))
	return nil
}

// filesOf lists the files of some edits, the last edited first.
func filesOf(edits []Edit, wanted func(Edit) bool) []string {
	var files []string
	for _, x := range slices.Backward(edits) {
		if wanted(x) && !slices.Contains(files, x.File) {
			files = append(files, x.File)
		}
	}
	return files
}

func (s *setup) undoFile(file string, edits []Edit) error {
	before, after, what, err := unedit(file, edits)
	if err == nil && !s.DryRun {
		what, err = takeBack(file, edits)
	}
	if err != nil {
		return err
	}
	if what != undoneNothing {
		s.changed(file, string(what))
	}
	switch what {
	case undoneExactly:
		s.say("%s: as it was before setup.", file)
	case undoneRemoved:
		s.say("%s: removed, as setup had made it.", file)
	case undoneInPart:
		s.say("%s: setup's part taken back; what was changed since stays.", file)
	case undoneNothing:
		s.say("%s: nothing of setup's is left in it.", file)
	}
	if what == undoneExactly || what == undoneInPart {
		s.sayChanges(edits[0].Tool, before, after)
	}
	return nil
}

func (s *setup) undoProgram(r *Record) error {
	there := isThere(r.Program)
	if !s.DryRun {
		if err := (secondName{path: r.Program, target: r.Target}).remove(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the second program name: %w", err)
		}
		if there && isThere(r.Program) {
			s.say("%s: changed since, and left alone.", r.Program)
			there = false
		}
	}
	if there {
		s.changed(r.Program, string(undoneRemoved))
		s.say("%s: removed, as setup had made it.", r.Program)
	}
	r.Program, r.Target = "", ""
	return nil
}

// takeBack undoes the edits of one file, the last one first.
func takeBack(file string, edits []Edit) (undone, error) {
	_, after, what, err := unedit(file, edits)
	if err != nil || what == undoneNothing {
		return what, err
	}
	switch {
	case what == undoneRemoved:
		// Between the reading above and this, nobody is kept from writing; it is a moment.
		if err := os.Remove(lookup.ThroughLinks(file)); err != nil {
			return "", fmt.Errorf("take setup back: %w", err)
		}
		for _, x := range slices.Backward(edits) {
			removeFolders(x.Folders)
		}
	case edits[0].Tool == "podman":
		if err := durable.WriteOver(lookup.ThroughLinks(file), after); err != nil && !errors.Is(err, durable.ErrUnsure) {
			return "", fmt.Errorf("take setup back: %w", err)
		}
	default:
		_, err := authfile.Update(file, authfile.Docker, 0o600, func(d *authfile.Document) error {
			// Anew each time: the text may have changed.
			text, _, err := uneditDocker(d.Name(), d.Bytes(), edits)
			if err != nil {
				return err
			}
			return become(d, text)
		})
		if err != nil && !errors.Is(err, authfile.ErrUnsure) {
			return "", fmt.Errorf("take setup back: %w", err)
		}
	}
	return what, nil
}

// unedit finds out what a file is, and what it becomes when its edits are undone.
func unedit(file string, edits []Edit) (before, after []byte, what undone, err error) {
	before, err = os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, undoneNothing, nil
	case err != nil:
	case edits[0].Tool == "podman":
		after, what, err = uneditDropIn(file, before, edits)
		return before, after, what, err
	default:
		after, what, err = uneditDocker(file, before, edits)
	}
	if err != nil {
		return nil, nil, "", fmt.Errorf("take setup back: %w", err)
	}
	return before, after, what, nil
}

// uneditDocker goes back edit by edit: exactly while the text is what the edit left, else
// member by member, where setup's value still stands.
func uneditDocker(name string, text []byte, edits []Edit) (after []byte, what undone, err error) {
	return uneditText(text, edits, func(x Edit, text []byte) ([]byte, error) {
		d, err := authfile.Parse(name, text, authfile.Docker)
		if err != nil {
			return nil, err
		}
		x.takeOut(d)
		return d.Bytes(), d.Err()
	})
}

// uneditText goes back through the edits of a text, the last one first; where it is not
// what an edit left, inWords takes the edit out of it.
func uneditText(text []byte, edits []Edit, inWords func(Edit, []byte) ([]byte, error)) (after []byte, what undone, err error) {
	after, exact, met := text, true, false
	for _, x := range slices.Backward(edits) {
		if sum(after) == x.Before {
			continue // this edit was never made, or is already undone
		}
		met = true
		before, ok := x.Back(after)
		if !ok {
			exact = false
			if before, err = inWords(x, after); err != nil {
				return nil, "", err
			}
		}
		after = before
	}
	switch {
	case !met:
		return text, undoneNothing, nil
	case exact && !edits[0].Existed:
		return nil, undoneRemoved, nil
	case exact:
		return after, undoneExactly, nil
	case bytes.Equal(after, text):
		return text, undoneNothing, nil
	}
	return after, undoneInPart, nil
}

// takeOut gives the members back the values of before the edit, where they still are
// what it made them.
func (x Edit) takeOut(d *authfile.Document) {
	if x.Store != nil && d.CredsStore() == x.Helper {
		if *x.Store == "" {
			d.RemoveCredsStore()
		} else {
			d.SetCredsStore(*x.Store)
		}
	}
	for host, former := range x.Hosts {
		if now, there := hostHelper(d, host); !there || now != x.Helper {
			continue
		}
		if former == "" {
			d.RemoveCredHelper(host)
		} else {
			d.SetCredHelper(host, former)
		}
	}
}
