package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"regshape/store/durable"
)

// A change of key is a transition of the config. What takes part in one:
//
//   - its token, 16 random digits. No two transitions share one, so whatever a run that
//     was stopped for long does late, it does to its own files;
//   - config.next-<token>, the config to be. Renaming it over the config commits the
//     transition, removing it aborts it: one of the two comes first, and only the run that
//     made it commits;
//   - the marker g-<kid>/.rekey/<token> in the present generation, which tells writers. It
//     is made after the staged config, and outlives it.
const (
	markerName    = ".rekey"
	markerContent = "REGSHAPE-REKEY-1\n"
)

// ErrRotating means that another run is changing the key, or was cut short.
var ErrRotating = errors.New("the store's key is being changed by another run, or a change was cut short")

// stage writes the config to be. Where that has the present key, in another place, it refuses
// while another one is staged that has it there, too: what both would keep is one file.
func (s *Store) stage(token string, next Config) error {
	data, err := next.marshal()
	if err != nil {
		return err
	}
	if err := durable.PublishFirst(s.disk, s.loc.stagedConfig(token), data); err != nil {
		return fmt.Errorf("stage the config: %w", err)
	}
	if next.KID != s.config.KID {
		return nil
	}
	if other, err := s.stagedElsewhere(token, next.pin()); err != nil {
		return err
	} else if other {
		return ErrRotating
	}
	return s.checkUnmoved() // by one that was staged until just now
}

// checkUnmoved returns [errMoved] when the store has turned to another key, or another place
// for it, since the config was read.
func (s *Store) checkUnmoved() error {
	config, err := readConfig(s.loc)
	if err == nil && (config.KID != s.config.KID || !config.Key.Equal(s.config.Key)) {
		err = errMoved
	}
	return err
}

// stagedElsewhere reports whether another transition would have the store pin p. What cannot
// be read is none: a staged config is there whole or not at all.
func (s *Store) stagedElsewhere(token string, p Pin) (bool, error) {
	tokens, err := listAfter(s.loc.stagedConfig(""))
	for _, other := range tokens {
		path := s.loc.stagedConfig(other)
		data, err := durable.ReadFile(path, durable.Sealed)
		if err != nil || other == token {
			continue
		}
		if next, err := parseConfig(path, data); err == nil && p.sameFile(next.pin()) {
			return true, nil
		}
	}
	return false, err
}

// mark tells writers of the transition. It refuses while another one is marked, and when
// the store has turned to another key since the config was read.
func (s *Store) mark(kid, token string) error {
	folder := s.loc.markerFolder(kid)
	err := fs.ErrNotExist
	for tries := 3; errors.Is(err, fs.ErrNotExist) && tries > 0; tries-- {
		// Another run's end may remove the empty folder between the two steps.
		if err = s.disk.Mkdir(folder); err == nil || errors.Is(err, fs.ErrExist) {
			err = durable.PublishFirst(s.disk, filepath.Join(folder, token), []byte(markerContent))
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return errMoved // the generation is gone
	}
	if err != nil {
		return fmt.Errorf("mark the rotation: %w", err)
	}
	tokens, err := s.markers(kid)
	if err != nil {
		return err
	}
	if !slices.Contains(tokens, token) {
		return errMoved // taken back already
	}
	if len(tokens) > 1 {
		return ErrRotating
	}
	return s.checkUnmoved()
}

// unmark removes a marker, and the folder when it was the last.
func (s *Store) unmark(kid, token string) error {
	folder := s.loc.markerFolder(kid)
	if err := s.disk.Remove(filepath.Join(folder, token)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the rotation's marker: %w", err)
	}
	_ = s.disk.Remove(folder) // fails while another transition is marked, or it is gone
	return nil
}

// commit makes the staged config the store's. Whoever renames it decides the transition;
// an error that is not [errMoved] or [ErrUnsure] leaves the old config in force.
func (s *Store) commit(token string, next Config) error {
	err := s.disk.Rename(s.loc.stagedConfig(token), s.loc.configFile())
	if err != nil {
		// A server that got the request twice says "not there" for what it has done.
		config, readErr := readConfig(s.loc)
		switch {
		case readErr == nil && config.KID == next.KID && config.Key.Equal(next.Key):
		case errors.Is(err, fs.ErrNotExist):
			return errMoved
		default:
			return fmt.Errorf("turn to the new key: %w", err)
		}
	}
	s.config = next
	if err := s.disk.SyncDir(s.loc.Config); err != nil {
		return fmt.Errorf("the store has turned to its new key, but: %w: %w", durable.ErrUnsure, err)
	}
	return nil
}

// abort takes back a transition that is not committed, with all that it has made, and
// its marker. One that is committed or taken back already just loses its marker.
func (s *Store) abort(ctx context.Context, kid, token string) error {
	path := s.loc.stagedConfig(token)
	data, err := durable.ReadFile(path, durable.Sealed)
	if err == nil {
		err = s.disk.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return s.unmark(kid, token)
	}
	if err != nil {
		return fmt.Errorf("take back a change of the key: %w", err)
	}
	if err := s.disk.SyncDir(s.loc.Config); err != nil {
		return fmt.Errorf("take back a change of the key: %w", err)
	}
	if next, err := parseConfig(path, data); err == nil {
		s.clear(ctx, token, next)
	}
	return s.unmark(kid, token)
}

// clear removes what an aborted transition made: copies of entries and a key that nothing
// else knows. What cannot be removed harms nobody; a check of the store names it.
func (s *Store) clear(ctx context.Context, token string, next Config) {
	_ = s.removeFolder(s.loc.copiesFolder(token))
	config, err := readConfig(s.loc)
	if err != nil || config.KID == "" {
		return
	}
	if config.KID == s.config.KID {
		_ = s.dropNames()
	}
	// A key that was made elsewhere may by now be another transition's; all others are this
	// one's alone.
	if !next.Key.elsewhere() && next.KID != config.KID {
		_, _ = s.retire(next.KID)
	}
	from := ""
	if next.Previous != nil {
		from = next.Previous.KID
	}
	made := next.pin()
	made.Proof = next.Proof
	_ = s.discard(ctx, made, from)
}

// newToken returns 16 random hexadecimal digits, in the form of a kid.
func newToken() string {
	b := make([]byte, kidSize)
	_, _ = rand.Read(b) // never fails: it ends the program instead (crypto/rand)
	return hex.EncodeToString(b)
}
