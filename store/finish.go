package store

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
			err = errors.Join(err, s.removeFolder(filepath.Join(v1, e.Name())))
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

// removeFolder removes a generation's directory and what regshape has made in it. What else is
// there is not regshape's to remove: it goes on to the generation that is pinned. A system call
// of a writer that found the directory before it was moved may make one more file after it was
// listed.
func (s *Store) removeFolder(path string) (err error) {
	for range removeTries {
		if err = s.removeOurs(path, isEntryName); !errors.Is(err, fs.ErrExist) { // ENOTEMPTY
			return err
		}
	}
	return err
}

func (s *Store) removeOurs(path string, ours func(name string) bool) error {
	if info, err := os.Lstat(path); err == nil && !info.IsDir() {
		return fmt.Errorf("%w: %s is no folder", durable.ErrUnsafe, path) // a link leads to what is not ours
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
