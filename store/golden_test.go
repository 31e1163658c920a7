package store_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/store"
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
		to := filepath.Join(dir, strings.TrimPrefix(path, "testdata/golden-v1"))
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

func TestGoldenStoreOfVersion1(t *testing.T) {
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
