//go:build unix

package authfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestUpdateFollowsLinks(t *testing.T) {
	base := t.TempDir()
	for _, folder := range []string{"home", "dotfiles/real"} {
		if err := os.MkdirAll(filepath.Join(base, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, from string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(base, from)); err != nil {
			t.Fatal(err)
		}
	}
	// A relative link behind a linked folder, whose ".." is not the one of the text.
	link("../dotfiles/real", "home/linked")
	link("../config.json", "dotfiles/real/config.json")
	put(t, filepath.Join(base, "dotfiles/config.json"), "{}")
	link("nowhere-yet.json", "home/dangling.json")
	link("missing/config.json", "home/lost.json")
	link("loop.json", "home/loop.json")

	for _, c := range []struct{ path, target string }{
		{"home/linked/config.json", "dotfiles/config.json"},
		{"home/dangling.json", "home/nowhere-yet.json"},
	} {
		path, target := filepath.Join(base, c.path), filepath.Join(base, c.target)
		if changed, err := Update(path, Docker, 0o600, setStore); !changed || err != nil {
			t.Fatal(c.path, changed, err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is no link any more", c.path)
		}
		info, err := os.Lstat(target)
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o600 || strings.TrimSpace(content(t, target)) != strings.TrimSpace(withStore) {
			t.Errorf("%s: %v %v", c.target, info, err)
		}
	}
	for _, name := range []string{"home/lost.json", "home/loop.json"} {
		if changed, err := Update(filepath.Join(base, name), Docker, 0o600, setStore); changed || err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, %v", name, changed, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(base, "home/missing")); err == nil {
		t.Error("a folder was made for a dangling link")
	}
}

func TestUpdateKeepsModeAndOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o644, 0o400} {
		put(t, path, "{}")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		uid, gid := os.Getuid(), os.Getgid()
		if uid == 0 {
			uid, gid = 12345, 54321
			if err := os.Chown(path, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Update(path, Docker, 0o666, setStore); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if info.Mode().Perm() != mode || int(st.Uid) != uid || int(st.Gid) != gid {
			t.Errorf("mode %04o became %04o, owner %d:%d", mode, info.Mode().Perm(), st.Uid, st.Gid)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	// A new file has the mode asked for, a new folder 0700, whatever the umask.
	defer syscall.Umask(syscall.Umask(0))
	path = filepath.Join(filepath.Dir(path), "a", "b", "auth.json")
	if _, err := Update(path, Docker, 0o600, setStore); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700, filepath.Dir(filepath.Dir(path)): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

func TestRead_fifo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	go func() {
		_, err := Read(path, Docker)
		done <- err
		_, err = Update(path, Docker, 0o600, setStore)
		done <- err
	}()
	for range 2 {
		select {
		case err := <-done:
			if !errors.Is(err, ErrIrregular) {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("waits for a writer")
		}
	}
}

// Somebody else's lock on the folder delays an edit, and no more.
func TestUpdate_foreignLock(t *testing.T) {
	folder := t.TempDir()
	holder := lockDir(folder, time.Second)
	defer holder()
	started := time.Now()
	unlock := lockDir(folder, 50*time.Millisecond)
	unlock()
	if took := time.Since(started); took < 20*time.Millisecond || took > 5*time.Second {
		t.Errorf("waited %v", took)
	}
}
