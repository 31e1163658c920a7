package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"regshape/store/durable"
)

// readNames reads the line of the names file for the pinned key; without a config, the first.
// While a rotation runs there are two.
func (s *Store) readNames(n *nameKey) error {
	lines, err := s.namesLines()
	if err != nil {
		return err
	}
	for _, found := range lines {
		if s.config.KID == "" || found.kid == s.config.KID {
			*n = found
			return nil
		}
	}
	return fmt.Errorf("%s: %w", s.loc.namesFile(), ErrWrongKey)
}

func (s *Store) namesLines() ([]nameKey, error) {
	data, err := durable.ReadFile(s.loc.namesFile(), durable.Secret)
	if err != nil {
		return nil, err
	}
	var found []nameKey
	for line := range strings.Lines(string(data)) {
		n, err := parseNamesLine(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.loc.namesFile(), err)
		}
		if slices.ContainsFunc(found, func(o nameKey) bool { return o.kid == n.kid }) {
			return nil, fmt.Errorf("%s: %w: it has two lines for one key", s.loc.namesFile(), ErrKeyDamaged)
		}
		found = append(found, n)
	}
	return found, nil
}

// ensureNames writes the names file if it is missing, damaged, another key's, or forged.
func (s *Store) ensureNames(names nameKey) error {
	if there, err := s.checkNames(names); there && err == nil {
		return nil
	}
	return s.writeNames(names)
}

// checkNames reports whether the names file has a line for the key that names was derived from.
// Anybody can compute its checksum, so a line with another name key was forged: all logins would
// seem to be gone. That is reported, and an error.
func (s *Store) checkNames(names nameKey) (there bool, err error) {
	lines, _ := s.namesLines() // an unreadable file is as good as a missing one
	i := slices.IndexFunc(lines, func(n nameKey) bool { return n.kid == names.kid })
	if i >= 0 && !lines[i].equal(names) {
		err = fmt.Errorf("%w: %s", ErrForgedNames, s.loc.namesFile())
		s.loc.passedOver(err)
	}
	return i >= 0, err
}

// RewriteNames replaces a names file that is missing or forged, if the key is available.
func (s *Store) RewriteNames(ctx context.Context) error {
	root, err := s.RootKey(ctx)
	if err != nil {
		return err
	}
	if err := s.loc.checkWritable(); err != nil {
		return err
	}
	return s.ensureNames(root.nameKey())
}

// CheckNames returns [ErrForgedNames] if the key is available and the names file was not made
// from it.
func (s *Store) CheckNames(ctx context.Context) error {
	root, err := s.RootKey(ctx)
	if err != nil {
		return nil //nolint:nilerr // without the key it cannot be checked
	}
	_, err = s.checkNames(root.nameKey())
	return err
}

// writeNames makes the names file answer for these keys.
func (s *Store) writeNames(names ...nameKey) error {
	var lines strings.Builder
	for _, n := range names {
		lines.WriteString(n.line() + "\n")
	}
	if err := durable.MakeDirsOn(s.disk, s.loc.State); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	if err := durable.Publish(s.disk, s.loc.namesFile(), []byte(lines.String())); err != nil {
		return fmt.Errorf("write the names file: %w", err)
	}
	return nil
}

// dropNames makes the names file answer for the pinned key alone. It needs no key.
func (s *Store) dropNames() error {
	lines, _ := s.namesLines() // the next write replaces an unreadable file
	i := slices.IndexFunc(lines, func(n nameKey) bool { return n.kid == s.config.KID })
	if len(lines) < 2 || i < 0 {
		return nil
	}
	if err := s.writeNames(lines[i]); err != nil {
		return fmt.Errorf("%w: %w", errLeftBehind, err)
	}
	return nil
}
