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
	// dropInMark is the start of a drop-in that setup wrote; a file without it is not touched.
	dropInMark = "# Written by `regshape auth setup"
	dropInNote = "Written by `regshape auth setup --podman`; `regshape auth setup --podman --undo` removes it."
)

// planPodman plans the drop-in, unless podman uses the helper already.
func (s *setup) planPodman() (plannedEdit, error) {
	w, helper := s.Where(), s.helper
	path := authfile.RegistriesDropIn(w)
	if path == "" {
		return plannedEdit{}, errors.New("no home directory for podman's file: set HOME")
	}
	helpers, from, err := authfile.CredentialHelpers(w)
	if err != nil {
		return plannedEdit{}, fmt.Errorf("cannot configure podman: %w", err)
	}
	x := plannedEdit{edit: edit{Tool: "podman", File: path, Helper: helper}}
	if slices.Contains(helpers, helper) {
		return x, nil
	}
	// The user's drop-ins are read last, in order of name, and the last one wins.
	if filepath.Dir(from) == filepath.Dir(path) && filepath.Base(from) > filepath.Base(path) {
		return plannedEdit{}, outranked(from, helper)
	}
	x.before, err = os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return plannedEdit{}, fmt.Errorf("cannot configure podman: %w", err)
	case !strings.HasPrefix(string(x.before), dropInMark):
		return plannedEdit{}, fmt.Errorf("%s was not written by setup: rename it, so that setup can use the name", path)
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
	x.after = authfile.DropInText(dropInNote, helper, helpers)
	return x, nil
}

// moreHelpers lists the helpers of single hosts in the files that podman does not read once
// the drop-in exists. Such a helper often creates its credentials on request, so they cannot
// be moved and podman has to ask it, now for all hosts. One that is not on PATH is left out:
// it would be an error for all hosts.
func (s *setup) moreHelpers() ([]string, error) {
	var names []string
	for _, p := range lookup.PodmanPlaces(s.Env) {
		d, err := authfile.Read(p.Path, p.Format)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot configure podman: %w", err)
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

// hidesProfile refuses, or with --keep warns of, a host whose login is in the store of a
// profile: podman would use the drop-in's store, and its list of helpers has no hosts.
func (s *setup) hidesProfile(file string, c authfile.CredHelper) error {
	if s.Keep {
		s.Warn("podman no longer gets the login for %s from %s (%s): run podman with REGSHAPE_PROFILE for it.",
			printable.Address(c.Host), printable.Line(c.Helper, 100), file)
		return nil
	}
	return &refusal{
		fmt.Sprintf("%s names %s for %s, which podman would no longer ask; nothing was changed", file, printable.Line(c.Helper, 100), printable.Address(c.Host)),
		"configure only docker with 'regshape auth setup --docker', or add --keep and run podman with REGSHAPE_PROFILE for that registry",
	}
}

func outranked(file, helper string) error {
	return &refusal{
		fmt.Sprintf("%s names other credential-helpers and is read after setup's file; nothing was changed", file),
		fmt.Sprintf("add %q to the credential-helpers in that file", helper),
	}
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
	helpers, from, err := authfile.CredentialHelpers(s.Where())
	if err != nil {
		return err
	}
	if !slices.Contains(helpers, x.Helper) {
		return outranked(from, x.Helper)
	}
	return nil
}

// undoDropIn puts podman's default in place of the helper. It edits only a list on one line,
// as setup writes it.
func (x edit) undoDropIn(text []byte) ([]byte, error) {
	var kept strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "credential-helpers") {
			fallback := `"` + authfile.AuthFileHelper + `"` // which setup omits
			if strings.Contains(line, fallback) {
				line = strings.Replace(line, `"`+x.Helper+`", `, "", 1)
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
