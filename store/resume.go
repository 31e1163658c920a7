package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Resume completes a change of the key that was cut short: it goes on with the new key
// where that can be had, finishes what a commit left to do, and takes back what did not
// get far. done is false where nothing was under way. Another run that is still at it does
// no harm: whoever commits first has committed for both.
func (s *Store) Resume(ctx context.Context, progress func(done, total int)) (done bool, err error) {
	now := *s
	if _, err := now.reload(); err != nil {
		return false, err
	}
	if done, err = now.unfinished(); err != nil {
		return false, err
	}
	// Even where nothing that writers care for is left: the old key may still be in a place
	// that did not answer.
	if left, err := now.finish(ctx, ""); err != nil || left != nil {
		return done, errors.Join(left, err)
	}
	v, err := now.prepareToRotate(ctx)
	if err != nil {
		return done, err
	}
	tokens, err := now.underWay(v.names.kid)
	if err != nil {
		return done, err
	}
	for _, token := range tokens {
		done = true
		if committed, err := now.resume(ctx, v, token, progress); err != nil || committed {
			return committed, err
		}
		if err := now.abort(ctx, v.names.kid, token); err != nil {
			return false, err
		}
	}
	return done, nil
}

// resume goes on with one transition, unless it did not get as far as its marker: then
// writers knew nothing of it, and it has to begin again.
func (s *Store) resume(ctx context.Context, v view, token string, progress func(done, total int)) (committed bool, err error) {
	marked, err := s.markers(v.names.kid)
	if err != nil || !slices.Contains(marked, token) {
		return false, err
	}
	path := s.loc.stagedConfig(token)
	data, err := readFile(path, sealedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	next, err := parseConfig(path, data)
	if err != nil {
		return false, err
	}
	if next.KID == v.names.kid {
		return false, nil // only the place of the key was to change: that is quickly done again
	}
	place, err := s.sources.Choose(s.loc, next.Key)
	if err != nil {
		return false, err
	}
	to, err := place.Load(ctx, next.KID)
	if err != nil {
		return false, fmt.Errorf("the new key cannot be had: %w", err)
	}
	if err := s.reseal(ctx, v, to, token, progress); err != nil {
		return false, err
	}
	if err := s.commit(token, next); err != nil {
		return false, err
	}
	left, err := s.finish(ctx, token)
	return true, errors.Join(left, err)
}

// Abort takes back every change of the key that is not committed, and clears away copies
// of entries under keys that the store does not use. A run that is still at one fails.
// done is false where there was nothing to do.
func (s *Store) Abort(ctx context.Context) (done bool, err error) {
	now := *s
	if _, err := now.reload(); err != nil {
		return false, err
	}
	if err := now.loc.checkWritable(); err != nil {
		return false, err
	}
	if err := now.settle(ctx); err != nil {
		return false, err
	}
	kid := now.config.KID
	tokens, err := now.underWay(kid)
	if err != nil {
		return false, err
	}
	for _, token := range tokens {
		if err := now.abort(ctx, kid, token); err != nil {
			return done, err
		}
		done = true
	}
	strays, err := now.strays()
	if err != nil || len(strays) == 0 {
		return done, err
	}
	for _, stray := range strays {
		if _, err := now.retire(stray); err != nil {
			return true, err
		}
	}
	return true, nil
}

// UnderWay reports whether a change of the key is under way, or was cut short.
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
	entries, err := os.ReadDir(s.loc.Config)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for staged configs: %w", err)
	}
	for _, e := range entries {
		token, staged := strings.CutPrefix(e.Name(), filepath.Base(s.loc.stagedConfig("")))
		if staged && isKID(token) && !slices.Contains(tokens, token) {
			tokens = append(tokens, token)
		}
	}
	return tokens, nil
}

// strays lists the generations that the config does not pin, if the one that it pins is
// there: else the config may be the one that is out of date.
func (s *Store) strays() ([]string, error) {
	kids, err := s.loc.generations()
	if err != nil || !slices.Contains(kids, s.config.KID) {
		return nil, err
	}
	return slices.DeleteFunc(kids, func(kid string) bool { return kid == s.config.KID }), nil
}
