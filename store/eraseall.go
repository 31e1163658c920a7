package store

import (
	"context"
	"fmt"

	"regshape/store/durable"
)

// EraseAll removes every credential, also of a store that is locked or has no key, and
// returns how many files there were.
func (s *Store) EraseAll(ctx context.Context) (erased int, err error) {
	if err := s.loc.checkWritable(); err != nil {
		return 0, err
	}
	pinned := func(s *Store) (view, error) {
		return view{store: s, names: nameKey{kid: s.config.KID}}, s.settle(ctx)
	}
	err = s.change(ctx, pinned, func(v view) error {
		generations, err := v.store.loc.generations()
		if err != nil {
			return err
		}
		for _, kid := range generations {
			n, err := v.store.empty(kid)
			erased += n
			if err != nil {
				return err
			}
		}
		return nil
	})
	return erased, err
}

// empty removes the entries of a generation.
func (s *Store) empty(kid string) (erased int, err error) {
	if _, err := s.markers(kid); err != nil {
		return 0, err
	}
	v := view{store: s, names: nameKey{kid: kid}}
	folder := v.folder()
	if err := durable.CheckDir(folder); err != nil {
		return 0, err
	}
	names, _, err := v.entryNames()
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if _, err := v.removeSure(name); err != nil {
			return erased, fmt.Errorf("remove an entry: %w", err)
		}
		erased++
	}
	if err := s.disk.SyncDir(folder); err != nil {
		return erased, fmt.Errorf("removed, but the folder could not be synced; after a power cut entries may be back: %w", err)
	}
	return erased, nil
}
