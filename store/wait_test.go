package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"regshape/store/durable"
)

// markedStore is a store in which a rotation is under way by these tokens.
func markedStore(t *testing.T, tokens ...string) (*Store, *notingKey, string) {
	t.Helper()
	s, key := notingStore(t, false)
	kid := s.config.KID
	for _, token := range tokens {
		next := s.config
		next.Previous, next.KID = &Pin{Key: next.Key, KID: kid}, NewRootKey().KID()
		if err := errors.Join(s.stage(token, next), mark(s, kid, token)); err != nil {
			t.Fatal(err)
		}
	}
	return s, key, kid
}

// mark makes a marker, whatever else is marked.
func mark(s *Store, kid, token string) error {
	return durable.WriteFirst(filepath.Join(s.loc.markerDir(kid), token), []byte(markerContent))
}

const (
	oneToken = "0000000000000001"
	twoToken = "0000000000000002"
)

// A writer does not outlast its caller, and takes nothing back before its time.
func TestPut_waits(t *testing.T) {
	s, _, kid := markedStore(t, oneToken)
	s.rotationTimeout = time.Hour
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := s.Put(ctx, Credential{ServerURL: "b.example", Username: "u"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("put: %v", err)
	}
	if got := secretOf(s, "b.example"); got != ErrNotFound.Error() {
		t.Errorf("the put that gave up has written: %s", got)
	}
	if tokens, err := s.underWay(kid); err != nil || len(tokens) != 1 {
		t.Errorf("the rotation was taken back: %q, %v", tokens, err)
	}
}

// A marker without its config is nobody's: no writer waits for it. Another writer's rotation
// is taken back when the patience is over, however many there are.
func TestPut_clearsMarkers(t *testing.T) {
	s, _, kid := markedStore(t, oneToken, twoToken)
	for _, token := range []string{oneToken, twoToken} {
		if err := os.Remove(s.loc.stagedConfig(token)); err != nil {
			t.Fatal(err)
		}
	}
	s.rotationTimeout = time.Hour
	mustPut(t, s, "b.example", "b")
	if there, err := durable.Exists(s.loc.markerDir(kid)); there || err != nil {
		t.Errorf("the markers are still there (%v)", err)
	}
	s, _, kid = markedStore(t, oneToken, twoToken)
	s.rotationTimeout = 0
	mustPut(t, s, "b.example", "b")
	if tokens, err := s.underWay(kid); err != nil || len(tokens) != 0 {
		t.Errorf("still under way: %q, %v", tokens, err)
	}
}

// A rotation that was completed is not waited for: its generation is the old one.
func TestPut_keyMoved(t *testing.T) {
	s, _, kid := markedStore(t, oneToken)
	if err := os.Rename(s.loc.stagedConfig(oneToken), s.loc.configFile()); err != nil {
		t.Fatal(err)
	}
	s.rotationTimeout = time.Hour
	if err := s.awaitRotation(t.Context(), kid); !errors.Is(err, errKeyChanged) {
		t.Errorf("got %v, want %v", err, errKeyChanged)
	}
}

// What stands beside the markers is no marker: a temporary file.
func TestMarkers_temporaryFile(t *testing.T) {
	s, _, kid := markedStore(t, oneToken)
	path := filepath.Join(s.loc.markerDir(kid), ".tmp-A")
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if tokens, err := s.markers(kid); err != nil || len(tokens) != 1 || tokens[0] != oneToken {
		t.Errorf("markers: got %q, %v, want %q", tokens, err, oneToken)
	}
	if err := errors.Join(os.Remove(path), os.Chmod(filepath.Join(s.loc.markerDir(kid), oneToken), 0o622)); err != nil {
		t.Fatal(err)
	}
	if tokens, err := s.markers(kid); durable.ModesMatter && !errors.Is(err, durable.ErrUnsafe) {
		t.Errorf("a marker that others may write: %q, %v", tokens, err)
	}
}

// What is not known of a write is said: it is there, but may not stand.
func TestPut_writtenButUnsure(t *testing.T) {
	s, _, kid := markedStore(t)
	s.disk = strangeDisk{renamed: func(from, to string) error {
		if err := os.Rename(from, to); err != nil {
			return err
		}
		if isEntryName(filepath.Base(to)) {
			return os.WriteFile(s.loc.configFile(), []byte("garbage"), 0o600)
		}
		return nil
	}}
	err := s.Put(t.Context(), Credential{ServerURL: "b.example", Username: "u"})
	if err == nil || errors.Is(err, ErrNewer) {
		t.Errorf("with a config that became garbage: %v", err)
	}
	s, _, kid = markedStore(t)
	s.disk = strangeDisk{renamed: func(from, to string) error {
		if err := os.Rename(from, to); err != nil {
			return err
		}
		if isEntryName(filepath.Base(to)) {
			return os.WriteFile(s.loc.markerDir(kid), nil, 0o600)
		}
		return nil
	}}
	if err := s.Put(t.Context(), Credential{ServerURL: "b.example", Username: "u"}); !errors.Is(err, ErrNewer) {
		t.Errorf("with a marker of another kind since: %v", err)
	}
}

// A change that a rotation has not seen is made again under the new key.
func TestPut_followsKey(t *testing.T) {
	for _, stop := range []bool{false, true} {
		s, key := notingStore(t, false)
		other := memoryStoreOf(t, s, key)
		rotated := false
		s.disk = strangeDisk{renamed: func(from, to string) error {
			if isEntryName(filepath.Base(to)) && !rotated {
				rotated = true
				if err := other.Rotate(t.Context(), Rotation{Source: key.Default(), Place: key}); err != nil {
					return err
				}
				if stop {
					return syscall.EIO
				}
			}
			return os.Rename(from, to)
		}}
		if err := s.Put(t.Context(), Credential{ServerURL: "b.example", Username: "u", Secret: "b"}); err != nil {
			t.Errorf("put while the key changes: %v", err)
		}
		for server, want := range map[string]string{"a.example": "s", "b.example": "b"} {
			if got := secretOf(other, server); got != want || !rotated {
				t.Errorf("%s: %s, want %s", server, got, want)
			}
		}
		settledTree(t, other, key.memoryKey)
	}
}

func memoryStoreOf(t *testing.T, s *Store, key *notingKey) *Store {
	t.Helper()
	other, err := Open(s.loc, key)
	if err != nil {
		t.Fatal(err)
	}
	return other
}
