package store

import (
	"fmt"
	"slices"
	"strings"
)

// readNames reads the line of the names file that is about the pinned key; without a
// config, the first. While a rotation runs there are two.
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
	data, err := readFile(s.loc.namesFile(), secretFile)
	if err != nil {
		return nil, err
	}
	var found []nameKey
	for line := range strings.Lines(string(data)) {
		n, err := parseNamesLine(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.loc.namesFile(), err)
		}
		found = append(found, n)
	}
	return found, nil
}

// ensureNames writes the names file where it is missing, damaged, or another key's.
func (s *Store) ensureNames(names nameKey) error {
	if lines, err := s.namesLines(); err == nil && slices.ContainsFunc(lines, names.equal) {
		return nil
	}
	return s.writeNames(names)
}

// writeNames makes the names file answer for these keys.
func (s *Store) writeNames(names ...nameKey) error {
	var lines strings.Builder
	for _, n := range names {
		lines.WriteString(n.line() + "\n")
	}
	if err := makeFolders(s.disk, s.loc.State); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	if err := publish(s.disk, s.loc.namesFile(), []byte(lines.String())); err != nil {
		return fmt.Errorf("write the names file: %w", err)
	}
	return nil
}

// dropNames makes the names file answer for the pinned key alone. It needs no key.
func (s *Store) dropNames() error {
	lines, _ := s.namesLines() // what cannot be read, the next write makes anew
	i := slices.IndexFunc(lines, func(n nameKey) bool { return n.kid == s.config.KID })
	if len(lines) < 2 || i < 0 {
		return nil
	}
	if err := s.writeNames(lines[i]); err != nil {
		return fmt.Errorf("%w: %w", errLeftBehind, err)
	}
	return nil
}
