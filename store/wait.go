package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"regshape/store/durable"
)

// change applies a change to the store's entries, again and again until it is in the
// generation that is valid afterwards. A rotation copies the entries it finds; a change that it
// did not see would vanish with the old generation. So a change is done only if, after it, no
// rotation is marked and the config still pins the same key.
func (s *Store) change(ctx context.Context, ready func(s *Store) (view, error), do func(v view) error) error {
	now := *s
	if now.config.KID == "" { // another run, or an earlier call, may have made it
		if _, err := now.reload(); err != nil {
			return err
		}
	}
	for {
		v, err := ready(&now)
		if err == nil && v.names.kid != "" {
			err = now.awaitRotation(ctx, v.names.kid)
		}
		done := false
		if err == nil {
			err = do(v)
			done = err == nil
		}
		// In this order: a rotation that is marked after the first check sees the change.
		var tokens []string
		var markErr error
		if v.names.kid != "" {
			tokens, markErr = now.markers(v.names.kid)
		}
		changed, reloadErr := now.reload()
		switch {
		case changed && now.config.KID != v.names.kid:
			continue
		case !done:
			return err
		case markErr != nil || reloadErr != nil:
			return fmt.Errorf("written, but it is not known whether it lasts: %w", errors.Join(markErr, reloadErr))
		case len(tokens) == 0:
			return nil
		}
	}
}

// defaultRotationTimeout is how long writers wait for a rotation before they abort it.
const defaultRotationTimeout = 5 * time.Second

// awaitRotation returns when no rotation of this generation is marked. One that takes longer
// than rotationTimeout is aborted, dead or alive: a login matters more, and a rotation can start
// again. [errKeyChanged] means that one was completed.
func (s *Store) awaitRotation(ctx context.Context, kid string) error {
	const pause = 10 * time.Millisecond
	for waited := time.Duration(0); ; waited += pause {
		tokens, err := s.markers(kid)
		if err != nil || len(tokens) == 0 {
			return err
		}
		if config, err := readConfig(s.loc); err != nil {
			return err
		} else if config.KID != kid {
			return errKeyChanged
		}
		for _, token := range tokens {
			staged, err := durable.Exists(s.loc.stagedConfig(token))
			if err == nil && (!staged || waited >= s.rotationTimeout) {
				err = s.abort(ctx, kid, token)
			}
			if err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// markers lists the tokens of the rotations that are marked in a generation. Usually not even
// the directory for them exists.
func (s *Store) markers(kid string) (tokens []string, err error) {
	dir := s.loc.markerDir(kid)
	entries, err := durable.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.checkForeignMarker(kid)
	}
	if info, statErr := os.Lstat(dir); err != nil && statErr == nil && !info.IsDir() {
		err = fmt.Errorf("%s: %w, which must finish the key change", dir, ErrNewer)
	}
	if err == nil {
		err = durable.CheckDirIfAny(dir) // which another run may have removed by now
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !isKID(e.Name()) {
			continue // a temporary file
		}
		content, err := durable.ReadFile(filepath.Join(dir, e.Name()), durable.Sealed)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if string(content) != markerContent {
			return nil, fmt.Errorf("%s: %w, which must finish the key change", filepath.Join(dir, e.Name()), ErrNewer)
		}
		tokens = append(tokens, e.Name())
	}
	return tokens, s.checkForeignMarker(kid)
}

// checkForeignMarker refuses a generation with a marker that a later version may use.
func (s *Store) checkForeignMarker(kid string) error {
	path := filepath.Join(s.loc.Generation(kid), ".switched")
	there, err := durable.Exists(path)
	if err == nil && there {
		err = fmt.Errorf("%s: %w, which must finish the key change", path, ErrNewer)
	}
	return err
}

// errKeyChanged means that the store's key changed during an operation.
var errKeyChanged = errors.New("the store's key was changed meanwhile")

// retryOnRotation runs a read, and again whenever it failed and the store's key has changed
// since: a missing or unreadable entry may only have moved. It works on a copy, so that a Store
// may be used by several goroutines.
func (s *Store) retryOnRotation(read func(s *Store) error) error {
	now := *s
	for {
		err := read(&now)
		if err == nil {
			return nil
		}
		changed, reloadErr := now.reload()
		if reloadErr != nil {
			return reloadErr
		}
		if !changed {
			return err
		}
	}
}

// reload reads the config again and reports whether the key or its place has changed.
func (s *Store) reload() (changed bool, err error) {
	config, err := readConfig(s.loc)
	if err != nil {
		return false, err
	}
	if config.KID == "" {
		config.Key = s.sources.Default()
	}
	if config.KID == s.config.KID && config.Key.Equal(s.config.Key) {
		return false, nil
	}
	key, err := s.sources.Choose(s.loc, config.Key)
	if err != nil {
		return false, err
	}
	s.config, s.key = config, key
	return true, nil
}
