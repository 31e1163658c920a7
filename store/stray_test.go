package store

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What somebody else has put among the entries, whatever its name, is told, stops nothing,
// and is never lost: a rotation takes it along.
func TestStraysAreKept(t *testing.T) {
	key := &memoryKey{}
	var told []string
	loc, err := Locate(Options{Dir: t.TempDir(), Notice: func(err error) { told = append(told, err.Error()) }})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(loc, key)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a.example", "s")
	strays := map[string]string{
		"notes.txt": "mine", "a\x1b]0;title\a": "escape", ".hidden": "dot", strings.Repeat("0", 31): "nearly an entry",
		"0011223344556677": "as a token", "folder/.tmp-x": "below", "folder/" + strings.Repeat("0", 32): "named as an entry", strings.Repeat("v", 32) + "/x": "a folder named as an entry",
	}
	folder := loc.Generation(key.root(t).KID())
	for name, content := range strays {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	// One that has an entry's name might be one: a rotation would lose it.
	entry := filepath.Join(folder, strings.Repeat("v", 32))
	if err := s.Rotate(t.Context(), here(key)); err == nil || !strings.Contains(err.Error(), entry) {
		t.Errorf("a folder in an entry's place: %v", err)
	}
	if err := os.RemoveAll(entry); err != nil {
		t.Fatal(err)
	}
	delete(strays, strings.Repeat("v", 32)+"/x")
	for round := range 3 {
		told = nil
		found, damaged, err := s.List(t.Context())
		if len(found) != 1 || len(damaged) != 0 || err != nil {
			t.Fatalf("list %d: %v, %v, %v", round, found, damaged, err)
		}
		if all := strings.Join(told, "\n"); len(told) != 5 || !strings.Contains(all, "notes.txt") || strings.ContainsAny(all, "\x1b\a") {
			t.Errorf("list %d tells %q", round, told)
		}
		mustPut(t, s, "a.example", "s")
		if _, err := s.Erase(t.Context(), ParseAddress("b.example")); err != nil {
			t.Error(err)
		}
		if err := s.Rotate(t.Context(), here(key)); err != nil {
			t.Fatalf("rotation %d: %v", round, err)
		}
		folder = loc.Generation(key.root(t).KID())
		for name, content := range strays {
			if data, err := os.ReadFile(filepath.Join(folder, name)); string(data) != content || err != nil {
				t.Errorf("rotation %d: %q is now %q (%v)", round, name, data, err)
			}
		}
		if all, err := os.ReadDir(loc.v1()); len(all) != 1 || err != nil {
			t.Errorf("rotation %d leaves %v (%v)", round, all, err)
		}
	}
	if n, err := s.EraseAll(t.Context()); n != 1 || err != nil {
		t.Errorf("erase all: %d, %v", n, err)
	}
	if data, err := os.ReadFile(filepath.Join(folder, "notes.txt")); string(data) != "mine" {
		t.Errorf("erase all: %q, %v", data, err)
	}
}

// A link in the place of what a change of the key has left does not lead to what is removed.
func TestSweepFollowsNoLink(t *testing.T) {
	s, key, kid := markedStore(t)
	mine := map[string]string{strings.Repeat("0", 32): "named as an entry", ".tmp-x": "named as a temporary file", "letter": "mine"}
	elsewhere := t.TempDir()
	for name, content := range mine {
		if err := os.WriteFile(filepath.Join(elsewhere, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{retiredPrefix + kid + "-" + oneToken, copiesPrefix + twoToken} {
		if err := os.Symlink(elsewhere, filepath.Join(s.loc.v1(), name)); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Symlink(elsewhere, s.loc.Generation("00000000000000aa"))
	if _, err := s.Abort(t.Context()); err != nil {
		t.Log(err)
	}
	if err := s.Rotate(t.Context(), here(key.memoryKey)); err != nil && !LeftBehind(err) {
		t.Error(err)
	}
	left := map[string]string{}
	files, err := os.ReadDir(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, _ := os.ReadFile(filepath.Join(elsewhere, f.Name()))
		left[f.Name()] = string(data)
	}
	if !maps.Equal(left, mine) {
		t.Errorf("a link into another folder: left are %v", slices.Collect(maps.Keys(left)))
	}
}
