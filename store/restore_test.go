package store

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"regshape/store/durable"
)

// A key goes back to its place, to another place, and into a store that has lost its config,
// also while somebody was changing it.
func TestRestore_clearsTheWay(t *testing.T) {
	s, key, kid := markedStore(t, oneToken, twoToken)
	root := key.root(t)
	elsewhere := KeySource{Source: "memory", Command: []string{"elsewhere"}}
	key.elsewhere = &notingKey{memoryKey: &memoryKey{}}
	if err := os.WriteFile(s.loc.namesFile(), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Restore(t.Context(), root, elsewhere, key.elsewhere); err != nil {
		t.Fatal(err)
	}
	custody, err := s.Custody()
	if err != nil || custody.KID != kid || !custody.Source.Equal(elsewhere) || custody.Previous == nil {
		t.Errorf("custody: got %+v, %v, want key %s elsewhere", custody, err, kid)
	}
	if len(key.keys) != 0 {
		t.Error("the old place still has the key")
	}
	settledTree(t, s, key.elsewhere.memoryKey)

	// In the same place, with names that are damaged.
	if err := os.WriteFile(s.loc.namesFile(), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	key.elsewhere.keys = nil
	if err := s.Restore(t.Context(), root, elsewhere, key.elsewhere); err != nil {
		t.Fatal(err)
	}
	settledTree(t, s, key.elsewhere.memoryKey)

	// Without config and names.
	if err := errors.Join(os.Remove(s.loc.configFile()), os.Remove(s.loc.namesFile())); err != nil {
		t.Fatal(err)
	}
	key.elsewhere.keys = nil
	s = memoryStoreOf(t, s, key)
	if err := s.Restore(t.Context(), root, elsewhere, key.elsewhere); err != nil {
		t.Fatal(err)
	}
	if custody, err := s.Custody(); err != nil || !custody.Source.Equal(elsewhere) || custody.KID != kid {
		t.Errorf("custody: got %+v, %v, want key %s elsewhere", custody, err, kid)
	}
	settledTree(t, s, key.elsewhere.memoryKey)
	if got := secretOf(s, "a.example"); got != "s" {
		t.Errorf("get says %s", got)
	}
}

// A store that has nothing yet takes any key, and that is its key from then on.
func TestRestore_noStore(t *testing.T) {
	s, key := notingStore(t, true)
	root := NewRootKey()
	if err := s.Restore(t.Context(), root, key.Default(), key); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a.example", "s")
	settledTree(t, s, key.memoryKey)
	if !key.root(t).Equal(root) {
		t.Error("it has another key")
	}
	if err := s.Restore(t.Context(), NewRootKey(), key.Default(), key); !errors.Is(err, ErrWrongKey) {
		t.Errorf("restore of another key: %v", err)
	}
}

func TestRestore_noConfigFailingDisk(t *testing.T) {
	other, otherKey := notingStore(t, true)
	if err := os.Mkdir(other.loc.namesFile(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := other.Restore(t.Context(), NewRootKey(), otherKey.Default(), otherKey); err == nil || LeftBehind(err) {
		t.Errorf("with a directory in the place of the names: %v", err)
	}
	s, key := notingStore(t, true)
	stopped := false
	s.disk = fault{step: "link", err: syscall.EIO, stopped: &stopped}.disk()
	if err := s.Restore(t.Context(), NewRootKey(), key.Default(), key); !errors.Is(err, syscall.EIO) || errors.Is(err, ErrRotating) {
		t.Errorf("restore: got %v, want EIO", err)
	}
}

// Another run makes a config, or changes the key, while one is put back.
func TestRestore_meetsAnother(t *testing.T) {
	s, key := notingStore(t, true)
	other := memoryStoreOf(t, s, key)
	met := false
	key.note = func(what string) {
		if what == "stage" && !met {
			met = true
			mustPut(t, other, "a.example", "s")
		}
	}
	if err := s.Restore(t.Context(), NewRootKey(), key.Default(), key); !errors.Is(err, ErrRotating) {
		t.Errorf("while another makes the first config: %v", err)
	}
	if got := secretOf(other, "a.example"); got != "s" {
		t.Errorf("get says %s", got)
	}
	s, key = notingStore(t, false)
	root := key.root(t)
	elsewhere := KeySource{Source: "memory", Command: []string{"elsewhere"}}
	place := &notingKey{memoryKey: &memoryKey{}}
	place.note = func(what string) {
		if what != "stage" {
			return
		}
		if _, err := memoryStoreOf(t, s, key).Abort(t.Context()); err != nil {
			t.Error(err)
		}
	}
	key.elsewhere = place
	if err := s.Restore(t.Context(), root, elsewhere, place); !errors.Is(err, ErrRotating) {
		t.Errorf("while another takes it back: %v", err)
	}
	place.note = nil
	if err := s.Restore(t.Context(), root, elsewhere, place); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// A place that does not give the key up is reported as left behind: the store has turned.
func TestFinish_leftBehind(t *testing.T) {
	s, key := notingStore(t, false)
	unknown := errors.New("unknown place")
	elsewhere := KeySource{Source: "memory", Command: []string{"elsewhere"}}
	key.elsewhere = &notingKey{memoryKey: &memoryKey{}}
	if err := s.Move(t.Context(), Rotation{Source: elsewhere, Place: key.elsewhere}); err != nil {
		t.Fatal(err)
	}
	now := memoryStoreOf(t, s, key)
	key.refuse["choose"] = unknown // the old place
	left, err := now.finish(t.Context(), "")
	if !errors.Is(left, unknown) || !LeftBehind(left) || err != nil {
		t.Errorf("the old place is not known: %v, %v", left, err)
	}
	key.elsewhere.refuse = map[string]error{"choose": unknown}
	if _, err := now.finish(t.Context(), ""); !errors.Is(err, unknown) {
		t.Errorf("the place itself is not known: %v", err)
	}
	stopped := false
	now.disk = fault{step: "sync directory", err: syscall.EIO, stopped: &stopped}.disk()
	if _, err := now.finish(t.Context(), ""); !errors.Is(err, durable.ErrUnsure) || !errors.Is(err, syscall.EIO) {
		t.Errorf("the config cannot be synced: %v", err)
	}
}
