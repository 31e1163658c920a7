//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// What stands in the place of a file that the user named is told from what stands in the
// store's: the advice differs.
func TestOpenNamed_shape(t *testing.T) {
	dir := t.TempDir()
	fifo, socket, directory := filepath.Join(dir, "fifo"), filepath.Join(dir, "s"), filepath.Join(dir, "directory")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.Mkdir(directory, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, socket, directory} {
		_, err := OpenNamed(path)
		if shape, ok := errors.AsType[*ShapeError](err); !ok || !shape.Named || shape.Is != Irregular || shape.Path != path {
			t.Errorf("OpenNamed(%s): %#v, want a ShapeError about a file that was named", path, err)
		}
		_, err = ReadFile(path, Secret)
		if shape, ok := errors.AsType[*ShapeError](err); !ok || shape.Named || shape.Is != Irregular {
			t.Errorf("ReadFile(%s): %#v, want a ShapeError about a file of the store", path, err)
		}
	}
}

func TestOpenNamed_namedOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 65534, -1)); err != nil {
		t.Fatal(err)
	}
	_, err := OpenNamed(path)
	if owner, ok := errors.AsType[*OwnerError](err); !ok || !owner.Named || owner.UID != 65534 {
		t.Errorf("got %#v, want an OwnerError about a file that was named", err)
	}
}

func TestWritable(t *testing.T) {
	dir := t.TempDir()
	if err := Writable(dir); err != nil {
		t.Errorf("%s: %v", dir, err)
	}
	if err := Writable(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v, want %v", err, fs.ErrNotExist)
	}
}

func TestExposed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	for _, test := range []struct {
		path     string
		mode     fs.FileMode
		s        Secrecy
		how, fix string
	}{
		{file, 0o640, Secret, "mode 0640", "600"},
		{file, 0o644, Sealed, "", ""},
		{file, 0o600, Secret, "", ""},
		{dir, 0o770, Sealed, "mode 0770", "700"},
	} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(test.path, test.mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(test.path)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		if test.fix != "" {
			want = []string{"chmod", test.fix, test.path}
		}
		if how, fix, err := Exposed(test.path, info, test.s); how != test.how || !slices.Equal(fix, want) || err != nil {
			t.Errorf("mode %o: %q, %q, %v; want %q, %q", test.mode, how, fix, err, test.how, want)
		}
	}
}
