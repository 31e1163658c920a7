package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"regshape/store"
	"regshape/store/keys"
)

func locate(t *testing.T, dir string) store.Location {
	t.Helper()
	loc, err := store.Locate(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func open(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(locate(t, dir), keys.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *store.Store, server, user, secret string) {
	t.Helper()
	if err := s.Put(context.Background(), store.Credential{ServerURL: server, Username: user, Secret: secret, Kind: store.KindPassword}); err != nil {
		t.Fatalf("put %s: %v", server, err)
	}
}

func get(s *store.Store, server string) (string, error) {
	c, err := s.Get(context.Background(), store.ParseAddress(server))
	return c.Username + ":" + c.Secret, err
}

func wantGet(t *testing.T, s *store.Store, server, want string) {
	t.Helper()
	if got, err := get(s, server); err != nil || got != want {
		t.Errorf("get %s = %q, %v; want %q", server, got, err, want)
	}
}

func wantMissing(t *testing.T, s *store.Store, server string) {
	t.Helper()
	if got, err := get(s, server); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("get %s = %q, %v; want not found", server, got, err)
	}
}

// entryFiles returns the sealed files.
func entryFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "v1", "g-*", "[0-9a-v]*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestPutGetEraseList(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	wantMissing(t, s, "ghcr.io")
	if erased, err := s.Erase(context.Background(), store.ParseAddress("ghcr.io")); erased || err != nil {
		t.Errorf("erase from nothing: %v, %v", erased, err)
	}
	if found, damaged, err := s.List(context.Background()); len(found)+len(damaged) > 0 || err != nil {
		t.Errorf("list of nothing: %v, %v, %v", found, damaged, err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("reading made files: %v", left)
	}

	odd := "quotes\" and \\ and \n lines, <&>, \u2028, \ufffd, ünï"
	put(t, s, "https://GHCR.io/", "alice", odd)
	put(t, s, "ghcr.io/team", "robot", "scoped")
	put(t, s, "docker.io", "hub", "h")
	put(t, s, "some opaque key", "o", "")
	wantGet(t, s, "ghcr.io", "alice:"+odd)
	wantGet(t, s, "ghcr.io/team/app", "robot:scoped")
	wantGet(t, s, "https://index.docker.io/v1/", "hub:h")
	wantGet(t, s, "some opaque key", "o:")
	wantMissing(t, s, "ghcr.io/teamx")
	wantMissing(t, s, "ghcr.io/other/app")
	wantMissing(t, s, "http://ghcr.io")
	wantMissing(t, s, "https://index.docker.io/v1/access-token")

	put(t, s, "ghcr.io", "bob", "new")
	wantGet(t, s, "ghcr.io", "bob:new")
	found, damaged, err := s.List(context.Background())
	var listed []string
	for _, c := range found {
		listed = append(listed, c.String())
	}
	want := "bob@ghcr.io robot@ghcr.io/team hub@docker.io o@some opaque key"
	if got := strings.Join(listed, " "); got != want || len(damaged) > 0 || err != nil {
		t.Errorf("list = %q, %v, %v; want %q", got, damaged, err, want)
	}
	if erased, err := s.Erase(context.Background(), store.ParseAddress("GHCR.IO:443/v2/")); !erased || err != nil {
		t.Errorf("erase: %v, %v", erased, err)
	}
	wantMissing(t, s, "ghcr.io")
	wantGet(t, s, "ghcr.io/team", "robot:scoped")
}

func TestPut_invalidUTF8(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, c := range []store.Credential{
		{ServerURL: "a\xff", Username: "u", Secret: "s"},
		{ServerURL: "a", Username: "\xff", Secret: "s"},
		{ServerURL: "a", Username: "u", Secret: "canary\xff"},
	} {
		err := s.Put(context.Background(), c)
		if !errors.Is(err, store.ErrNotUTF8) || strings.Contains(err.Error(), "canary") {
			t.Errorf("put: %v", err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("a refused credential made files: %v", left)
	}
}

func TestGet_expired(t *testing.T) {
	s := open(t, t.TempDir())
	for server, expires := range map[string]time.Time{"past.example/ns": time.Now().Add(-time.Second), "future.example": time.Now().Add(time.Hour)} {
		err := s.Put(context.Background(), store.Credential{ServerURL: server, Username: "u", Secret: "s", Expires: expires})
		if err != nil {
			t.Fatal(err)
		}
	}
	wantMissing(t, s, "past.example/ns")
	wantGet(t, s, "future.example", "u:s")
}

// What a put that says nothing of the way to the registry must not forget.
func TestPut_keepsAddressFields(t *testing.T) {
	s := open(t, t.TempDir())
	first := store.Credential{
		ServerURL: "h", Username: "u", Secret: "s", Transport: store.TransportHTTP, CAFile: "/ca",
		VerifiedAt: time.Now(), Expires: time.Now().Add(time.Hour), Renew: &store.Renewal{Token: "t"},
	}
	if err := s.Put(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	put(t, s, "h", "u2", "s2")
	c, err := s.Get(context.Background(), store.ParseAddress("h"))
	if err != nil || c.CAFile != "/ca" {
		t.Errorf("CA file %q, %v: want that of the first login", c.CAFile, err)
	}
	if !c.VerifiedAt.IsZero() || !c.Expires.IsZero() || c.Renew != nil {
		t.Errorf("%+v kept what belonged to the first login", c)
	}
}

// Plain http and unverified TLS belong to the secret that was verified so. docker's own
// login stores what it was given, the same secret among others.
func TestPutTransport(t *testing.T) {
	for _, tt := range []struct {
		old          store.Transport
		user, secret string
		said, want   store.Transport
	}{
		{store.TransportHTTP, "u", "s", "", store.TransportHTTP},
		{store.TransportInsecure, "u", "s", "", store.TransportInsecure},
		{store.TransportHTTPS, "u", "s", "", store.TransportHTTPS},
		{store.TransportHTTP, "u", "s2", "", ""},
		{store.TransportHTTP, "u2", "s", "", ""},
		{store.TransportInsecure, "u", "s2", "", ""},
		{store.TransportInsecure, "u2", "s", "", ""},
		{store.TransportHTTPS, "u2", "s2", "", store.TransportHTTPS},
		{store.TransportHTTP, "u", "s2", store.TransportHTTPS, store.TransportHTTPS},
		{store.TransportHTTPS, "u", "s2", store.TransportHTTP, store.TransportHTTP},
	} {
		s := open(t, t.TempDir())
		for _, c := range []store.Credential{
			{ServerURL: "h", Username: "u", Secret: "s", Transport: tt.old},
			{ServerURL: "https://H/", Username: tt.user, Secret: tt.secret, Transport: tt.said},
		} {
			if err := s.Put(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		if c, err := s.Get(t.Context(), store.ParseAddress("h")); err != nil || c.Transport != tt.want {
			t.Errorf("%q, then %s:%s with %q: got %q, %v, want %q", tt.old, tt.user, tt.secret, tt.said, c.Transport, err, tt.want)
		}
	}
}

// Every change to a sealed file is detected and named, and the others are still served.
func TestList_damagedEntry(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "a.example", "a", "sa")
	first := entryFiles(t, dir)[0]
	put(t, s, "b.example", "b", "sb")
	var second string
	for _, f := range entryFiles(t, dir) {
		if f != first {
			second = f
		}
	}
	original, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(original)
	flipped[40] ^= 1
	for what, content := range map[string][]byte{"copied over": other, "flipped": flipped, "cut": original[:100], "emptied": nil} {
		if err := os.WriteFile(first, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := get(s, "a.example")
		var entry *store.EntryError
		if !errors.As(err, &entry) || !errors.Is(err, store.ErrDamaged) || entry.File != first || entry.Address != "a.example" {
			t.Errorf("%s: get says %v", what, err)
		}
		wantGet(t, s, "b.example", "b:sb")
		found, damaged, err := s.List(context.Background())
		if err != nil || len(found) != 1 || found[0].Username != "b" || len(damaged) != 1 || damaged[0].File != first {
			t.Errorf("%s: list says %v, %v, %v", what, found, damaged, err)
		}
	}
	put(t, s, "a.example", "a", "again")
	wantGet(t, s, "a.example", "a:again")
}

func TestManyFirstWriters(t *testing.T) {
	for round := range 20 {
		dir := filepath.Join(t.TempDir(), "s")
		var wg sync.WaitGroup
		for i := range 20 {
			s := open(t, dir)
			wg.Go(func() {
				server := fmt.Sprintf("r%d.example", i)
				err := s.Put(context.Background(), store.Credential{ServerURL: server, Username: "u", Secret: server})
				if err != nil {
					t.Errorf("round %d, writer %d: %v", round, i, err)
				}
			})
		}
		wg.Wait()
		s := open(t, dir)
		for i := range 20 {
			server := fmt.Sprintf("r%d.example", i)
			wantGet(t, s, server, "u:"+server)
		}
		if generations, _ := filepath.Glob(filepath.Join(dir, "v1", "g-*")); len(generations) != 1 {
			t.Fatalf("%d generations", len(generations))
		}
	}
}

func TestProfiles_separate(t *testing.T) {
	dir := t.TempDir()
	put(t, open(t, dir), "h", "private", "1")
	loc, err := store.Locate(store.Options{Dir: dir, Profile: "work"})
	if err != nil {
		t.Fatal(err)
	}
	work, err := store.Open(loc, keys.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	wantMissing(t, work, "h")
	put(t, work, "h", "work", "2")
	wantGet(t, work, "h", "work:2")
	wantGet(t, open(t, dir), "h", "private:1")
	for _, path := range []string{"key", "names", "config", "v1"} {
		if _, err := os.Stat(filepath.Join(dir, "profiles", "work", path)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"..", "a/b", "A", ".x", "-x", strings.Repeat("x", 65), "ä"} {
		if _, err := store.Locate(store.Options{Dir: dir, Profile: name}); err == nil {
			t.Errorf("profile %q is accepted", name)
		}
	}
}

// Peek reads what Get no longer answers, and only the very address.
func TestPeek(t *testing.T) {
	s := open(t, t.TempDir())
	ghcr := store.ParseAddress("ghcr.io/team")
	if _, err := s.Peek(t.Context(), ghcr); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of an empty store: %v", err)
	}
	err := s.Put(t.Context(), store.Credential{
		ServerURL: "ghcr.io/team", Username: "alice", Secret: "x", Kind: store.KindDevice,
		Expires: time.Now().Add(-time.Hour), Renew: &store.Renewal{Token: "r"},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantMissing(t, s, "ghcr.io/team")
	if c, err := s.Peek(t.Context(), ghcr); err != nil || c.Secret != "x" || c.Renew.Token != "r" {
		t.Errorf("of an expired entry: %v, %v", c, err)
	}
	for _, other := range []string{"ghcr.io/team/app", "ghcr.io"} {
		if _, err := s.Peek(t.Context(), store.ParseAddress(other)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v, want not found", other, err)
		}
	}
}
