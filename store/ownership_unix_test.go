//go:build unix

package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/store"
	"regshape/store/durable"
	"regshape/store/keys"
)

// everyRead tries what reads a store, and returns the errors by name.
func everyRead(loc store.Location, sources keys.Sources) map[string]error {
	s, err := store.Open(loc, sources)
	if err != nil {
		return map[string]error{"open": err}
	}
	ctx, address := context.Background(), store.ParseAddress("a.example")
	_, getErr := s.Get(ctx, address)
	_, peekErr := s.Peek(ctx, address)
	_, damaged, listErr := s.List(ctx)
	for _, d := range damaged {
		listErr = errors.Join(listErr, d)
	}
	return map[string]error{"get": getErr, "peek": peekErr, "list": listErr}
}

// ownedStore is a store of a profile, whose files and directories are all below one top.
func ownedStore(t *testing.T, dir string) store.Location {
	t.Helper()
	loc, err := store.Locate(store.Options{Dir: dir, Profile: "work"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(loc, keys.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a.example", "u", "s")
	return loc
}

func wantRefused(t *testing.T, what, path string, got map[string]error) {
	t.Helper()
	for how, err := range got {
		if !errors.Is(err, durable.ErrUnsafe) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %s: %v", what, how, err)
		}
	}
}

// What belongs to another user is not read, wherever it is below the top or the top itself.
func TestForeignFilesAreNotRead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := filepath.Join(t.TempDir(), "top")
	loc := ownedStore(t, dir)
	tried := 0
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Base(path) == "names" { // which is read when the key is not
			return err
		}
		tried++
		if err := os.Lchown(path, 12345, 12345); err != nil {
			return err
		}
		wantRefused(t, "given away", path, everyRead(loc, keys.Sources{}))
		if err := os.Lchown(path, 0, 0); err != nil {
			return err
		}
		for how, err := range everyRead(loc, keys.Sources{}) {
			if err != nil {
				t.Errorf("%s is mine again: %s: %v", path, how, err)
			}
		}
		return nil
	})
	if err != nil || tried != 8 { // top, profiles, work, config, key, v1, g-<kid>, the entry
		t.Errorf("%d tried, %v", tried, err)
	}
	key := loc.KeyFile()
	if err := errors.Join(os.Rename(key, key+".away"), os.Lchown(filepath.Join(filepath.Dir(key), "names"), 12345, 12345)); err != nil {
		t.Fatal(err)
	}
	for how, err := range everyRead(loc, keys.Sources{}) {
		if !errors.Is(err, store.ErrNoKey) {
			t.Errorf("with a foreign names file: %s: %v", how, err)
		}
	}
}

// Only the top may be a link, and only the user's own.
func TestLinks_inPlaceOfDirectories(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "top")
	loc := ownedStore(t, dir)
	generation, err := filepath.Glob(filepath.Join(loc.Data, "v1", "g-*"))
	if err != nil || len(generation) != 1 {
		t.Fatal(generation, err)
	}
	for _, path := range []string{generation[0], filepath.Join(loc.Data, "v1"), loc.Data, filepath.Join(dir, "profiles")} {
		if err := errors.Join(os.Rename(path, base+"/moved"), os.Symlink(base+"/moved", path)); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, "a link", path, everyRead(loc, keys.Sources{}))
		s, err := store.Open(loc, keys.Sources{})
		if err == nil {
			err = s.Put(context.Background(), store.Credential{ServerURL: "b.example"})
		}
		wantRefused(t, "a link", path, map[string]error{"put": err})
		if err := errors.Join(os.Remove(path), os.Rename(base+"/moved", path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Rename(dir, base+"/moved"), os.Symlink(base+"/moved", dir)); err != nil {
		t.Fatal(err)
	}
	for how, err := range everyRead(loc, keys.Sources{}) {
		if err != nil {
			t.Errorf("the top is a link: %s: %v", how, err)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give links away")
	}
	if err := os.Lchown(dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, "another user's link", dir, everyRead(loc, keys.Sources{}))
	if err := errors.Join(os.Lchown(dir, 0, 0), os.Chown(base+"/moved", 12345, 12345)); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, "a link to another user's directory", dir, everyRead(loc, keys.Sources{}))
}

// A key file that the user names may be root's and readable by all, as secrets are mounted;
// nobody else may have written it.
func TestNamedKeyFileOwnership(t *testing.T) {
	dir := t.TempDir()
	loc := ownedStore(t, filepath.Join(dir, "top"))
	line, err := os.ReadFile(loc.KeyFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(loc.KeyFile()); err != nil {
		t.Fatal(err)
	}
	named := filepath.Join(dir, "..data", "key")
	if err := errors.Join(os.Mkdir(filepath.Dir(named), 0o755), os.WriteFile(named, line, 0o444)); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "key") // as Kubernetes mounts it
	if err := os.Symlink("..data/key", link); err != nil {
		t.Fatal(err)
	}
	read := func() map[string]error { return everyRead(loc, keys.Sources{KeyFile: link}) }
	fine := func(what string) {
		t.Helper()
		for how, err := range read() {
			if err != nil {
				t.Errorf("%s: %s: %v", what, how, err)
			}
		}
	}
	fine("a link to a file that everybody may read")
	for _, mode := range []os.FileMode{0o666, 0o664, 0o620, 0o602} {
		if err := os.Chmod(named, mode); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, mode.String(), link, read())
	}
	if err := os.Chmod(named, 0o444); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	for _, path := range []string{named, link} {
		if err := os.Lchown(path, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, "another user's "+path, link, read())
		if err := os.Lchown(path, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	fine("a file of root's")
}
