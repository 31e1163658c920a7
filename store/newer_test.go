package store_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"regshape/store"
	"regshape/store/keys"
)

// An entry that a later version wrote stays as it is until the user gives it up; one that is
// damaged is replaced by the next login.
func TestPutOverOtherVersions(t *testing.T) {
	for what, c := range map[string]struct {
		at    int
		value byte
		newer bool
	}{
		"version 9": {4, 9, true}, "version 2": {4, 2, true}, "version 0": {4, 0, false},
		"suite 7": {5, 7, true}, "suite 0": {5, 0, false}, "type 2": {6, 2, true}, "type 0": {6, 0, false},
		"reserved": {7, 1, true}, "magic": {0, 'X', false}, "kid": {8, 0, false}, "content": {40, 0, false},
	} {
		s := open(t, t.TempDir())
		put(t, s, "a.example", "u", "old")
		put(t, s, "b.example", "u", "other")
		file := fileOf(t, s, "a.example")
		sealed, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sealed[c.at] ^= 0xff // whatever it was
		if c.at < 8 {
			sealed[c.at] = c.value
		}
		if err := os.WriteFile(file, sealed, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		err = s.Put(ctx, store.Credential{ServerURL: "a.example", Username: "u", Secret: "new"})
		now, readErr := os.ReadFile(file)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if !c.newer {
			if err != nil {
				t.Errorf("%s: put: %v", what, err)
			}
			wantGet(t, s, "a.example", "u:new")
			continue
		}
		if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "a.example") || string(now) != string(sealed) {
			t.Errorf("%s: put: %v; file kept %t", what, err, string(now) == string(sealed))
		}
		source := store.KeySource{Source: store.SourceFile}
		place, placeErr := keys.Sources{}.Choose(s.Location(), source)
		if placeErr != nil {
			t.Fatal(placeErr)
		}
		if err := s.Rotate(ctx, store.Rotation{Source: source, Place: place}); !errors.Is(err, store.ErrNewer) {
			t.Errorf("%s: rotate: %v", what, err)
		}
		wantGet(t, s, "b.example", "u:other")
		if now, err := os.ReadFile(file); err != nil || string(now) != string(sealed) {
			t.Errorf("%s: a rotation changed it (%v)", what, err)
		}
		if erased, err := s.Erase(ctx, store.ParseAddress("a.example")); !erased || err != nil {
			t.Errorf("%s: erase: %t, %v", what, erased, err)
		}
		put(t, s, "a.example", "u", "new")
		wantGet(t, s, "a.example", "u:new")
	}
}

// fileOf is the file of an address's entry, found by removing every other one from sight.
func fileOf(t *testing.T, s *store.Store, server string) string {
	t.Helper()
	for _, file := range entryFiles(t, s.Location().Data) {
		if err := os.Rename(file, file+"x"); err != nil {
			t.Fatal(err)
		}
		_, err := get(s, server)
		if err := os.Rename(file+"x", file); err != nil {
			t.Fatal(err)
		}
		if errors.Is(err, store.ErrNotFound) {
			return file
		}
	}
	t.Fatalf("%s is not stored", server)
	return ""
}
