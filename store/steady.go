package store

import (
	"errors"
)

// errMoved means that the store turned to another key while something was done to it.
var errMoved = errors.New("the store's key was changed meanwhile")

// steady runs a read, and once more whenever it failed and the store has turned to
// another key since: what was missing, or did not open, may only have moved. It works on
// a copy, so that a Store may be used by several goroutines.
func (s *Store) steady(read func(s *Store) error) error {
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

// reload reads the config again and reports whether it names another key, or another
// place for it, than it did.
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
