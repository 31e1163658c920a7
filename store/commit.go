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

// finish does the work after a commit; if the run that committed was killed, a later writer
// does it. token is that run's own marker, "" for others. left reports leftovers that nothing
// uses any more. After err no write may be acknowledged: the commit may not be durable, or a
// reader from before it may still see the old generation.
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

// discard removes a key from a place, unless the store keeps it there or is about to: another
// run may be moving the key back there. other is the kid of the other key of the change.
func (s *Store) discard(ctx context.Context, p Pin, other string) error {
	// In this order: a config that is no longer staged may have been committed.
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

// forget removes one of this store's keys from a place. The OS keyring holds keys of other
// stores too, and the config may have been written by an attacker: there the key itself must
// vouch for the other key of the change.
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

// vouch derives a proof that a store changed from this root key to the key with this kid, or
// back. Only the holder of the key can compute it.
func (k RootKey) vouch(kid string) string {
	return hex.EncodeToString(k.derivation().derive("regshape/v1/turn/" + kid)[:kidSize*2])
}

// unfinished reports whether a commit left work that matters to writers, or a key that should
// be gone.
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

// checkTurned makes sure that the new generation exists. It was durable before the commit: if
// it is missing, older data was restored, as from a backup, and must not be cleared away.
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

// LeftBehind reports that a key change succeeded, but something old could not be removed.
func LeftBehind(err error) bool { return errors.Is(err, errLeftBehind) }

// retire moves a generation aside in one step, so that no reader sees half of it, and then
// removes it and what earlier runs left half removed. left reports what could not be removed.
func (s *Store) retire(kid string) (left, err error) {
	v1 := s.loc.v1()
	err = s.disk.Rename(s.loc.Generation(kid), filepath.Join(v1, retiredPrefix+kid+"-"+newToken()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("move the entries of the old key aside: %w", err)
	}
	return s.sweep(), nil
}

// sweep removes old generations, and copies whose transition can no longer be committed.
// [LeftBehind] holds for the error about what it cannot remove.
func (s *Store) sweep() error {
	v1 := s.loc.v1()
	entries, err := durable.ReadDir(v1)
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

// removeTries is how often a directory is emptied while new files appear in it.
const removeTries = 10

// removeDir removes a generation's directory and regshape's files in it. Other files are not
// regshape's to remove: they are moved to the pinned generation. A writer that opened the
// directory before it was moved may still add a file after it was listed.
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
		return &durable.ShapeError{Path: path, Is: durable.NoDir} // a link may lead out of the store
	}
	entries, err := durable.ReadDir(path)
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
			err = s.keepStray(below)
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

// keepStray moves a file that regshape did not make to the pinned generation.
func (s *Store) keepStray(path string) error {
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
//   - its token, 16 random digits. No two transitions share one, so a run that was stopped
//     for long can only touch its own files;
//   - config.next-<token>, the next config. Renaming it over the config commits the
//     transition, removing it aborts it: only one can happen, and only the run that made it
//     commits;
//   - the marker g-<kid>/.rekey/<token> in the current generation, which announces it to
//     writers. It is made after the staged config, and outlives it.
const (
	markerName    = ".rekey"
	markerContent = "REGSHAPE-REKEY-1\n"
)

// ErrRotating means that another run is changing the key, or was interrupted.
var ErrRotating = errors.New("the store's key is being changed by another run, or a change was interrupted")

// stage writes the next config. If that keeps the key and moves it, stage refuses while another
// staged config moves it to the same place: both would own one file.
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
	return s.checkSameKey() // committed by a run whose config was staged until just now
}

// checkSameKey returns [errKeyChanged] if the store has changed its key, or the key's place,
// since the config was read.
func (s *Store) checkSameKey() error {
	config, err := readConfig(s.loc)
	if err == nil && (config.KID != s.config.KID || !config.Key.Equal(s.config.Key)) {
		err = errKeyChanged
	}
	return err
}

// stagedElsewhere reports whether another transition would make the store pin p. An unreadable
// file is not a transition: a staged config is visible whole or not at all.
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

// mark announces the transition to writers. It refuses while another one is marked, and if
// the store's key has changed since the config was read.
func (s *Store) mark(kid, token string) error {
	dir := s.loc.markerDir(kid)
	err := fs.ErrNotExist
	for tries := 3; errors.Is(err, fs.ErrNotExist) && tries > 0; tries-- {
		// Another run may remove the empty directory between the two steps.
		if err = s.disk.Mkdir(dir); err == nil || errors.Is(err, fs.ErrExist) {
			err = durable.PublishFirst(s.disk, filepath.Join(dir, token), []byte(markerContent))
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return errKeyChanged // the generation is gone
	}
	if err != nil {
		return fmt.Errorf("mark the rotation: %w", err)
	}
	tokens, err := s.markers(kid)
	if err != nil {
		return err
	}
	if !slices.Contains(tokens, token) {
		return errKeyChanged // already aborted
	}
	if len(tokens) > 1 {
		return ErrRotating
	}
	return s.checkSameKey()
}

// unmark removes a marker, and the directory if it was the last one.
func (s *Store) unmark(kid, token string) error {
	dir := s.loc.markerDir(kid)
	if err := s.disk.Remove(filepath.Join(dir, token)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the rotation's marker: %w", err)
	}
	_ = s.disk.Remove(dir) // fails while another transition is marked, or it is gone
	return nil
}

// commit puts the staged config in place. The rename decides the transition; after an error
// other than [errKeyChanged] or [durable.ErrUnsure] the old config is still in force.
func (s *Store) commit(token string, next Config) error {
	err := s.disk.Rename(s.loc.stagedConfig(token), s.loc.configFile())
	if err != nil {
		// An NFS server that gets a repeated request answers "not there" for what it has done.
		config, readErr := readConfig(s.loc)
		switch {
		case readErr == nil && config.KID == next.KID && config.Key.Equal(next.Key):
		case errors.Is(err, fs.ErrNotExist):
			return errKeyChanged
		default:
			return fmt.Errorf("switch to the new key: %w", err)
		}
	}
	s.config = next
	if err := s.disk.SyncDir(s.loc.Config); err != nil {
		return fmt.Errorf("the store uses its new key now, but: %w: %w", durable.ErrUnsure, err)
	}
	return nil
}

// abort takes back an uncommitted transition, with everything it made, and its marker. One
// that is already committed or aborted only loses its marker.
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
		return fmt.Errorf("abort a key change: %w", err)
	}
	if err := s.disk.SyncDir(s.loc.Config); err != nil {
		return fmt.Errorf("abort a key change: %w", err)
	}
	if next, err := parseConfig(path, data); err == nil {
		s.clear(ctx, token, next)
	}
	return s.unmark(kid, token)
}

// clear removes what an aborted transition made: copies of entries and a key that nothing
// else uses. What cannot be removed does no harm; Check reports it.
func (s *Store) clear(ctx context.Context, token string, next Config) {
	_ = s.removeDir(s.loc.copiesDir(token))
	config, err := readConfig(s.loc)
	if err != nil || config.KID == "" {
		return
	}
	if config.KID == s.config.KID {
		_ = s.dropNames()
	}
	// A key made elsewhere may be used by another transition by now; all others belong to this
	// one alone.
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
