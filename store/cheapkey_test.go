package store

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// A config that names a place which is not known is an error wherever it is met.
func TestPlaceThatIsNotKnown(t *testing.T) {
	s, key := notingStore(t, false)
	unknown := errors.New("unknown place")
	key.refuse["choose"] = unknown
	if _, err := Open(s.loc, key); !errors.Is(err, unknown) || !strings.Contains(err.Error(), s.loc.configFile()) {
		t.Errorf("open: %v", err)
	}
	// The config names another key than the one that was read.
	other := s.config
	other.KID = NewRootKey().KID()
	data, err := other.marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := publish(osDisk{}, s.loc.configFile(), data); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Custody(); !errors.Is(err, unknown) {
		t.Errorf("custody: %v", err)
	}
	if got := secretOf(s, "none.example"); got != unknown.Error() {
		t.Errorf("get: %s", got)
	}
	if _, _, err := s.List(t.Context()); !errors.Is(err, unknown) {
		t.Errorf("list: %v", err)
	}
}

// The generation is looked at before anything in it is, also by the names file alone.
func TestGenerationIsLookedAt(t *testing.T) {
	s, key := notingStore(t, false)
	generation := s.loc.Generation(s.config.KID)
	if err := os.Chmod(generation, 0o707); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), ParseAddress("a.example")); modesMatter && !errors.Is(err, ErrUnsafe) {
		t.Errorf("open to others: %v", err)
	}
	if err := os.Rename(generation, s.loc.Generation("00000000000000aa")); err != nil {
		t.Fatal(err)
	}
	key.locked = true
	if _, err := s.Get(t.Context(), ParseAddress("none.example")); !errors.Is(err, ErrWrongKey) {
		t.Errorf("gone, and another is there: %v", err)
	}
}

// A key that costs nothing is asked for at once, and another store's is told from a
// missing entry.
func TestCheapKey(t *testing.T) {
	s, key := notingStore(t, false)
	key.cheap = true
	if got := secretOf(s, "none.example"); got != ErrNotFound.Error() {
		t.Errorf("get of what is not there: %s", got)
	}
	root := key.root(t)
	stranger := NewRootKey()
	key.load = func(string) (RootKey, error) { return stranger, nil }
	if _, err := s.Get(t.Context(), ParseAddress("a.example")); !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), stranger.KID()) {
		t.Errorf("get with another store's key: %v", err)
	}
	if got := secretOf(s, "none.example"); got != ErrNotFound.Error() {
		t.Errorf("the names file knows better: %s", got)
	}
	if err := s.disk.remove(s.loc.namesFile()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), ParseAddress("none.example")); !errors.Is(err, ErrWrongKey) {
		t.Errorf("without names: %v", err)
	}
	if _, err := s.RootKey(t.Context()); !errors.Is(err, ErrWrongKey) {
		t.Errorf("root key: %v", err)
	}
	// Without a config the names file tells whose key it is.
	key.cheap, key.load = false, nil
	mustPut(t, s, "b.example", "b")
	key.load = func(string) (RootKey, error) { return stranger, nil }
	if err := s.disk.remove(s.loc.configFile()); err != nil {
		t.Fatal(err)
	}
	unpinned := memoryStoreOf(t, s, key)
	if _, err := unpinned.Get(t.Context(), ParseAddress("a.example")); !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), s.loc.namesFile()) {
		t.Errorf("without a config: %v", err)
	}
	if _, _, err := unpinned.List(t.Context()); !errors.Is(err, ErrWrongKey) {
		t.Errorf("list without a config: %v", err)
	}
	key.load = nil
	if k, err := s.RootKey(t.Context()); err != nil || !k.Equal(root) {
		t.Errorf("root key: %v", err)
	}
}
