package store

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"regshape/store/durable"
)

// The names file is written when that is needed, and only then.
func TestNamesFile(t *testing.T) {
	s, key := notingStore(t, false)
	root := key.root(t)
	steps := keepDiary(s)
	mustPut(t, s, "b.example", "b")
	for _, step := range *steps {
		if step.path == s.loc.namesFile() {
			t.Error("names that are right were written again")
		}
	}
	others := []nameKey{NewRootKey().nameKey(), NewRootKey().nameKey()}
	good := root.nameKey().line() + "\n"
	for what, content := range map[string]string{
		"damaged": "x", "gone": "", "another key's": others[0].line() + "\n", "damaged after the first line": good + "x\n",
	} {
		if err := os.WriteFile(s.loc.namesFile(), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		mustPut(t, s, "b.example", "b")
		if data, err := os.ReadFile(s.loc.namesFile()); err != nil || string(data) != good {
			t.Errorf("%s: the names are not what they were (%v)", what, err)
		}
	}
	// The pinned key's line is found wherever it stands; a file without it is another's.
	var n nameKey
	if err := s.writeNames(others[0], root.nameKey(), others[1]); err != nil {
		t.Fatal(err)
	}
	if err := s.readNames(&n); err != nil || !n.equal(root.nameKey()) {
		t.Errorf("the second line: %v", err)
	}
	if err := s.dropNames(); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(s.loc.namesFile()); err != nil || string(data) != good {
		t.Errorf("others' lines are still there (%v)", err)
	}
	if err := s.writeNames(others...); err != nil {
		t.Fatal(err)
	}
	if err := s.readNames(&n); !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), s.loc.namesFile()) {
		t.Errorf("lines of others alone: %v", err)
	}
	if err := s.dropNames(); err != nil {
		t.Errorf("lines of others alone, dropped: %v", err)
	}
	if lines, err := s.namesLines(); err != nil || len(lines) != 2 {
		t.Errorf("now %d lines, %v", len(lines), err)
	}
	unpinned := *s
	unpinned.config.KID = ""
	if err := unpinned.readNames(&n); err != nil || !n.equal(others[0]) {
		t.Errorf("without a config the first is the one: %v", err)
	}
}

// forge gives the names file another name key for the pinned key, with a checksum that is
// right, and returns the line that was there.
func forge(t *testing.T, s *Store, kid string) string {
	t.Helper()
	good, err := os.ReadFile(s.loc.namesFile())
	if err != nil {
		t.Fatal(err)
	}
	n := NewRootKey().nameKey()
	n.kid = kid
	if err := os.WriteFile(s.loc.namesFile(), []byte(n.line()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return string(good)
}

// With the key available a forged names file hides nothing, is reported, and is rewritten by
// whatever writes.
func TestNamesFile_forged(t *testing.T) {
	for _, cheap := range []bool{true, false} {
		s, key := notingStore(t, false)
		key.cheap = cheap
		var reported []error
		s.loc.notice, s.loc.noticed = func(err error) { reported = append(reported, err) }, new(sync.Map)
		fresh := func() { reported, s.loc.noticed = nil, new(sync.Map) }
		kid := key.root(t).KID()
		good := forge(t, s, kid)
		wasReported := func(how string) {
			t.Helper()
			if len(reported) != 1 || !errors.Is(reported[0], ErrForgedNames) {
				t.Errorf("cheap %t, %s tells %v", cheap, how, reported)
			}
			fresh()
		}
		isGood := func(how string) {
			t.Helper()
			if data, err := os.ReadFile(s.loc.namesFile()); string(data) != good {
				t.Errorf("cheap %t: %s leaves %q (%v)", cheap, how, data, err)
			}
		}
		found, damaged, err := s.List(t.Context())
		if len(found) != 1 || len(damaged) != 0 || err != nil {
			t.Errorf("cheap %t: list: %v, %v, %v", cheap, found, damaged, err)
		}
		wasReported("list")
		if cheap {
			if got := secretOf(s, "a.example"); got != "s" {
				t.Errorf("get: %s", got)
			}
			wasReported("get")
		}
		if err := s.CheckNames(t.Context()); !errors.Is(err, ErrForgedNames) {
			t.Errorf("check: %v", err)
		}
		fresh()
		if erased, err := s.Erase(t.Context(), ParseAddress("a.example")); !erased || err != nil {
			t.Errorf("cheap %t: erase: %t, %v", cheap, erased, err)
		}
		wasReported("erase")
		mustPut(t, s, "a.example", "s")
		wasReported("put")
		isGood("put")
		forge(t, s, kid)
		if err := s.RewriteNames(t.Context()); err != nil {
			t.Error(err)
		}
		wasReported("mend")
		isGood("mend")
		forge(t, s, kid)
		if err := s.Rotate(t.Context(), Rotation{Source: key.Default(), Place: key}); err != nil {
			t.Fatal(err)
		}
		good = key.root(t).nameKey().line() + "\n"
		isGood("rotate")
		if got := secretOf(s, "a.example"); got != "s" {
			t.Errorf("after the rotation get says %s", got)
		}
		fresh()
		if _, _, err := s.List(t.Context()); err != nil || len(reported) != 0 {
			t.Errorf("a good names file: %v, reported %v", err, reported)
		}
		// A line of the forger's before or behind the good one makes both useless.
		kid = key.root(t).KID()
		forge(t, s, kid)
		forged, err := os.ReadFile(s.loc.namesFile())
		if err != nil {
			t.Fatal(err)
		}
		key.locked = true
		for _, both := range []string{string(forged) + good, good + string(forged)} {
			if err := os.WriteFile(s.loc.namesFile(), []byte(both), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(t.Context(), ParseAddress("a.example")); !errors.Is(err, ErrLocked) {
				t.Errorf("two lines, locked: %v", err)
			}
			if erased, err := s.Erase(t.Context(), ParseAddress("a.example")); erased || !errors.Is(err, ErrLocked) {
				t.Errorf("two lines, locked: erase: %t, %v", erased, err)
			}
		}
		key.locked = false
		mustPut(t, s, "b.example", "s")
		isGood("put over two lines")
	}
}

func TestNamesLines_twoOfOneKey(t *testing.T) {
	s, _ := notingStore(t, true)
	line := NewRootKey().nameKey().line() + "\n"
	if err := durable.WriteOver(s.loc.namesFile(), []byte(line+line)); err != nil {
		t.Fatal(err)
	}
	if lines, err := s.namesLines(); !errors.Is(err, ErrKeyDamaged) {
		t.Errorf("two lines: %d read, %v; want %v", len(lines), err, ErrKeyDamaged)
	}
}

func TestRewriteNames_errors(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, t.TempDir(), key)
	mustPut(t, s, "a.example", "s")
	if err := os.Remove(s.loc.namesFile()); err != nil {
		t.Fatal(err)
	}
	key.locked = true
	if err := s.RewriteNames(t.Context()); !errors.Is(err, ErrLocked) {
		t.Errorf("of a locked store: %v, want %v", err, ErrLocked)
	}
	key.locked = false
	homeless := *s
	homeless.loc.home, homeless.loc.noHome = t.TempDir(), true
	if err := homeless.RewriteNames(t.Context()); !errors.Is(err, ErrNoHome) {
		t.Errorf("without a home: %v, want %v", err, ErrNoHome)
	}
	cause, stopped := errors.New("disk"), false
	failing := *s
	failing.disk = fault{step: "rename", err: cause, stopped: &stopped}.disk()
	if err := failing.RewriteNames(t.Context()); !errors.Is(err, cause) {
		t.Errorf("on a failing disk: %v, want %v", err, cause)
	}
	if there, err := durable.Exists(s.loc.namesFile()); there || err != nil {
		t.Errorf("the names file exists: %t (%v), want false", there, err)
	}
}
