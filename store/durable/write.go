// Package durable writes files so that they survive a crash, and reads those that only their
// owner can have written.
package durable

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Disk is what a write needs of a file system, and what detects wrong answers of it. Tests use
// one that fails or lies at a chosen step.
type Disk interface {
	OpenNew(path string) (NewFile, error)
	Rename(from, to string) error
	Link(from, to string) error
	Remove(path string) error
	Mkdir(path string) error
	SyncDir(path string) error
	List(path string) ([]string, error) // the names in a directory, in no order
}

// NewFile is a file that is being written.
type NewFile interface {
	io.WriteCloser
	Sync() error
}

// Publish puts data under path, in place of what is there, durably. Before an error is
// returned the old content is intact, except after [ErrUnsure].
func Publish(d Disk, path string, data []byte) error {
	return write(d, path, data, d.Rename)
}

// PublishFirst puts data under path unless something is there: then it changes nothing
// and returns an error that wraps [fs.ErrExist].
func PublishFirst(d Disk, path string, data []byte) error {
	return write(d, path, data, func(from, to string) error {
		err := d.Link(from, to)
		if removeErr := d.Remove(from); err == nil && removeErr != nil {
			return fmt.Errorf("remove the temporary file: %w", removeErr)
		}
		return err
	})
}

// write makes a file as place does, and its name durable.
func write(d Disk, path string, data []byte, show func(from, to string) error) error {
	if err := Place(d, path, data, show); err != nil {
		return err
	}
	if err := d.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsure, err)
	}
	return nil
}

// Place makes a temporary file whole and durable, and only then visible.
func Place(d Disk, path string, data []byte, show func(from, to string) error) error {
	temporary := filepath.Join(filepath.Dir(path), ".tmp-"+rand.Text())
	f, err := d.OpenNew(temporary)
	if err != nil {
		return err
	}
	if err := fill(f, data); err != nil {
		_ = d.Remove(temporary) // the first error matters
		return err
	}
	if err := show(temporary, path); err != nil {
		// An NFS server that gets a repeated request answers "not there" for a rename,
		// and "exists" for a link, that it has already done.
		repeated := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)
		if !repeated || !holds(path, data) {
			_ = d.Remove(temporary)
			return err
		}
	}
	return nil
}

// fill writes a file that was just opened, makes it durable, and closes it.
func fill(f NewFile, data []byte) error {
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

// Settled is how old a directory's last change must be for its creation to count as durable:
// another run may have made it and be about to sync its parent, or have been killed before that.
// ext4 writes its journal every 5 s on its own, xfs and btrfs every 30 s.
const Settled = time.Minute

// MakeDirsOn creates path and its missing parents with mode 0700, each durable in its
// own parent.
func MakeDirsOn(d Disk, path string) error {
	if !Recent(path) {
		return nil
	}
	parent := filepath.Dir(path)
	if parent == path {
		return nil
	}
	if err := MakeDirsOn(d, parent); err != nil {
		return err
	}
	err := d.Mkdir(path)
	there := errors.Is(err, fs.ErrExist)
	if err != nil && !there {
		return err
	}
	err = d.SyncDir(parent)
	if there && errors.Is(err, fs.ErrPermission) && !owns(parent) {
		return nil // such as /home with mode 0711, where only its owner makes directories
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsure, err)
	}
	return nil
}

// Recent reports whether a file or directory may have been made just now, or does not exist.
func Recent(path string) bool {
	info, err := os.Stat(path)
	return err != nil || time.Since(info.ModTime()) <= Settled
}

// owns reports whether a directory is the user's own, or may be.
func owns(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return true
	}
	uid, known := OwnerOf(info)
	return !known || uid == os.Geteuid()
}

func holds(path string, data []byte) bool {
	found, err := ReadFile(path, Sealed)
	return err == nil && bytes.Equal(found, data)
}

// OS is the [Disk] of the operating system.
type OS struct{}

// OpenNew creates a file that must not exist yet.
func (OS) OpenNew(path string) (NewFile, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|openNoFollow, 0o600)
}

// Rename puts a file in the place of another one.
func (OS) Rename(from, to string) error { return RenameOver(from, to) }

// Link gives a file a second name, unless that is taken.
func (OS) Link(from, to string) error { return os.Link(from, to) }

// Remove removes a file or an empty directory.
func (OS) Remove(path string) error { return Remove(path) }

// Mkdir makes a directory with mode 0700.
func (OS) Mkdir(path string) error { return os.Mkdir(path, 0o700) }

// SyncDir makes the names in a directory durable.
func (OS) SyncDir(path string) error { return SyncDir(path) }

// List returns the names in a directory, in no order. A file that is replaced just then may be
// missing when it is read (tmpfs in a directory of more than 8 KiB, btrfs in any), so one that
// has changed of late is read twice.
func (OS) List(path string) ([]string, error) {
	names, err := readNames(path)
	if err != nil || !Recent(path) {
		return names, err
	}
	again, err := readNames(path)
	names = append(names, again...)
	slices.Sort(names)
	return slices.Compact(names), err
}

func readNames(path string) ([]string, error) {
	dir, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close() // it is only read
	return dir.Readdirnames(-1)
}

// MakeDirs makes a directory and its missing parents with mode 0700, each durable in its
// own parent.
func MakeDirs(path string) error { return MakeDirsOn(OS{}, path) }

// WriteFirst makes the directory of path and puts data there with mode 0600, durably,
// unless something is there: then the error wraps [fs.ErrExist].
func WriteFirst(path string, data []byte) error {
	if err := MakeDirsOn(OS{}, filepath.Dir(path)); err != nil {
		return err
	}
	return PublishFirst(OS{}, path, data)
}

// WriteUnread makes the directory of path and writes data there with mode 0600, durably, into
// a file that nobody reads before this returns. Unlike WriteOver it leaves no second copy
// when the process is killed.
func WriteUnread(path string, data []byte) error {
	if err := MakeDirsOn(OS{}, filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|openNoFollow, 0o600)
	if err != nil {
		return err
	}
	if err := fill(f, data); err != nil {
		_ = Remove(path) // the first error matters
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// WriteOver makes the directory of path and puts data there with mode 0600, durably, in
// place of what is there. An error that is not [ErrUnsure] leaves that intact.
func WriteOver(path string, data []byte) error {
	if err := MakeDirsOn(OS{}, filepath.Dir(path)); err != nil {
		return err
	}
	return Publish(OS{}, path, data)
}
