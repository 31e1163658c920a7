package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"regshape/store/durable"
)

// Resume completes an interrupted key change. A committed one is finished. An uncommitted one
// is aborted and done again with another new key: the run that began it may still be alive.
// done is false if nothing was under way.
func (s *Store) Resume(ctx context.Context, progress func(done, total int)) (done bool, err error) {
	now := *s
	if _, err := now.reload(); err != nil {
		return false, err
	}
	if done, err = now.unfinished(); err != nil {
		return false, err
	}
	// Even if nothing is left that matters to writers: the old key may still be in a place
	// that did not answer.
	if left, err := now.finish(ctx, ""); err != nil || left != nil {
		return done, errors.Join(left, err)
	}
	again, aborted, err := now.takeBack(ctx)
	done = done || aborted
	if err != nil || again == nil {
		return done, err
	}
	again.Progress = progress
	return true, now.Rotate(ctx, *again)
}

// Abort takes back every uncommitted key change, and clears away copies of entries under keys
// that the store does not use. A run that is still changing the key fails. done is false if
// there was nothing to do.
func (s *Store) Abort(ctx context.Context) (done bool, err error) {
	now := *s
	if _, err := now.reload(); err != nil {
		return false, err
	}
	if err := now.loc.checkWritable(); err != nil {
		return false, err
	}
	if err := now.finishPending(ctx); err != nil {
		return false, err
	}
	_, done, err = now.takeBack(ctx)
	return done, err
}

// takeBack aborts every uncommitted transition, and returns the rotation to do the last of them
// again; nil if that is not known. Then it removes leftovers of interrupted transitions:
// generations and key files are listed before the transitions, so that what is listed and not
// pinned afterwards cannot be committed.
func (s *Store) takeBack(ctx context.Context) (again *Rotation, done bool, err error) {
	strays, err := s.strays()
	if err != nil {
		return nil, false, err
	}
	keyFiles, err := s.stagedKeys()
	if err != nil {
		return nil, false, err
	}
	kid := s.config.KID
	tokens, err := s.underWay(kid)
	if err != nil {
		return nil, false, err
	}
	for _, token := range tokens {
		done = true
		path := s.loc.stagedConfig(token)
		if data, readErr := durable.ReadFile(path, durable.Sealed); readErr == nil {
			if next, parseErr := parseConfig(path, data); parseErr == nil {
				again = s.asBefore(ctx, next)
			}
		}
		if err := s.abort(ctx, kid, token); err != nil {
			return nil, done, err
		}
	}
	if changed, err := s.reload(); err != nil || changed {
		return nil, done, err // one was committed meanwhile, which is fine
	}
	for _, stray := range strays {
		done = true
		if _, err := s.retire(stray); err != nil {
			return nil, done, err
		}
	}
	for _, staged := range keyFiles {
		if staged == s.config.KID && s.config.Key.Source == SourceFile {
			continue // not promoted yet
		}
		done = true
		if err := s.discard(ctx, Pin{Key: KeySource{Source: SourceFile}, KID: staged}, ""); err != nil {
			return nil, done, err
		}
	}
	if there, err := durable.Exists(s.loc.v1()); err != nil || !there {
		return again, done, err
	}
	return again, done, s.sweep()
}

// asBefore returns the rotation that a staged config belongs to. It is nil if the key was to
// move to another place: only the user may decide that, not a file.
func (s *Store) asBefore(ctx context.Context, next Config) *Rotation {
	if !next.Key.Equal(s.config.Key) || next.KID == s.config.KID {
		return nil
	}
	place, err := s.sources.Choose(s.loc, next.Key)
	if err != nil {
		return nil
	}
	r := Rotation{Source: next.Key, Place: place}
	if !next.Key.elsewhere() {
		return &r
	}
	k, err := place.Load(ctx, next.KID)
	if err != nil {
		return nil
	}
	r.Key = &k
	return &r
}

// stagedKeys lists the kids of the key files that a key change has made.
func (s *Store) stagedKeys() ([]string, error) {
	return listAfter(s.loc.StagedKeyFile(""))
}

// UnderWay reports whether a key change is under way, or was interrupted.
func (s *Store) UnderWay() (bool, error) {
	now := *s
	if _, err := now.reload(); err != nil {
		return false, err
	}
	if pending, err := now.unfinished(); err != nil || pending {
		return pending, err
	}
	tokens, err := now.underWay(now.config.KID)
	return len(tokens) > 0, err
}

// underWay lists the tokens of transitions that are staged or marked.
func (s *Store) underWay(kid string) ([]string, error) {
	var tokens []string
	if kid != "" {
		var err error
		if tokens, err = s.markers(kid); err != nil {
			return nil, err
		}
	}
	staged, err := listAfter(s.loc.stagedConfig(""))
	for _, token := range staged {
		if !slices.Contains(tokens, token) {
			tokens = append(tokens, token)
		}
	}
	return tokens, err
}

// listAfter lists the kids or tokens that follow this prefix in the names beside it.
func listAfter(path string) ([]string, error) {
	entries, err := durable.ReadDir(filepath.Dir(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for leftovers of a key change: %w", err)
	}
	var found []string
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), filepath.Base(path)); ok && isKID(rest) {
			found = append(found, rest)
		}
	}
	return found, nil
}

// strays lists the generations that the config does not pin, if the pinned one exists:
// otherwise the config may be out of date.
func (s *Store) strays() ([]string, error) {
	kids, err := s.loc.generations()
	if err != nil || !slices.Contains(kids, s.config.KID) {
		return nil, err
	}
	return slices.DeleteFunc(kids, func(kid string) bool { return kid == s.config.KID || !isKID(kid) }), nil
}

// RootKey returns the key that seals the store, for a backup. [ErrNoKey] also means that
// there is no store yet.
func (s *Store) RootKey(ctx context.Context) (k RootKey, err error) {
	err = s.retryOnRotation(func(s *Store) error {
		k, err = s.loadKey(ctx)
		return err
	})
	return k, err
}

// Custody says where a store's key is.
type Custody struct {
	Source KeySource // where it is, or will be for a store that does not exist yet
	KID    string    // "" for a store that does not exist yet
	// Previous is the key before this one, nil if there was none. Its place may still hold it
	// if clearing it away failed.
	Previous *Pin
}

// Custody returns where the key is, as of now.
func (s *Store) Custody() (Custody, error) {
	now := *s
	if _, err := now.reload(); err != nil {
		return Custody{}, err
	}
	return Custody{now.config.Key, now.config.KID, now.config.Previous}, nil
}

// Restore puts the store's lost key back into a place, and makes that the key's place if it is
// another one. [ErrWrongKey] means that the key is not this store's; nothing is changed then.
func (s *Store) Restore(ctx context.Context, k RootKey, source KeySource, place Key) error {
	now := *s
	if _, err := now.reload(); err != nil {
		return err
	}
	if err := now.loc.checkWritable(); err != nil {
		return err
	}
	if err := now.checkOwn(k); err != nil {
		return err
	}
	v := view{store: &now, names: k.nameKey(), root: k}
	switch {
	case now.config.KID == "":
		return now.restoreFirst(ctx, v, source, place)
	case now.config.Key.Equal(source):
		if err := place.Stage(ctx, k, k.KID()); err != nil {
			return fmt.Errorf("put the key back: %w", err)
		}
		if err := place.Promote(ctx, k.KID()); err != nil {
			return fmt.Errorf("put the key back: %w", err)
		}
		return now.ensureNames(v.names)
	}
	// A run that was changing the key cannot go on without it, and must not block this one.
	tokens, err := now.underWay(k.KID())
	for _, token := range tokens {
		err = errors.Join(err, now.abort(ctx, k.KID(), token))
	}
	if err != nil {
		return err
	}
	// The marker of a transition is in the generation, even of a store without entries.
	if err := durable.MakeDirsOn(now.disk, v.dir()); err != nil {
		return fmt.Errorf("make the store's directory: %w", err)
	}
	err = now.transition(ctx, v, Rotation{Source: source, Place: place}, k)
	if errors.Is(err, errKeyChanged) {
		return ErrRotating
	}
	if err != nil {
		return err
	}
	return now.ensureNames(v.names)
}

// checkOwn refuses a key that the config does not pin or, without a config, that no existing
// generation belongs to.
func (s *Store) checkOwn(k RootKey) error {
	kids, err := s.loc.generations()
	if err != nil {
		return err
	}
	switch pinned := s.config.KID; {
	case pinned != "" && pinned != k.KID():
		return fmt.Errorf("%w: it has kid %s, and this store's has %s", ErrWrongKey, k.KID(), pinned)
	case pinned == "" && len(kids) > 0 && !slices.Contains(kids, k.KID()):
		return fmt.Errorf("%w: it has kid %s, and %s holds entries of other keys", ErrWrongKey, k.KID(), s.loc.v1())
	}
	return nil
}

// restoreFirst is Restore for a store without a config.
func (s *Store) restoreFirst(ctx context.Context, v view, source KeySource, place Key) error {
	if err := place.Stage(ctx, v.root, v.names.kid); err != nil {
		return fmt.Errorf("put the key back: %w", err)
	}
	s.config.Key, s.key = source, place
	if err := s.pin(ctx, v.names.kid); errors.Is(err, errKeyChanged) || errors.Is(err, fs.ErrExist) {
		return ErrRotating
	} else if err != nil {
		return err
	}
	if err := place.Promote(ctx, v.names.kid); err != nil {
		return fmt.Errorf("put the key back: %w", err)
	}
	return s.ensureNames(v.names)
}
