package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"regshape/scripts/testenv"
	"regshape/store"
	"regshape/store/keys"
)

// unlockedGet is in a row of its own.
const unlockedGet = "`get`, unlocked with a passphrase"

// protected makes a store whose key a passphrase protects, unlocked for as long as a
// benchmark may take, and returns the get that is timed on it. lock ends that.
func protected(ctx context.Context, helper, dir string) (get *operation, lock func(), err error) {
	folder := filepath.Join(dir, "protected")
	if err := fill(ctx, folder, 1); err != nil {
		return nil, nil, err
	}
	loc, err := store.Locate(store.Options{Dir: folder})
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(loc, keys.Sources{})
	if err != nil {
		return nil, nil, err
	}
	slots, err := keys.NewSlots(loc, time.Now().Add(time.Hour))
	if err != nil {
		return nil, nil, err
	}
	way, err := keys.PassphraseWay("a passphrase of the benchmark")
	if err == nil {
		_, err = slots.Add(ctx, way, "")
	}
	if err == nil {
		err = s.Rotate(ctx, store.Rotation{Source: slots.Source(), Place: slots})
	}
	custody, custodyErr := s.Custody()
	if err = errors.Join(err, custodyErr); err != nil {
		return nil, nil, fmt.Errorf("protect the store: %w", err)
	}
	input := filepath.Join(dir, "stdin-protected")
	if err := os.WriteFile(input, []byte(address(0)), 0o600); err != nil {
		return nil, nil, err
	}
	get = &operation{
		tool: ours, action: actGet, size: 1, name: unlockedGet,
		command: []string{helper, "get"}, env: testenv.Environ(dir, ourEnvironment(folder)...), input: input,
	}
	lock = func() { _ = slots.Lock(custody.KID) }
	if err := get.check(ctx); err != nil {
		lock()
		return nil, nil, err
	}
	return get, lock, nil
}
