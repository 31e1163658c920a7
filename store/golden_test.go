package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/store"
	"regshape/store/keys"
)

// copyGolden makes a private copy of the store in testdata, which version 1 wrote once
// and which every later version has to open. It is never made again.
func copyGolden(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	err := filepath.WalkDir("testdata/golden-v1", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(filepath.ToSlash(path), "testdata/golden-v1"))
		if d.IsDir() {
			return os.Mkdir(to, 0o700)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestGolden_version1(t *testing.T) {
	dir := copyGolden(t)
	s := open(t, dir)
	for server, want := range map[string]string{
		"docker.io":          "hubuser:hub-pässword \"quoted\"\n",
		"ghcr.io":            "alice:ghp_example",
		"quay.io/team/app":   "team+robot:robot",
		"localhost:5000":     "<token>:refresh",
		"http://old.example": "u:",
		"pycreds_test_ab12":  "py:creds",
		"https://index.docker.io/v1/access-token": "hubuser:web",
		"device.example": "dev:access",
		"future.example": "f:s",
	} {
		wantGet(t, s, server, want)
	}
	wantMissing(t, s, "quay.io")
	found, damaged, err := s.List(context.Background())
	if len(found) != 9 || len(damaged) != 0 || err != nil {
		t.Errorf("list: %d found, %v, %v", len(found), damaged, err)
	}
	c, err := s.Get(context.Background(), store.ParseAddress("device.example"))
	if err != nil || c.Renew == nil || *c.Renew != (store.Renewal{Issuer: "https://issuer.example", ClientID: "client", Scope: "offline", Token: "renew-me"}) ||
		c.Kind != store.KindDevice || c.Transport != store.TransportInsecure || c.CAFile != "/etc/ca.pem" ||
		!c.Expires.Equal(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)) || !c.Created.Equal(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("the device login is %v, renewed by %v (%v)", c, c.Renew, err)
	}
	if err := os.Remove(filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}
	wantMissing(t, open(t, dir), "unknown.example") // by the names file alone
}

// An entry that a later version wrote stays as it is until the user gives it up; one that is
// damaged is replaced by the next login.
func TestPut_overOtherVersions(t *testing.T) {
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
