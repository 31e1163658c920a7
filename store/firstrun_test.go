package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/store/durable"
)

// keyless is a store whose key and entries are gone, and whose config is still there.
func keyless(t *testing.T) (*Store, *notingKey) {
	t.Helper()
	s, key := notingStore(t, false)
	key.keys = nil
	if err := os.RemoveAll(s.loc.v1()); err != nil {
		t.Fatal(err)
	}
	return s, key
}

func TestFirstKey_emptyStore(t *testing.T) {
	s, key := keyless(t)
	before := s.config.KID
	mustPut(t, s, "b.example", "b")
	custody, err := s.Custody()
	if err != nil || custody.KID == before || custody.KID != key.root(t).KID() {
		t.Errorf("the key is %s (%v)", custody.KID, err)
	}
	settledTree(t, s, key.memoryKey)
}

// Whoever was about to begin anew is waited for, and then taken to be dead.
func TestFirstKey_twoAtOnce(t *testing.T) {
	s, key := keyless(t)
	held := s.loc.stagedConfig(s.config.KID)
	if err := os.WriteFile(held, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.rotationTimeout = time.Hour
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := s.Put(ctx, Credential{ServerURL: "b.example", Username: "u"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another holds it: %v", err)
	}
	if len(key.keys) != 0 {
		t.Error("a key that was not pinned is still there")
	}
	s.rotationTimeout = 20 * time.Millisecond
	stopped := false
	s.disk = fault{step: "remove", after: 1, err: syscall.EIO, stopped: &stopped}.disk() // the first is of its own temporary file
	if err := s.Put(t.Context(), Credential{ServerURL: "b.example", Username: "u"}); !errors.Is(err, syscall.EIO) {
		t.Errorf("what another left cannot be removed: %v", err)
	}
	s.disk = durable.OS{}
	mustPut(t, s, "b.example", "b")
	if got := secretOf(s, "b.example"); got != "b" {
		t.Errorf("get says %s", got)
	}
}

// Of two that begin anew one wins, and the other writes under its key.
func TestFirstKey_late(t *testing.T) {
	for _, late := range []string{"before the link", "before the rename", "for the rename"} {
		s, key := keyless(t)
		other := memoryStoreOf(t, s, key)
		met := false
		meet := func() error {
			if met {
				return nil
			}
			met = true
			return other.Put(t.Context(), Credential{ServerURL: "a.example", Username: "u", Secret: "a"})
		}
		switch late {
		case "before the link":
			key.note = func(what string) {
				if what == "stage" && !met {
					if err := meet(); err != nil {
						t.Error(err)
					}
				}
			}
		case "before the rename":
			s.disk = strangeDisk{linked: func(to string) error { // holds the name that the other needs
				if !strings.Contains(to, ".next-") || met {
					return nil
				}
				return errors.Join(os.Rename(to, to+"x"), meet(), os.Rename(to+"x", to))
			}}
		case "for the rename":
			s.disk = strangeDisk{renamed: func(from, to string) error {
				if !strings.Contains(from, ".next-") || met {
					return os.Rename(from, to)
				}
				return errors.Join(os.Remove(from), meet(), fs.ErrNotExist)
			}}
		}
		mustPut(t, s, "b.example", "b")
		for server, want := range map[string]string{"a.example": "a", "b.example": "b"} {
			if got := secretOf(other, server); got != want || !met {
				t.Errorf("%s: %s is %s, met %t", late, server, got, met)
			}
		}
		key.root(t) // the key of the run that lost is forgotten
		if staged, err := listAfter(s.loc.stagedConfig("")); err != nil || len(staged) != 0 {
			t.Errorf("%s: left: %q, %v", late, staged, err)
		}
	}
}

func TestFirstKey_failingDisk(t *testing.T) {
	for _, step := range []string{"link", "rename", "sync directory", "open"} {
		for after := 0; ; after++ {
			s, key := keyless(t)
			stopped := false
			s.disk = fault{step: step, after: after, err: syscall.EIO, stopped: &stopped}.disk()
			err := s.Put(t.Context(), Credential{ServerURL: "b.example", Username: "u", Secret: "b"})
			if !stopped {
				break
			}
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("failing %s %d: %v", step, after, err)
			}
			if staged, err := listAfter(s.loc.stagedConfig("")); (step == "rename" || step == "link") && (err != nil || len(staged) != 0) {
				t.Errorf("failing %s %d leaves %q, %v", step, after, staged, err)
			}
			s = memoryStoreOf(t, s, key)
			s.rotationTimeout = 20 * time.Millisecond
			mustPut(t, s, "b.example", "b")
			if got := secretOf(s, "b.example"); got != "b" {
				t.Errorf("failing %s %d: get says %s", step, after, got)
			}
		}
	}
}

// What happens to the config meanwhile is reported.
func TestFirstKey_fails(t *testing.T) {
	s, _ := keyless(t)
	s.disk = strangeDisk{linked: func(string) error { return os.WriteFile(s.loc.configFile(), []byte("garbage"), 0o600) }}
	if err := s.Put(t.Context(), Credential{ServerURL: "b.example", Username: "u"}); err == nil {
		t.Error("a config that becomes garbage is passed over")
	}
	s, key := keyless(t)
	if err := os.WriteFile(s.loc.v1(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), Credential{ServerURL: "b.example", Username: "u"}); err == nil || len(key.keys) != 0 {
		t.Errorf("where it cannot be seen whether entries are there: %v, and %d keys", err, len(key.keys))
	}
}

// A config that was lost is made again by the next write, for the key that is there.
func TestFirstKey_lostConfig(t *testing.T) {
	s, key := notingStore(t, false)
	root := key.root(t)
	key.load = func(string) (RootKey, error) { return root, nil } // as a key file, which has but one
	if err := os.Remove(s.loc.configFile()); err != nil {
		t.Fatal(err)
	}
	s = memoryStoreOf(t, s, key)
	mustPut(t, s, "b.example", "b")
	config, err := readConfig(s.loc)
	if err != nil || config.KID != root.KID() {
		t.Errorf("the config pins %q (%v)", config.KID, err)
	}
	if got := secretOf(s, "a.example"); got != "s" {
		t.Errorf("get says %s", got)
	}
}

// No new key is made where entries are that only the lost one opens, with a config or without.
func TestFirstKey_besideEntries(t *testing.T) {
	for _, config := range []bool{true, false} {
		s, key := notingStore(t, false)
		key.keys = nil
		if !config {
			if err := os.Remove(s.loc.configFile()); err != nil {
				t.Fatal(err)
			}
			s = memoryStoreOf(t, s, key)
		}
		err := s.Put(t.Context(), Credential{ServerURL: "b.example", Username: "u"})
		if !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), s.loc.v1()) || len(key.keys) != 0 {
			t.Errorf("config %t: %v, and %d keys", config, err, len(key.keys))
		}
	}
}
