package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"regshape/login/authfile"
	"regshape/store"
	"regshape/store/durable"
)

// REGSHAPE_STORE is what helps with a file or directory of the store's, and with no other.
func TestFileAdvice_storeAlone(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, "s")
	e := &Env{Call: Call{Getenv: os.Getenv}, Globals: Globals{Store: dir}}
	for path, own := range map[string]bool{
		filepath.Join(dir, "v1", "g-0"):          true,
		dir:                                      true,
		home:                                     true, // where the directory would be made
		filepath.Join(home, "config.json"):       false,
		filepath.Join(home, "s2"):                false,
		filepath.Join(home, "..", "audit.log"):   false,
		filepath.Join(home, ".docker", "x.json"): false,
	} {
		for _, cause := range []error{syscall.EACCES, syscall.EROFS, syscall.ENOSPC} {
			err := fmt.Errorf("while writing: %w", &fs.PathError{Op: "open", Path: path, Err: cause})
			if got := e.Advice(err); got == "" || strings.Contains(got, "REGSHAPE_STORE") != own {
				t.Errorf("%v: %q, want some, with REGSHAPE_STORE: %t", err, got, own)
			}
		}
	}
	if got := e.Advice(store.ErrLocked); got != "run 'regshape --store "+dir+" auth unlock'" {
		t.Error(got)
	}
}

// Whatever the system says of a file comes with what to do, and where a variable has named it,
// with that variable.
func TestFileAdvice(t *testing.T) {
	dir := t.TempDir()
	file, below := filepath.Join(dir, "file"), filepath.Join(dir, "file", "below")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path := func(cause error) error { return &fs.PathError{Op: "open", Path: file, Err: cause} }
	link := func(op string, cause error) error { return &os.LinkError{Op: op, Old: below, New: file, Err: cause} }
	aside := "move it away: 'mv -n " + file + " " + file + ".aside'"
	const notes = ", or name another directory with REGSHAPE_STORE"
	for _, test := range []struct {
		err       error
		variables string // NAME=value
		want      string
	}{
		{path(syscall.ENOSPC), "", "free some space" + notes},
		{path(syscall.EDQUOT), "", "free some space" + notes},
		{path(syscall.EROFS), "", "make the mount writable" + notes},
		{path(syscall.EROFS), "DOCKER_CONFIG=" + dir, "make the mount writable, or name another directory with DOCKER_CONFIG"},
		{path(syscall.EROFS), "REGSHAPE_KEY_FILE=" + file, "make the mount writable, or name another file with REGSHAPE_KEY_FILE"},
		{link("link", syscall.EPERM), "", "with REGSHAPE_STORE name a directory on a file system that has hard links"},
		{link("link", syscall.EROFS), "", "make the mount writable" + notes},
		{link("rename", syscall.EEXIST), "", aside},
		{link("rename", syscall.ENOTEMPTY), "", aside},
		{path(syscall.EISDIR), "", "name a file"},
		{path(syscall.ELOOP), "", "put what the link should lead to in its place"},
		{path(syscall.ENAMETOOLONG), "", "use a shorter path"},
		{path(syscall.EMFILE), "", "raise the limit of open files ('ulimit -n 4096'), or end other programs"},
		{path(syscall.ENFILE), "", "raise the limit of open files ('ulimit -n 4096'), or end other programs"},
		{path(syscall.ENXIO), "", "name a regular file"},
		{path(syscall.EBUSY), "", "end the program that uses it, then try again"},
		{path(syscall.ETXTBSY), "", "end the program that uses it, then try again"},
		{path(syscall.ENOENT), "", "check the path"},
		{path(syscall.ESTALE), "", "check the disk or the mount, then try again"},
		{path(syscall.EIO), "", "check the disk or the mount, then try again"},
		{path(authfile.ErrIrregular), "", aside + ", or name another file"},
		{path(authfile.ErrTooLarge), "", aside + ", or name another file"},
		{path(authfile.ErrMounted), "", ""},
		{syscall.ENOSPC, "", ""}, // of a file or of anything else
		{&fs.PathError{Op: "open", Path: below, Err: syscall.ENOTDIR}, "", "name a directory, or move the file " + file + " away"},
		{&fs.PathError{Op: "open", Path: below, Err: syscall.ENOTDIR}, "DOCKER_CONFIG=" + file, "set DOCKER_CONFIG to a directory: " + file + " is a file"},
		{&fs.PathError{Op: "open", Path: below, Err: syscall.ENOTDIR}, "HOME=" + file, "set HOME to a directory: " + file + " is a file"},
		{&durable.ShapeError{Path: file, Is: durable.NoDir}, "REGSHAPE_STORE=" + file, "set REGSHAPE_STORE to a directory: " + file + " is a file"},
		{&durable.ShapeError{Path: file, Is: durable.Link}, "", "put what it leads to in its place; only the store's top directory may be a link"},
		{&durable.ShapeError{Path: file, Is: durable.Irregular}, "", aside},
		{&durable.ShapeError{Path: file, Is: durable.Large}, "", aside},
		{&durable.ShapeError{Path: file, Is: durable.Irregular, Named: true}, "", "name a regular file"},
	} {
		t.Run(test.variables, func(t *testing.T) {
			if name, value, set := strings.Cut(test.variables, "="); set {
				t.Setenv(name, value)
			}
			if got := Advice(fmt.Errorf("while reading: %w", test.err), func(...string) string { return "" }); got != test.want {
				t.Errorf("%v: got %q, want %q", test.err, got, test.want)
			}
		})
	}
}

// A file or directory that is closed to the user is opened by the command in the hint, if they
// may give it.
func TestOpenUp(t *testing.T) {
	if !durable.ModesMatter {
		t.Skip("access control lists decide here")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	dir := filepath.Join(home, "d")
	file := filepath.Join(dir, "f")
	err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(file, nil, 0o600), os.Symlink(file, filepath.Join(home, "link")))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name       string
		mode, path string // mode is of which, in octal
		changes    bool
		closed     string
		want       []string
	}{
		{name: "an unreadable file", mode: "f 200", path: "d/f", closed: "d/f", want: []string{"chmod", "u+rwX", file}},
		{name: "a link to it", mode: "f 200", path: "link", closed: "d/f", want: []string{"chmod", "u+rwX", file}},
		{name: "a closed directory", mode: "d 500", path: "d/f", changes: true, closed: "d", want: []string{"chmod", "u+rwX", dir}},
		{name: "a new file there", mode: "d 500", path: "d/new/er", closed: "d", want: []string{"chmod", "u+rwX", dir}},
		{name: "nothing that modes tell", path: "d/f", closed: "d/f"},
	} {
		which, mode, _ := strings.Cut(test.mode, " ")
		var bits fs.FileMode
		_, _ = fmt.Sscanf(mode, "%o", &bits)
		switch which {
		case "f":
			err = os.Chmod(file, bits)
		case "d":
			err = os.Chmod(dir, bits)
		}
		if err != nil {
			t.Fatal(err)
		}
		closed, got := closedAt(filepath.Join(home, test.path), test.changes)
		if closed != filepath.Join(home, test.closed) || strings.Join(got, " ") != strings.Join(test.want, " ") {
			t.Errorf("%s: got %s, %q; want %s, %q", test.name, closed, got, test.closed, test.want)
		}
		if err := errors.Join(os.Chmod(dir, 0o700), os.Chmod(file, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if closed, got := closedAt("/proc/1/mem", false); got != nil && os.Geteuid() != 0 {
		t.Errorf("root's outside of the home: %s, %q, want no command", closed, got)
	}
}
