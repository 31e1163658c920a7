package store

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

// What a run killed at some point leaves is completed or taken back.
func TestResumeAndAbort(t *testing.T) {
	type point int
	const (
		staged point = iota // the config to be, and the key
		marked
		half // there is a folder for copies
		copied
		committed
	)
	for _, at := range []point{staged, marked, half, copied, committed} {
		for _, how := range []string{"resume", "abort", "put", "erase"} {
			t.Run(fmt.Sprint(at, how), func(t *testing.T) {
				key := &memoryKey{}
				s := memoryStore(t, t.TempDir(), key)
				for i := range 3 {
					mustPut(t, s, fmt.Sprintf("r%d.example", i), fmt.Sprint(i))
				}
				now := *s
				ctx := t.Context()
				v, err := now.prepareToRotate(ctx)
				to, token := NewRootKey(), newToken()
				before := now.config.KID
				next := now.config
				next.Previous, next.KID = &Pin{Key: next.Key, KID: next.KID}, to.KID()
				steps := []func() error{
					func() error { return errors.Join(now.stage(token, next), key.Stage(ctx, to, "")) },
					func() error { return now.mark(v.names.kid, token) },
					func() error {
						if at == half {
							return os.Mkdir(now.loc.copiesFolder(token), 0o700)
						}
						return now.reseal(ctx, v, to, token, nil)
					},
					func() error { return now.commit(token, next) },
				}
				for i, step := range steps {
					reached := []point{staged, marked, half, committed}[i]
					if reached <= at && err == nil {
						err = step()
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				if underWay, err := s.UnderWay(); !underWay || err != nil {
					t.Errorf("under way: %t, %v", underWay, err)
				}
				if got := secretOf(s, "r1.example"); got != "1" {
					t.Errorf("before: %s", got)
				}
				s.patience = 20 * time.Millisecond
				switch how {
				case "resume":
					var done bool
					if done, err = s.Resume(ctx, nil); !done {
						t.Error("resume did nothing")
					}
				case "abort":
					_, err = s.Abort(ctx)
				case "put":
					err = s.Put(ctx, Credential{ServerURL: "r1.example", Username: "u", Secret: "1"})
				case "erase":
					_, err = s.Erase(ctx, ParseAddress("r2.example"))
					mustPut(t, s, "r2.example", "2")
				}
				if err != nil {
					t.Fatal(err)
				}
				custody, err := s.Custody()
				// Resume begins again, under yet another key.
				turned, anew := at == committed, how == "resume" && at != committed
				if err != nil || (custody.KID == to.KID()) != turned || (custody.KID != to.KID() && custody.KID != before) != anew {
					t.Errorf("the store's key is now %s, it was %s, and %s was to come (%v)", custody.KID, before, to.KID(), err)
				}
				for i := range 3 {
					if got := secretOf(s, fmt.Sprintf("r%d.example", i)); got != fmt.Sprint(i) {
						t.Errorf("r%d: %s", i, got)
					}
				}
				if at == staged && (how == "put" || how == "erase") {
					_, err = s.Abort(ctx) // writers need not look for what has no marker
				}
				if err != nil {
					t.Fatal(err)
				}
				settledTree(t, s, key)
			})
		}
	}
}

// The place of the key changes and the key stays.
func TestMoveAndRestore(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, t.TempDir(), key)
	mustPut(t, s, "a.example", "s")
	root := key.root(t)
	elsewhere := KeySource{Source: "memory", Command: []string{"elsewhere"}}
	twin := &memoryKey{}
	if err := s.Move(t.Context(), Rotation{Source: elsewhere, Place: twin}); err != nil {
		t.Fatal(err)
	}
	custody, err := s.Custody()
	if err != nil || !custody.Source.Equal(elsewhere) || custody.KID != root.KID() || !twin.root(t).Equal(root) {
		t.Errorf("the store's key is now %v (%v)", custody, err)
	}
	if len(key.keys) != 0 {
		t.Error("the old place still has the key")
	}
	if err := twin.Discard(t.Context(), root.KID()); err != nil {
		t.Fatal(err)
	}
	// Both places of this test are the one memoryKey.
	if err := s.Restore(t.Context(), NewRootKey(), key.Default(), key); !errors.Is(err, ErrWrongKey) {
		t.Errorf("restore of another store's key: %v", err)
	}
	if err := s.Restore(t.Context(), root, elsewhere, key); err != nil {
		t.Fatal(err)
	}
	if got := secretOf(s, "a.example"); got != "s" {
		t.Errorf("after the restore: %s", got)
	}
	settledTree(t, s, key)

	// Without config and key, the data says whose key it is.
	for _, path := range []string{s.loc.configFile(), s.loc.namesFile()} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	key.keys = nil
	s = memoryStore(t, s.loc.Data, key)
	if err := s.Restore(t.Context(), NewRootKey(), key.Default(), key); !errors.Is(err, ErrWrongKey) {
		t.Errorf("restore of another store's key without a config: %v", err)
	}
	if err := s.Restore(t.Context(), root, key.Default(), key); err != nil || secretOf(s, "a.example") != "s" {
		t.Errorf("restore without a config: %v, %s", err, secretOf(s, "a.example"))
	}
	settledTree(t, s, key)
}
