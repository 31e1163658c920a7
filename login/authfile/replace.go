package authfile

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"regshape/store/durable"
)

// replace puts the text after in place of the text before, unless something else
// stands there by now: then it reports false. The old file's info is nil if
// there is none.
func replace(target string, before, after []byte, old fs.FileInfo, mode fs.FileMode) (bool, error) {
	dir, base := filepath.Split(target)
	temporary := filepath.Join(dir, "."+base+"."+rand.Text()[:12]+".tmp")
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		// The name of the temporary file would mean nothing to the user.
		return false, fmt.Errorf("%w: %w", ErrDir, cause(err))
	}
	err = fill(f, after, target, old, mode)
	// On NFS and with quotas, close is where a failed write may first show.
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		var same bool
		if same, err = holds(target, before, old != nil); err == nil && !same {
			_ = os.Remove(temporary)
			return false, nil
		}
	}
	if err == nil {
		err = durable.RenameOver(temporary, target)
	}
	if err != nil {
		_ = os.Remove(temporary)
		if errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV) {
			return false, fmt.Errorf("%w: %w", ErrMounted, cause(err))
		}
		return false, fmt.Errorf("cannot be written: %w", cause(err))
	}
	if err := durable.SyncDir(dir); err != nil {
		return true, fmt.Errorf("%w: %w", ErrUnsure, cause(err))
	}
	return true, nil
}

// fill makes the new file whole, with the access rights and the attributes of the
// old one at target, and durable. The mode comes last, so that nobody can read it before it has its owner.
func fill(f *os.File, text []byte, target string, old fs.FileInfo, mode fs.FileMode) error {
	if _, err := f.Write(text); err != nil {
		return err
	}
	if old != nil {
		mode = old.Mode().Perm()
		if !keepOwner(f, old) {
			// The group is another one now, to which the old mode promised nothing.
			mode &^= 0o070
		}
		if err := keepAttributes(f, target); err != nil {
			return err
		}
	}
	if err := f.Chmod(mode.Perm()); err != nil && durable.ModesMatter {
		return err
	}
	return f.Sync()
}

// holds reports whether a file exists as it did and has this text.
func holds(path string, text []byte, existed bool) (bool, error) {
	now, _, err := readText(path)
	if errors.Is(err, fs.ErrNotExist) {
		return !existed, nil
	}
	if err != nil {
		return false, err
	}
	return existed && bytes.Equal(now, text), nil
}

// cause is what an error of package os says beside the names of files.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return err
}
