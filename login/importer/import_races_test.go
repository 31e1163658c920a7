package importer

import (
	"context"
	"errors"
	"strings"
	"testing"

	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store"
)

// A login that is stored while others are moved is newer than the file's: it stays, and so
// does the file's.
func TestImportMeetsNewerLogin(t *testing.T) {
	e, s, path := importBench(t, t.Context(), 4)
	r, err := From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{
		remove: true, progress: func(done, _ int) {
			if done != 1 {
				return
			}
			for _, host := range []string{"r00001.example", "r00002.example", "r00003.example"} {
				if err := s.Put(t.Context(), store.Credential{ServerURL: host, Username: "u", Secret: "newer", Kind: store.KindPassword}); err != nil {
					t.Error(err)
				}
			}
		},
	})
	if err != nil || len(r.Moved) != 1 || r.removed != 1 || len(r.Failed) != 3 || !strings.Contains(r.Failed[0].Message, "another secret") {
		t.Errorf("%d moved, %d removed, failed %v, %v", len(r.Moved), r.removed, r.Failed, err)
	}
	if c, err := s.Get(t.Context(), store.ParseAddress("r00002.example")); err != nil || c.Secret != "newer" {
		t.Errorf("the store has %v, %v", c, err)
	}
	if left := entriesOf(t, path); len(left) != 3 || left["r00002.example"].Secret != "secret2" {
		t.Errorf("left %d in the file", len(left))
	}
}

// What goes out of the store, or becomes another login there, between storing and removing
// stays in the file.
func TestImportLosesLoginAgain(t *testing.T) {
	e, s, path := importBench(t, t.Context(), 3)
	r, err := From(e, s, FileSource(lookup.Place{Tool: "docker", Path: path, Format: authfile.Docker}), Options{
		remove: true, progress: func(done, total int) {
			if done != total {
				return
			}
			if _, err := s.Erase(t.Context(), store.ParseAddress("r00000.example")); err != nil {
				t.Error(err)
			}
			if err := s.Put(t.Context(), store.Credential{ServerURL: "r00001.example", Username: "u", Secret: "newer", Kind: store.KindPassword}); err != nil {
				t.Error(err)
			}
		},
	})
	left := entriesOf(t, path)
	if err != nil || len(left) != 2 || left["r00000.example"].Secret != "secret0" || left["r00001.example"].Secret != "secret1" {
		t.Errorf("left %d, %v", len(left), err)
	}
	if r.removed != 1 || len(r.Failed) != 2 || !strings.Contains(r.Failed[0].Message, "does not return this login") {
		t.Errorf("%d removed, failed %v", r.removed, r.Failed)
	}
}

// A source that is another way into this very store, and an interruption while it erases.
// Nothing is lost, and no second login is erased there.
func TestImportInterruptedInALoop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	e, s, _ := importBench(t, ctx, 0)
	var logins []Login
	for _, host := range []string{"a.example", "b.example"} {
		l := Login{Entry: authfile.Entry{Key: host, Username: "u", Secret: "only-here-" + host}, Address: store.ParseAddress(host)}
		if err := s.Put(t.Context(), l.credential()); err != nil {
			t.Fatal(err)
		}
		logins = append(logins, l)
	}
	for _, interrupted := range []bool{false, true} {
		erased := 0
		src := Source{
			Name: "docker-credential-loop",
			List: func(context.Context) ([]Login, error) { return logins, nil },
			remove: func(ctx context.Context, logins []Login) (r removal, err error) {
				for _, l := range logins {
					if _, err := s.Erase(context.WithoutCancel(ctx), l.Address); err != nil {
						t.Error(err)
					}
					erased++
				}
				if interrupted {
					cancel()
				}
				return removal{removed: len(logins)}, ctx.Err()
			},
		}
		r, err := From(e, s, src, Options{remove: true})
		if interrupted != errors.Is(err, context.Canceled) || erased != 1 || r.removed != 0 {
			t.Errorf("interrupted %t: %d erased, %d reported removed, %v", interrupted, erased, r.removed, err)
		}
		for _, l := range logins {
			if c, err := s.Get(t.Context(), l.Address); err != nil || c.Secret != l.Secret {
				t.Errorf("interrupted %t: the store has %v for %s (%v)", interrupted, c, l.Key, err)
			}
		}
	}
}
