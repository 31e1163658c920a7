package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func mustPut(t *testing.T, s *Store, server, secret string) {
	t.Helper()
	if err := s.Put(t.Context(), Credential{ServerURL: server, Username: "u", Secret: secret}); err != nil {
		t.Fatal(err)
	}
}

// here is a rotation that stays in the place that the test's key is in.
func here(key *memoryKey) Rotation { return Rotation{Source: key.Default(), Place: key} }

// settledTree fails when something of a rotation is left: one generation, one config, one
// key, and names for it alone.
func settledTree(t *testing.T, s *Store, key *memoryKey) {
	t.Helper()
	var found []string
	err := filepath.WalkDir(s.loc.Data, func(path string, d fs.DirEntry, err error) error {
		if name := d.Name(); strings.HasPrefix(name, ".") || strings.HasPrefix(name, "g-") || strings.Contains(name, ".next-") {
			found = append(found, name)
		}
		return err
	})
	custody, custodyErr := s.Custody()
	if err = errors.Join(err, custodyErr); err != nil || len(found) != 1 || found[0] != "g-"+custody.KID {
		t.Errorf("the store of key %s has %q (%v)", custody.KID, found, err)
	}
	if k := key.root(t); k.KID() != custody.KID {
		t.Errorf("the key there is %s, the pinned one %s", k.KID(), custody.KID)
	}
	if lines, err := s.namesLines(); err != nil || len(lines) != 1 || lines[0].kid != custody.KID {
		t.Errorf("the names file has %d lines (%v)", len(lines), err)
	}
}

func TestRotate(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, t.TempDir(), key)
	for i := range 30 {
		mustPut(t, s, fmt.Sprintf("r%d.example", i), fmt.Sprint("secret ", i))
	}
	before := key.root(t)
	told := 0
	r := here(key)
	r.Progress = func(done, total int) {
		if told++; done != told || total != 30 {
			t.Errorf("progress %d of %d, %d calls", done, total, told)
		}
	}
	old := memoryStore(t, s.loc.Data, key) // opened before, used after
	if err := s.Rotate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	settledTree(t, s, key)
	if key.root(t).Equal(before) || told != 30 {
		t.Errorf("the key is the old one, or the progress was told %d times", told)
	}
	for _, s := range []*Store{s, old, memoryStore(t, s.loc.Data, key)} {
		for i := range 30 {
			if got := secretOf(s, fmt.Sprintf("r%d.example", i)); got != fmt.Sprint("secret ", i) {
				t.Fatalf("r%d: %s", i, got)
			}
		}
		if found, damaged, err := s.List(t.Context()); len(found) != 30 || len(damaged) != 0 || err != nil {
			t.Errorf("list: %d, %v, %v", len(found), damaged, err)
		}
	}
	mustPut(t, old, "r0.example", "newer")
	if got := secretOf(s, "r0.example"); got != "newer" {
		t.Errorf("after a put through a store that was opened before: %s", got)
	}
	if done, err := s.Resume(t.Context(), nil); done || err != nil {
		t.Errorf("resume of nothing: %t, %v", done, err)
	}
	if done, err := s.Abort(t.Context()); done || err != nil {
		t.Errorf("abort of nothing: %t, %v", done, err)
	}
}

func TestRotateEmptyAndFixedKey(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, t.TempDir(), key)
	to := NewRootKey()
	r := here(key)
	r.Key = &to
	if err := s.Rotate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if !key.root(t).Equal(to) {
		t.Error("the store did not turn to the key that was given")
	}
	if err := s.Rotate(t.Context(), r); err == nil {
		t.Error("a rotation onto the present key was accepted")
	}
	mustPut(t, s, "a.example", "s")
	settledTree(t, s, key)
}

// A damaged entry would be lost with the old generation: nothing is changed.
func TestRotateRefusesDamage(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, t.TempDir(), key)
	mustPut(t, s, "a.example", "s")
	before := key.root(t)
	folder := s.loc.Generation(before.KID())
	for name, content := range map[string]string{strings.Repeat("0", 32): "x", strings.Repeat("v", 32): ""} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var entry *EntryError
		if err := s.Rotate(t.Context(), here(key)); !errors.As(err, &entry) || entry.File != path {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		settledTree(t, s, key)
	}
	if !key.root(t).Equal(before) || secretOf(s, "a.example") != "s" {
		t.Error("the store was changed")
	}
}
