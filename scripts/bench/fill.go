package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
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

// fill makes a store of size credentials in the folder dir. It goes through package
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
	const bytesEach = 6 << 10 // one page, the inode and the folder's share of it
	if size < large {
		return put(ctx, dir, size)
	}
	memory, err := memoryFolder(int64(size) * bytesEach)
	if err != nil {
		return err
	}
	if memory == "" { // none here, or too small
		return put(ctx, dir, size)
	}
	defer os.RemoveAll(memory)
	if err := put(ctx, memory, size); err != nil {
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

// put writes eight entries at a time, since most of a write is waiting for the disk.
func put(ctx context.Context, dir string, size int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	loc, err := store.Locate(store.Options{Dir: dir})
	if err != nil {
		return err
	}
	const writers = 8
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			s, err := store.Open(loc, keys.Sources{})
			for n := w; n < size && err == nil; n += writers {
				err = s.Put(ctx, store.Credential{
					ServerURL: address(n), Username: benchUser, Secret: benchSecret, Kind: store.KindPassword,
				})
			}
			errs[w] = err
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("fill the store: %w", err)
		}
	}
	return nil
}

// fillPlaintext writes a config.json with size credentials into the folder dir.
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
