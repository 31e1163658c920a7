//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// The three ways to write one file, each for what it promises.
func TestWriters(t *testing.T) {
	for _, w := range []struct {
		name  string
		write func(path string, data []byte) error
		first bool // changes nothing that is there
	}{{"WriteFirst", WriteFirst, true}, {"WriteUnread", WriteUnread, false}, {"WriteOver", WriteOver, false}} {
		dir := t.TempDir()
		path := filepath.Join(dir, "new", "directories", "f")
		if err := w.write(path, []byte("long content")); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
		err := w.write(path, []byte("short"))
		data, readErr := os.ReadFile(path)
		want := "short"
		if w.first {
			want = "long content"
		}
		if errors.Is(err, fs.ErrExist) != w.first || !w.first && err != nil || string(data) != want || readErr != nil {
			t.Errorf("%s, a second time: %v, and there is %q (%v)", w.name, err, data, readErr)
		}
		for path, mode := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700, filepath.Join(dir, "new"): 0o700} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %s has mode %v (%v)", w.name, path, info.Mode(), err)
			}
		}
		if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
			t.Errorf("%s leaves %v (%v)", w.name, left, err)
		}
		if err := w.write(filepath.Join(path, "below", "x"), nil); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("%s below a file: %v", w.name, err)
		}
		if err := w.write(filepath.Dir(path), nil); err == nil {
			t.Errorf("%s in the place of a directory is accepted", w.name)
		}
		link := filepath.Join(dir, "link")
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		_ = w.write(link, []byte("through"))
		if data, err := os.ReadFile(path); err != nil || string(data) != want {
			t.Errorf("%s writes through a link: %q (%v)", w.name, data, err)
		}
	}
	if err := MakeDirs(filepath.Join(t.TempDir(), "a", "b")); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MakeDirs(filepath.Join(file, "a")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("below a file: %v", err)
	}
}

// On a disk that is full no half of a secret stays.
func TestWriteUnread_fullDisk(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	small := old
	small.Cur = 16 << 20 // above what the test run itself may write meanwhile
	path := filepath.Join(t.TempDir(), "f")
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	err := WriteUnread(path, make([]byte, 17<<20))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, syscall.EFBIG) {
		t.Errorf("written over the limit: %v", err)
	}
	if there, err := Exists(path); there || err != nil {
		t.Errorf("the half of it is still there (%v)", err)
	}
}

// The real disk keeps no error to itself.
func TestOS_errors(t *testing.T) {
	dir := t.TempDir()
	none := filepath.Join(dir, "none")
	_, openErr := OS{}.OpenNew(dir)
	for what, err := range map[string]error{
		"remove": OS{}.Remove(none), "rename": OS{}.Rename(none, none+"x"), "link": OS{}.Link(none, none+"x"),
		"sync": OS{}.SyncDir(none), "mkdir": OS{}.Mkdir(filepath.Join(none, "x")),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !errors.Is(openErr, fs.ErrExist) {
		t.Errorf("open: %v", openErr)
	}
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckDir(file); !errors.Is(err, ErrUnsafe) {
		t.Errorf("a file in the place of a directory: %v", err)
	}
}

// closedDisk cannot sync one directory.
type closedDisk struct {
	OS
	dir string
}

func (d closedDisk) SyncDir(path string) error {
	if path == d.dir {
		return syscall.EACCES
	}
	return d.OS.SyncDir(path)
}

// A directory that was there, in one of somebody else's that cannot be listed, is no reason to
// fail: only its owner makes directories there. One of our own, or one just made, is.
func TestSyncDir_fails(t *testing.T) {
	parent := t.TempDir()
	path := filepath.Join(parent, "a")
	d := closedDisk{dir: parent}
	for _, what := range []string{"made", "was there"} {
		if err := MakeDirsOn(d, path); !errors.Is(err, ErrUnsure) {
			t.Errorf("%s, in a directory of our own: %v", what, err)
		}
	}
	if !owns(parent) || !owns(filepath.Join(parent, "none")) {
		t.Error("our own directory, or one that cannot be seen, is somebody else's")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	if err := os.Chown(parent, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if err := MakeDirsOn(d, path); err != nil {
		t.Errorf("was there, in another's directory: %v", err)
	}
	if err := MakeDirsOn(d, path+"b"); !errors.Is(err, ErrUnsure) {
		t.Errorf("made, in another's directory: %v", err)
	}
}

func TestSyncDir(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := SyncDir(""); err != nil {
		t.Errorf("the current directory: %v", err)
	}
	if err := SyncDir("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of none: %v", err)
	}
	if err := os.WriteFile("f", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := RenameOver("f", "g"); err != nil {
		t.Error(err)
	}
	if err := RenameOver("f", "g"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rename of none: %v", err)
	}
	var unknown fs.FileInfo = noSystem{}
	if uid, known := OwnerOf(unknown); known || uid != 0 {
		t.Errorf("the owner of nothing is %d", uid)
	}
}

// noSystem is a file of no operating system.
type noSystem struct{ fs.FileInfo }

func (noSystem) Sys() any { return nil }

// A file system that cannot sync a directory says EINVAL, as /proc does.
func TestSyncDir_unsupported(t *testing.T) {
	const dir = "/proc/self"
	f, err := os.Open(dir)
	if err != nil {
		t.Skipf("no directory that cannot be synced: %v", err)
	}
	defer f.Close()
	if err := f.Sync(); !errors.Is(err, syscall.EINVAL) {
		t.Skipf("%s can be synced: %v", dir, err)
	}
	if err := SyncDir(dir); err != nil {
		t.Errorf("%v", err)
	}
}
