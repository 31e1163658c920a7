package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"regshape/store"
	"regshape/store/keys"
)

// protected makes a store whose key a passphrase protects, unlocked for as long as a
// benchmark may take, and lists what is timed on it. lock ends that.
func protected(ctx context.Context, helper, dir string) (operations []*operation, lock func(), err error) {
	f, err := fill(ctx, filepath.Join(dir, "protected"), 1)
	if err != nil {
		return nil, nil, err
	}
	loc, err := store.Locate(store.Options{Dir: f.dir})
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
	get := &operation{
		name:    "`get`, unlocked with a passphrase, 1 stored",
		command: []string{helper, "get"}, env: []string{"REGSHAPE_STORE=" + f.dir}, input: input,
	}
	lock = func() { _ = slots.Lock(custody.KID) }
	if out, err := get.output(ctx); err != nil || !strings.Contains(out, `"Username":"bench"`) {
		lock()
		return nil, nil, fmt.Errorf("%s does not work: %v, %d bytes of output", get.name, err, len(out)) //nolint:errorlint // err may be nil
	}
	return []*operation{get}, lock, nil
}
