package authfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"regshape/store/durable"
)

// maxTries is how often an edit starts over because another program changed the
// file meanwhile. Whoever loses five times meets a program that never rests.
const maxTries = 5

// lockTimeout bounds the wait for other writers of this program. An edit takes
// milliseconds, so that a longer wait means that a program holds the lock for another
// reason; the comparison before the rename still guards the file then.
const lockTimeout = 10 * time.Second

var (
	// ErrContended means a file that changed at every try.
	ErrContended = errors.New("another program keeps changing the file; try again")
	// ErrMounted means a file that is a mount of its own, as in a container.
	ErrMounted = errors.New("the file is mounted by itself and cannot be replaced; change it where it comes from")
	// ErrDir means a directory in which no file can be created.
	ErrDir = errors.New("its directory cannot be written to")
	// ErrUnsure means that the file was replaced, and that a power cut may undo it.
	ErrUnsure = errors.New("changed, but perhaps not durably")
)

// Names are the hard links of a file. Update replaces the file under one of them; under the
// others the old text stays, with the logins that were in it.
type Names struct {
	Device, Inode uint64 // of the file, which keeps them under its other names
	Others        int    // how many there are
}

// Update edits a file in place of its old content, whole or not at all, and
// reports whether it changed. A symbolic link is followed and stays. A missing
// file is an empty document and gets the mode given (0600 for what holds
// secrets), missing directories get 0700; an existing file keeps its mode, its access
// control list (Linux) and, where permitted, its owner and extended attributes. If
// edit changes nothing, nothing is written.
//
// Updates of one file by several processes of one machine come one after the
// other. Programs that know nothing of that are noticed by
// comparison: then edit is called again on what they wrote, so it must bear to
// be called several times.
//
// Errors: those of Read and of edit, the refusals of Document, ErrContended,
// ErrMounted, ErrDir, ErrUnsure. After any but ErrUnsure, the file is what it was.
func Update(path string, f Format, mode fs.FileMode, edit func(*Document) error) (changed bool, err error) {
	target, err := finalTarget(path)
	if err != nil {
		return false, err
	}
	if _, err := os.Lstat(filepath.Dir(target)); errors.Is(err, fs.ErrNotExist) {
		// No directory is made for an edit that changes nothing.
		if after, err := apply(path, nil, f, edit); err != nil || len(after) == 0 {
			return false, err
		}
		if err := durable.MakeDirs(filepath.Dir(target)); err != nil {
			return false, &fs.PathError{Op: "replace", Path: path, Err: fmt.Errorf("its directory cannot be created: %w", cause(err))}
		}
	}
	unlock := lockDir(filepath.Dir(target), lockTimeout)
	defer unlock()
	for range maxTries {
		// The link may lead elsewhere by now.
		if target, err = finalTarget(path); err != nil {
			return changed, err
		}
		before, info, err := readText(target)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return changed, err
		}
		after, err := apply(path, before, f, edit)
		if err != nil {
			return changed, err
		}
		if bytes.Equal(before, after) {
			return changed, nil
		}
		if _, err := Parse(path, after, f); err != nil {
			// Cannot happen; if it does, the old file is worth more.
			return changed, fmt.Errorf("%s: the edit would damage the file", path)
		}
		replaced, err := replace(target, before, after, info, mode)
		switch {
		case errors.Is(err, ErrUnsure):
			return true, &fs.PathError{Op: "replace", Path: path, Err: err}
		case err != nil:
			return changed, &fs.PathError{Op: "replace", Path: path, Err: err}
		case !replaced:
			continue
		}
		changed = true
		if now, _, err := readText(target); err == nil && bytes.Equal(now, after) {
			return true, nil
		}
		// Somebody wrote right after us: the next turn finds the edit in their
		// text, or makes it again.
	}
	return changed, &fs.PathError{Op: "replace", Path: path, Err: ErrContended}
}

// apply runs an edit over a text.
func apply(name string, before []byte, f Format, edit func(*Document) error) (after []byte, err error) {
	doc, err := Parse(name, before, f)
	if err != nil {
		return nil, err
	}
	if err := edit(doc); err != nil {
		return nil, err
	}
	return doc.Bytes(), doc.Err()
}

// maxLinks is where Linux gives up too (path_resolution(7)).
const maxLinks = 40

// finalTarget follows symbolic links to the file to be replaced, which need not
// exist.
func finalTarget(path string) (string, error) {
	start := path
	for range maxLinks {
		// Without cleaning: ".." behind a linked directory means the real parent.
		dir, base := filepath.Split(path)
		if dir == "" {
			dir = "."
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		} else if path != start {
			return "", &fs.PathError{Op: "replace", Path: start, Err: fmt.Errorf("a symbolic link into a directory that cannot be used: %w", cause(err))}
		}
		path = filepath.Join(dir, base)
		link, _ := os.Readlink(path)
		if link == "" { // not a link, or not there: reading the file will tell which
			return path, nil
		}
		if !filepath.IsAbs(link) {
			link = dir + string(filepath.Separator) + link
		}
		path = link
	}
	return "", &fs.PathError{Op: "replace", Path: start, Err: syscall.ELOOP}
}
