package store

import (
	"errors"
	"os"
	"strings"
	"testing"
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
