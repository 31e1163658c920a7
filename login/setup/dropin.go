package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store/durable"
	"regshape/store/printable"
)

const (
	// dropInMark begins the drop-in that setup writes: a file without it is somebody else's.
	dropInMark = "# Written by `regshape auth setup"
	dropInNote = "Written by `regshape auth setup --podman`; `regshape auth setup --podman --undo` removes it."
)

// planPodman writes the drop-in, unless podman asks the helper already.
func (s *setup) planPodman() (plannedEdit, error) {
	w, helper := s.Where(), s.helper
	path := authfile.RegistriesDropIn(w)
	if path == "" {
		return plannedEdit{}, errors.New("there is no home folder for podman's file: set HOME")
	}
	helpers, from, err := authfile.CredentialHelpers(w)
	if err != nil {
		return plannedEdit{}, fmt.Errorf("podman cannot be set up: %w", err)
	}
	x := plannedEdit{Edit: Edit{Tool: "podman", File: path, Helper: helper}}
	if slices.Contains(helpers, helper) {
		return x, nil
	}
	// Drop-ins of the user come last, by name, and the last one counts.
	if filepath.Dir(from) == filepath.Dir(path) && filepath.Base(from) > filepath.Base(path) {
		return plannedEdit{}, outranked(from, helper)
	}
	x.Before, err = os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return plannedEdit{}, fmt.Errorf("podman cannot be set up: %w", err)
	case !strings.HasPrefix(string(x.Before), dropInMark):
		return plannedEdit{}, fmt.Errorf("%s was not written by setup and is left alone: rename it, so that setup can use the name", path)
	default:
		x.Existed = true
	}
	if x.hidesFiles = slices.Contains(helpers, authfile.AuthFileHelper); x.hidesFiles {
		more, err := s.moreHelpers()
		if err != nil {
			return plannedEdit{}, err
		}
		helpers = append(helpers, more...)
	}
	x.After = authfile.DropInText(dropInNote, helper, helpers)
	return x, nil
}

// podmanPlaces are the files that podman reads, in its order: docker's come last.
func (s *setup) podmanPlaces() []lookup.Place {
	var own, docker []lookup.Place
	if path, _ := authfile.AuthfileVariable(s.Where()); path != "" {
		own = append(own, lookup.Place{Tool: "podman", Path: path, Format: authfile.Containers})
	}
	for _, p := range lookup.Places(s.Env) {
		switch p.Tool {
		case "podman":
			own = append(own, p)
		case "docker":
			docker = append(docker, p)
		}
	}
	return append(own, docker...)
}

// moreHelpers are the helpers of single hosts in the files that podman no longer reads
// behind the drop-in. What such a helper answers is often made anew each time and cannot be
// moved, so podman asks it for all hosts. One that is not on PATH answered nothing so
// far, and would be an error for all hosts.
func (s *setup) moreHelpers() ([]string, error) {
	var names []string
	for _, p := range s.podmanPlaces() {
		d, err := authfile.Read(p.Path, p.Format)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("podman cannot be set up: %w", err)
		}
		for _, c := range d.CredHelpers() {
			if p.Tool == "podman" && lookup.IsOwn(c.Helper) && c.Helper != s.helper {
				if err := s.hidesProfile(p.Path, c); err != nil {
					return nil, err
				}
			}
			if c.Helper != "" && !lookup.IsOwn(c.Helper) && !strings.ContainsAny(c.Helper, `/\`) && anyProgram("docker-credential-"+c.Helper) {
				names = append(names, c.Helper)
			}
		}
	}
	return names, nil
}

// hidesProfile is about a host whose login is in the store of a profile. Podman would ask
// the drop-in's store, and no list of helpers can say that one is for one host.
func (s *setup) hidesProfile(file string, c authfile.CredHelper) error {
	if s.Keep {
		s.Warn("podman no longer takes the login of %s from %s (%s): run podman with REGSHAPE_PROFILE for it.",
			printable.Address(c.Host), printable.Line(c.Helper, 100), file)
		return nil
	}
	return &refusal{
		fmt.Sprintf("%s has %s for %s, which podman would no longer ask; nothing was changed", file, printable.Line(c.Helper, 100), printable.Address(c.Host)),
		"leave podman as it is with 'regshape auth setup --docker', or go on with --keep and run podman with REGSHAPE_PROFILE for that registry",
	}
}

func outranked(file, helper string) error {
	return &refusal{
		fmt.Sprintf("%s names other credential-helpers and is read after setup's file; nothing was changed", file),
		fmt.Sprintf("add %q to the credential-helpers in that file", helper),
	}
}

// writeDropIn writes the drop-in and looks at it with podman's eyes.
func (s *setup) writeDropIn(x plannedEdit) error {
	now, err := os.ReadFile(x.File)
	if (err == nil) != x.Existed || !bytes.Equal(now, x.Before) {
		return fmt.Errorf("%s: %w", x.File, errChangedMeanwhile)
	}
	if err := durable.WriteOver(lookup.ThroughLinks(x.File), x.After); err != nil && !errors.Is(err, durable.ErrUnsure) {
		return fmt.Errorf("%s cannot be written: %w", x.File, err)
	}
	helpers, from, err := authfile.CredentialHelpers(s.Where())
	if err != nil {
		return err
	}
	if !slices.Contains(helpers, x.Helper) {
		return outranked(from, x.Helper)
	}
	return nil
}

// uneditDropIn removes the drop-in or, from one that was changed since, the helper. It
// edits only a list that stands on one line, as setup writes it.
func uneditDropIn(file string, text []byte, edits []Edit) (after []byte, what undone, err error) {
	after, what, err = uneditText(text, edits, func(x Edit, text []byte) ([]byte, error) {
		var kept strings.Builder
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "credential-helpers") {
				instead := `"` + authfile.AuthFileHelper + `"` // which setup has left out
				if strings.Contains(line, instead) {
					line = strings.Replace(line, `"`+x.Helper+`", `, "", 1)
				}
				line = strings.Replace(line, `"`+x.Helper+`"`, instead, 1)
			}
			if !strings.HasPrefix(line, "#") && strings.Contains(line, `"`+x.Helper+`"`) {
				return nil, fmt.Errorf("%s was changed since: take %q out of its credential-helpers by hand", file, x.Helper)
			}
			kept.WriteString(line)
		}
		return []byte(kept.String()), nil
	})
	if what == undoneInPart && !edits[0].Existed && meaningless(after) {
		what = undoneRemoved
	}
	return after, what, err
}

// meaningless reports whether a drop-in says only what is so without it.
func meaningless(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, dropInMark) && !strings.HasPrefix(line, "# Podman, Skopeo and Buildah ask") &&
			line != `credential-helpers = ["`+authfile.AuthFileHelper+`"]` {
			return false
		}
	}
	return true
}
