package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"regshape/scripts/testenv"
	"regshape/store"
	"regshape/store/keys"
)

const (
	benchUser   = "bench"
	benchSecret = "correct horse battery staple"
)

// address is the n-th address of a store, from 0.
func address(n int) string { return "registry-" + strconv.Itoa(n) + ".example.com" }

// fill makes a store of size credentials in the directory dir. It goes through package
// store, since ten thousand processes would take minutes. A large one is made in memory,
// where nothing waits for the disk, and then copied: the files are the same.
func fill(ctx context.Context, dir string, size int) error {
	if err := fillNew(ctx, dir, size); err != nil {
		return err
	}
	// In its first minute a store syncs more, for fear of a run that was killed before it did.
	old := time.Now().Add(-time.Hour)
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() && entry.Name() != "config" {
			return err
		}
		return os.Chtimes(path, old, old)
	})
}

func fillNew(ctx context.Context, dir string, size int) error {
	const large = 5000
	const sharedMemory = "/dev/shm" // of Linux; in a container it may be too small
	if size < large {
		return put(ctx, dir, size)
	}
	memory, err := os.MkdirTemp(sharedMemory, "regshape-bench-")
	if err != nil {
		return put(ctx, dir, size)
	}
	defer os.RemoveAll(memory)
	if err := put(ctx, memory, size); errors.Is(err, syscall.ENOSPC) {
		return errors.Join(os.RemoveAll(memory), put(ctx, dir, size))
	} else if err != nil {
		return err
	}
	for _, command := range [][]string{
		{"cp", "-a", memory, dir},
		{"sync", "-f", dir}, // else the first writes that are measured would wait for it
	} {
		if out, err := testenv.CommandContext(ctx, testenv.Environ(dir), command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command[0], err, out)
		}
	}
	return nil
}

func open(dir string) (*store.Store, error) {
	loc, err := store.Locate(store.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	return store.Open(loc, keys.Sources{})
}

// put writes eight entries at a time, since most of a write is waiting for the disk.
func put(ctx context.Context, dir string, size int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	const writers = 8
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			s, err := open(dir)
			for n := w; n < size && err == nil; n += writers {
				err = s.Put(ctx, store.Credential{
					ServerURL: address(n), Username: benchUser, Secret: benchSecret, Kind: store.KindPassword,
				})
			}
			errs[w] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("fill the store: %w", err)
	}
	return nil
}

// fillPlaintext writes a config.json with size credentials into the directory dir.
func fillPlaintext(dir string, size int) error {
	type auth struct {
		Auth string `json:"auth"`
	}
	auths := map[string]auth{}
	for n := range size {
		auths[address(n)] = auth{base64.StdEncoding.EncodeToString([]byte(benchUser + ":" + benchSecret))}
	}
	data, err := json.MarshalIndent(map[string]any{"auths": auths}, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600)
}

// unlockedGet is in a row of its own.
const unlockedGet = "`get`, unlocked with a passphrase"

// protected makes a store whose key a passphrase protects, unlocked for as long as a
// benchmark may take, and returns the get that is timed on it. lock ends that.
func protected(ctx context.Context, helper, dir string) (get *operation, lock func(), err error) {
	directory := filepath.Join(dir, "protected")
	if err := fill(ctx, directory, 1); err != nil {
		return nil, nil, err
	}
	s, err := open(directory)
	if err != nil {
		return nil, nil, err
	}
	slots, err := keys.NewSlots(s.Location(), time.Now().Add(time.Hour))
	if err != nil {
		return nil, nil, err
	}
	way, err := keys.PassphraseRecipient("a passphrase of the benchmark")
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
		command: []string{helper, "get"}, env: testenv.Environ(dir, ourEnvironment(directory)...), input: input,
	}
	lock = func() { _ = slots.Lock(custody.KID) }
	if err := get.check(ctx); err != nil {
		lock()
		return nil, nil, err
	}
	return get, lock, nil
}
