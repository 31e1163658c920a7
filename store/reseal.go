package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"regshape/store/durable"
	"regshape/store/printable"
)

// copiers is how many entries are copied at once: a copy waits for the disk, and a file
// system that is asked to sync several files at once does it in one go.
const copiers = 8

// copyAll seals every entry of one generation under the key of another, into a folder that
// was empty before. Everything is durable when it returns. The first damaged entry ends it.
func copyAll(ctx context.Context, from, to view, progress func(done, total int)) error {
	names, _, err := from.entryNames()
	if err != nil {
		return err
	}
	c := copying{from: from, to: to, progress: progress, total: len(names)}
	queue := make(chan string)
	var workers sync.WaitGroup
	for range min(copiers, len(names)) {
		workers.Go(func() {
			for name := range queue {
				c.copyEntry(name)
			}
		})
	}
	for _, name := range names {
		if c.failed() || ctx.Err() != nil {
			break
		}
		queue <- name
	}
	close(queue)
	workers.Wait()
	if err := errors.Join(c.err, ctx.Err()); err != nil {
		return err
	}
	if err := to.store.disk.SyncDir(to.folder()); err != nil {
		return fmt.Errorf("make the copies durable: %w", err)
	}
	return nil
}

type copying struct {
	from, to view
	progress func(done, total int)
	total    int

	mu   sync.Mutex
	done int
	err  error // the first one
}

func (c *copying) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

func (c *copying) copyEntry(name string) {
	err := c.seal(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	if c.err == nil {
		c.err = err
	}
	if c.progress != nil && err == nil {
		c.progress(c.done, c.total)
	}
}

// seal copies one entry, unless it was erased meanwhile, and reads the copy back.
func (c *copying) seal(name string) error {
	path := filepath.Join(c.from.folder(), name)
	cred, err := c.from.openSure(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &EntryError{File: path, Err: err}
	}
	target := c.to.path(cred.Canonical)
	sealed, err := c.to.root.sealer().seal(filepath.Base(target), cred.payload)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	disk := c.to.store.disk
	if err := durable.Place(disk, target, sealed, disk.Rename); err != nil {
		return fmt.Errorf("copy the entry of %s: %w", printable.Address(cred.Canonical), err)
	}
	found, err := c.to.opener().open(filepath.Base(target))
	if err == nil && !bytes.Equal(found.payload, cred.payload) {
		err = ErrDamaged
	}
	if err != nil {
		return fmt.Errorf("read the copy of the entry of %s back: %w", printable.Address(cred.Canonical), err)
	}
	return nil
}
