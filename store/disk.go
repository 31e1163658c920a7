package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// disk is what a write needs of a file system, and what tells a writer that it was lied to.
// Tests put one in that fails or lies at a chosen step.
type disk interface {
	openNew(path string) (newFile, error)
	rename(from, to string) error
	link(from, to string) error
	remove(path string) error
	mkdir(path string) error
	syncFolder(path string) error
	list(path string) ([]string, error) // the names in a folder, in no order
}

type newFile interface {
	io.WriteCloser
	Sync() error
}

// publish puts data under path, in place of what is there, durably. Before an error is
// returned the old content is intact, except after [ErrUnsure].
func publish(d disk, path string, data []byte) error {
	return write(d, path, data, d.rename)
}

// publishFirst puts data under path unless something is there: then it changes nothing
// and returns an error that wraps [fs.ErrExist].
func publishFirst(d disk, path string, data []byte) error {
	return write(d, path, data, func(from, to string) error {
		err := d.link(from, to)
		if removeErr := d.remove(from); err == nil && removeErr != nil {
			return fmt.Errorf("remove the temporary file: %w", removeErr)
		}
		return err
	})
}

// write makes a file as place does, and its name durable.
func write(d disk, path string, data []byte, show func(from, to string) error) error {
	if err := place(d, path, data, show); err != nil {
		return err
	}
	if err := d.syncFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsure, err)
	}
	return nil
}

// place makes a temporary file whole and durable, and only then visible.
func place(d disk, path string, data []byte, show func(from, to string) error) error {
	temporary := filepath.Join(filepath.Dir(path), ".tmp-"+rand.Text())
	f, err := d.openNew(temporary)
	if err != nil {
		return err
	}
	if err := fill(f, data); err != nil {
		_ = d.remove(temporary) // the first error is the one to tell
		return err
	}
	if err := show(temporary, path); err != nil {
		// An NFS server that gets a repeated request answers "not there" for a rename,
		// and "exists" for a link, that it has already done.
		repeated := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)
		if !repeated || !holds(path, data) {
			_ = d.remove(temporary)
			return err
		}
	}
	return nil
}

// fill writes a file that was just opened, makes it durable, and closes it.
func fill(f newFile, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	// On NFS and with quotas, close is where a failed write may first show.
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// settled is how old a folder's last change must be for its own creation to be taken as
// durable: another run may have made it and be about to sync its parent, or have been killed
// before. ext4 writes its journal every 5 s of its own accord, xfs and btrfs every 30 s.
const settled = time.Minute

// makeFolders creates path and its missing parents with mode 0700, each durable in its
// own parent.
func makeFolders(d disk, path string) error {
	if !recent(path) {
		return nil
	}
	parent := filepath.Dir(path)
	if parent == path {
		return nil
	}
	if err := makeFolders(d, parent); err != nil {
		return err
	}
	err := d.mkdir(path)
	there := errors.Is(err, fs.ErrExist)
	if err != nil && !there {
		return err
	}
	err = d.syncFolder(parent)
	if there && errors.Is(err, fs.ErrPermission) && !owns(parent) {
		return nil // such as /home with mode 0711, where only its owner makes folders
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsure, err)
	}
	return nil
}

// recent reports that a file or folder may have been made just now, or is not there.
func recent(path string) bool {
	info, err := os.Stat(path)
	return err != nil || time.Since(info.ModTime()) <= settled
}

// owns reports that a folder is the user's own, or may be.
func owns(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return true
	}
	uid, known := ownerOf(info)
	return !known || uid == os.Geteuid()
}

func holds(path string, data []byte) bool {
	found, err := readFile(path, sealedFile)
	return err == nil && bytes.Equal(found, data)
}

// osDisk is the real thing.
type osDisk struct{}

func (osDisk) openNew(path string) (newFile, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|openNoFollow, 0o600)
}

func (osDisk) rename(from, to string) error { return RenameOver(from, to) }
func (osDisk) link(from, to string) error   { return os.Link(from, to) }
func (osDisk) remove(path string) error     { return removeFile(path) }
func (osDisk) mkdir(path string) error      { return os.Mkdir(path, 0o700) }
func (osDisk) syncFolder(path string) error { return SyncFolder(path) }

func (osDisk) list(path string) ([]string, error) {
	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer folder.Close() // it is only read
	return folder.Readdirnames(-1)
}

// MakeFolders makes a folder and its missing parents with mode 0700, each durable in its
// own parent.
func MakeFolders(path string) error { return makeFolders(osDisk{}, path) }

// WriteFirst makes the folder of path and puts data there with mode 0600, durably,
// unless something is there: then the error wraps [fs.ErrExist].
func WriteFirst(path string, data []byte) error {
	if err := makeFolders(osDisk{}, filepath.Dir(path)); err != nil {
		return err
	}
	return publishFirst(osDisk{}, path, data)
}

// WriteUnread makes the folder of path and writes data there with mode 0600, durably, into
// a file that nobody reads before this returns. Unlike WriteOver it leaves no second copy
// when the process is killed.
func WriteUnread(path string, data []byte) error {
	if err := makeFolders(osDisk{}, filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|openNoFollow, 0o600)
	if err != nil {
		return err
	}
	if err := fill(f, data); err != nil {
		_ = os.Remove(path) // the first error is the one to tell
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// WriteOver makes the folder of path and puts data there with mode 0600, durably, in
// place of what is there. An error that is not [ErrUnsure] leaves that intact.
func WriteOver(path string, data []byte) error {
	if err := makeFolders(osDisk{}, filepath.Dir(path)); err != nil {
		return err
	}
	return publish(osDisk{}, path, data)
}
