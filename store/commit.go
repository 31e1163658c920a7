package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"regshape/store/durable"
)

// finish does what is left to do after a commit; a later writer does it when the run that
// committed was killed. token is that run's own marker, "" for others. What it returns as
// left is about old things that nothing uses any more. err is what a write must not be
// acknowledged after: the commit may not be durable, or a reader that came before it may
// still be looking at the old generation.
func (s *Store) finish(ctx context.Context, token string) (left, err error) {
	p := s.config.Previous
	if p == nil {
		return nil, nil
	}
	if err := s.disk.SyncDir(s.loc.Config); err != nil {
		return nil, fmt.Errorf("%w: %w", durable.ErrUnsure, err)
	}
	if s.key, err = s.sources.Choose(s.loc, s.config.Key); err != nil {
		return nil, err
	}
	if err := s.key.Promote(ctx, s.config.KID); err != nil {
		left = fmt.Errorf("%w: %w", errLeftBehind, err)
	}
	left = errors.Join(left, s.discard(ctx, *p, s.config.KID))
	if p.KID != s.config.KID {
		left = errors.Join(left, s.dropNames())
		var failed error
		failed, err = s.retire(p.KID)
		return errors.Join(left, failed), err
	}
	if token != "" {
		left = errors.Join(left, s.unmark(p.KID, token))
	}
	return left, nil
}

// discard forgets a key in a place, unless the store has it there, or is about to: another run
// may be moving the key to where it was, or to where this one did not get. other is the kid of
// the other key of the change.
func (s *Store) discard(ctx context.Context, p Pin, other string) error {
	// In this order: a config that is no longer staged may be the store's by then.
	used, err := s.stagedElsewhere("", p)
	if err == nil && !used {
		var config Config
		config, err = readConfig(s.loc)
		used = p.sameFile(config.pin())
	}
	if err == nil && !used {
		err = s.forget(ctx, p.Key, p.KID, other, p.Proof)
	}
	if err != nil {
		return fmt.Errorf("%w: the key %s: %w", errLeftBehind, p.KID, err)
	}
	return nil
}

// forget has a place forget a key of this store's. The OS keyring has the keys of other
// stores too, and a config is data that others may have written: there the key itself has
// to have vouched for the other key of the change.
func (s *Store) forget(ctx context.Context, source KeySource, kid, other, proof string) error {
	place, err := s.sources.Choose(s.loc, source)
	if err == nil && source.Source == SourceKeyring {
		var k RootKey
		k, err = place.Load(ctx, kid)
		switch {
		case errors.Is(err, ErrNoKey):
			return nil
		case err == nil && !hmac.Equal([]byte(k.vouch(other)), []byte(proof)):
			err = fmt.Errorf("nothing proves that it was this store's: if it was, remove it from the OS keyring yourself (service regshape, account %s)", kid)
		}
	}
	if err != nil {
		return err
	}
	return place.Discard(ctx, kid)
}

// vouch is a root key's word that a store turned from it to the key with this kid, or from
// that key to it. Only who has the key can give it.
func (k RootKey) vouch(kid string) string {
	return hex.EncodeToString(k.derivation().derive("regshape/v1/turn/" + kid)[:kidSize*2])
}

// unfinished reports whether a commit has left something to do that matters to writers, or
// a key where it should not be found any more.
func (s *Store) unfinished() (bool, error) {
	p, now := s.config.Previous, s.config.Key.Source
	if p == nil {
		return false, nil
	}
	var paths []string
	if p.KID != s.config.KID {
		paths = append(paths, s.loc.Generation(p.KID))
	}
	if now == SourceFile {
		paths = append(paths, s.loc.StagedKeyFile(s.config.KID))
	} else if p.Key.Source == SourceFile {
		paths = append(paths, s.loc.KeyFile())
	}
	if p.Key.Source == SourceSlots && now != SourceSlots {
		paths = append(paths, s.loc.SealedKeyFile(p.KID))
	}
	for _, path := range paths {
		there, err := durable.Exists(path)
		if err == nil && there {
			err = s.checkTurned()
		}
		if err != nil || there {
			return there, err
		}
	}
	return false, nil
}

// checkTurned makes sure that what a config calls the old generation is not all there is.
// The new one is durable before the commit: where it is missing, older data was put back, as
// from a backup, and its entries and keys are nothing to clear away.
func (s *Store) checkTurned() error {
	turned := view{store: s, names: nameKey{kid: s.config.KID}}
	err := turned.checkGeneration()
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// errLeftBehind means that something old could not be removed, though nothing uses it.
var errLeftBehind = errors.New("something of the old key is left behind")

// LeftBehind reports that a change of the key succeeded, and only something old is still
// there that should have been removed.
func LeftBehind(err error) bool { return errors.Is(err, errLeftBehind) }

// retire takes a generation out of the way in one step, so that no reader meets half of
// it, and then removes it and what earlier runs left half removed. left is about what
// could not be removed.
func (s *Store) retire(kid string) (left, err error) {
	v1 := s.loc.v1()
	err = s.disk.Rename(s.loc.Generation(kid), filepath.Join(v1, retiredPrefix+kid+"-"+newToken()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("take the entries of the old key out of the way: %w", err)
	}
	return s.sweep(), nil
}

// sweep removes old generations, and copies whose transition can no longer be committed.
// What it cannot remove is of the errors that [LeftBehind] holds for.
func (s *Store) sweep() error {
	v1 := s.loc.v1()
	entries, err := os.ReadDir(v1)
	for _, e := range entries {
		dead := e.IsDir() && strings.HasPrefix(e.Name(), retiredPrefix)
		if token, copies := strings.CutPrefix(e.Name(), copiesPrefix); copies && e.IsDir() {
			staged, lookErr := durable.Exists(s.loc.stagedConfig(token))
			dead = lookErr == nil && !staged
		}
		if dead {
			err = errors.Join(err, s.removeDir(filepath.Join(v1, e.Name())))
		}
	}
	if err = errors.Join(err, s.disk.SyncDir(v1)); err != nil {
		return fmt.Errorf("%w: %w", errLeftBehind, err)
	}
	return nil
}

// Prefixes in v1 of a generation that is being removed, and of one that is being made.
const (
	retiredPrefix = ".retired-"
	copiesPrefix  = ".new-"
)

// removeTries is how often a directory is emptied that gets new files meanwhile.
const removeTries = 10

// removeDir removes a generation's directory and what regshape has made in it. What else is
// there is not regshape's to remove: it goes on to the generation that is pinned. A system call
// of a writer that found the directory before it was moved may make one more file after it was
// listed.
func (s *Store) removeDir(path string) (err error) {
	for range removeTries {
		if err = s.removeOurs(path, isEntryName); !errors.Is(err, fs.ErrExist) { // ENOTEMPTY
			return err
		}
	}
	return err
}

func (s *Store) removeOurs(path string, ours func(name string) bool) error {
	if info, err := os.Lstat(path); err == nil && !info.IsDir() {
		return fmt.Errorf("%w: %s is no directory", durable.ErrUnsafe, path) // a link leads to what is not ours
	}
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		below := filepath.Join(path, e.Name())
		var err error
		switch temporary := strings.HasPrefix(e.Name(), ".tmp-") || strings.HasPrefix(e.Name(), ".nfs"); {
		case e.IsDir() && below == filepath.Join(path, markerName):
			err = s.removeOurs(below, isKID)
		case !e.IsDir() && (temporary || ours(e.Name())):
			err = s.disk.Remove(below)
		default:
			err = s.carryOn(below)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := s.disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// carryOn moves what somebody else has put into a generation to the one that is pinned.
func (s *Store) carryOn(path string) error {
	to := filepath.Join(s.loc.Generation(s.config.KID), filepath.Base(path))
	there, err := durable.Exists(to)
	if there {
		to += "." + newToken()
	}
	if err == nil {
		err = s.disk.Rename(path, to)
	}
	if err != nil {
		return fmt.Errorf("%w: %q cannot be moved to %q: %w", ErrStray, path, to, err)
	}
	return nil
}

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
	dir := s.loc.markerDir(kid)
	err := fs.ErrNotExist
	for tries := 3; errors.Is(err, fs.ErrNotExist) && tries > 0; tries-- {
		// Another run's end may remove the empty directory between the two steps.
		if err = s.disk.Mkdir(dir); err == nil || errors.Is(err, fs.ErrExist) {
			err = durable.PublishFirst(s.disk, filepath.Join(dir, token), []byte(markerContent))
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

// unmark removes a marker, and the directory when it was the last.
func (s *Store) unmark(kid, token string) error {
	dir := s.loc.markerDir(kid)
	if err := s.disk.Remove(filepath.Join(dir, token)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the rotation's marker: %w", err)
	}
	_ = s.disk.Remove(dir) // fails while another transition is marked, or it is gone
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
	_ = s.removeDir(s.loc.copiesDir(token))
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
