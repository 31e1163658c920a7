package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"regshape/store"
	"regshape/store/keys"
)

// filled is a store folder with size credentials.
type filled struct {
	dir  string
	size int
}

// address is the n-th address of a store, from 0.
func address(n int) string { return "registry-" + strconv.Itoa(n) + ".example.com" }

// fill makes a store of size credentials below dir. It goes through package
// store, since ten thousand processes would take minutes, and writes eight
// entries at a time, since most of a write is waiting for the disk.
func fill(ctx context.Context, dir string, size int) (filled, error) {
	f := filled{dir: filepath.Join(dir, "store-"+strconv.Itoa(size)), size: size}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return f, err
	}
	loc, err := store.Locate(store.Options{Dir: f.dir})
	if err != nil {
		return f, err
	}
	const writers = 8
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			s, err := store.Open(loc, keys.Sources{})
			for n := w; n < size && err == nil; n += writers {
				err = s.Put(ctx, store.Credential{
					ServerURL: address(n), Username: "bench", Secret: "correct horse battery staple", Kind: store.KindPassword,
				})
			}
			errs[w] = err
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return f, fmt.Errorf("fill the store: %w", err)
		}
	}
	return f, nil
}
