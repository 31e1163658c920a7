//go:build unix

package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/store"
	"regshape/store/durable"
	"regshape/store/keys"
)

func TestModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "new", "store")
	put(t, open(t, dir), "ghcr.io", "u", "s")
	files := 0
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		want := os.FileMode(0o600)
		if err == nil && info.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil || files != 4 {
		t.Errorf("%d files (%v), want key, names, config and one entry", files, err)
	}
}

func TestStrangeFilesInTheStore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "a.example", "a", "sa")
	path := entryFiles(t, dir)[0]
	generation := filepath.Dir(path)
	for _, name := range []string{".tmp-left", ".nfs0001"} {
		if err := os.WriteFile(filepath.Join(generation, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(generation, "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found, damaged, err := s.List(context.Background())
	if err != nil || len(found) != 1 || len(damaged) != 0 {
		t.Errorf("list = %v, %v, %v", found, damaged, err)
	}

	replace := func(how func() error) {
		t.Helper()
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := how(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { _, err := get(s, "a.example"); done <- err }()
		select {
		case err := <-done:
			if !errors.Is(err, durable.ErrUnsafe) {
				t.Errorf("get says %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("get hangs")
		}
	}
	replace(func() error { return syscall.Mkfifo(path, 0o600) })
	replace(func() error { return os.Symlink(filepath.Join(dir, "key"), path) })
	replace(func() error { return os.Mkdir(path, 0o700) })
	replace(func() error { return os.WriteFile(path, make([]byte, 2<<20), 0o600) })
	replace(func() error {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		return os.Chmod(path, 0o666)
	})
}

func TestModes_unsafe(t *testing.T) {
	dir := t.TempDir()
	put(t, open(t, dir), "a.example", "a", "s")
	for _, top := range []string{dir, filepath.Join(dir, "v1")} {
		if err := os.Chmod(top, 0o770); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(locate(t, dir), keys.Sources{}); !errors.Is(err, durable.ErrUnsafe) {
			t.Errorf("open with %s writable for others: %v", top, err)
		}
		if err := os.Chmod(top, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(entryFiles(t, dir)[0]), 0o707); err != nil {
		t.Fatal(err)
	}
	if _, err := get(open(t, dir), "a.example"); !errors.Is(err, durable.ErrUnsafe) {
		t.Errorf("get from a generation writable for others: %v", err)
	}
	if err := os.Chmod(filepath.Dir(entryFiles(t, dir)[0]), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "key"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := get(open(t, dir), "a.example"); !errors.Is(err, durable.ErrUnsafe) || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("get with a key open to others: %v", err)
	}
	wantMissing(t, open(t, dir), "b.example")
}

func TestOpen_otherUsersDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	dir := t.TempDir()
	put(t, open(t, dir), "a.example", "a", "s")
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(locate(t, dir), keys.Sources{}); !errors.Is(err, durable.ErrUnsafe) || !strings.Contains(err.Error(), "uid 12345") {
		t.Errorf("open of another user's store: %v", err)
	}
}

// A profile is as safe as the directories around it.
func TestProfiles_unsafeParent(t *testing.T) {
	dir := t.TempDir()
	loc, err := store.Locate(store.Options{Dir: dir, Profile: "work"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(loc, keys.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "h", "u", "s")
	for _, top := range []string{dir, filepath.Join(dir, "profiles")} {
		if err := os.Chmod(top, 0o707); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(loc, keys.Sources{}); !errors.Is(err, durable.ErrUnsafe) {
			t.Errorf("open of a profile with %s writable for others: %v", top, err)
		}
		if err := os.Chmod(top, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}
