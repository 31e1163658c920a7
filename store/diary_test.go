package store

import (
	"sync"
)

// diary is a disk that writes down what is done to it.
type diary struct {
	osDisk
	mu    *sync.Mutex
	steps *[]step
}

// step is one entry: what was done, and to which path.
type step struct{ what, path string }

func keepDiary(s *Store) *[]step {
	d := diary{mu: &sync.Mutex{}, steps: &[]step{}}
	s.disk = d
	return d.steps
}

// did notes a step that went well.
func (d diary) did(err error, what, path string) error {
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		*d.steps = append(*d.steps, step{what, path})
	}
	return err
}

func (d diary) openNew(path string) (newFile, error) {
	f, err := d.osDisk.openNew(path)
	return diaryFile{f, d, path}, d.did(err, "open", path)
}

func (d diary) rename(from, to string) error {
	if err := d.did(nil, "from", from); err != nil {
		return err
	}
	return d.did(d.osDisk.rename(from, to), "name", to)
}

func (d diary) link(from, to string) error {
	if err := d.did(nil, "from", from); err != nil {
		return err
	}
	return d.did(d.osDisk.link(from, to), "name", to)
}

func (d diary) remove(path string) error { return d.did(d.osDisk.remove(path), "remove", path) }

func (d diary) mkdir(path string) error { return d.did(d.osDisk.mkdir(path), "mkdir", path) }

func (d diary) syncFolder(path string) error {
	return d.did(d.osDisk.syncFolder(path), "sync folder", path)
}

type diaryFile struct {
	newFile
	d    diary
	path string
}

func (f diaryFile) Write(p []byte) (int, error) {
	n, err := f.newFile.Write(p)
	return n, f.d.did(err, "write", f.path)
}

func (f diaryFile) Sync() error { return f.d.did(f.newFile.Sync(), "sync", f.path) }

func (f diaryFile) Close() error { return f.d.did(f.newFile.Close(), "close", f.path) }
