package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/store"
	"regshape/store/keys"
)

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLostKey(t *testing.T) {
	dir := t.TempDir()
	put(t, open(t, dir), "a.example", "a", "s")
	key := filepath.Join(dir, "key")
	backup, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	remove(t, key)
	s := open(t, dir)
	wantMissing(t, s, "public.example")
	if _, err := get(s, "a.example"); !errors.Is(err, store.ErrNoKey) || !strings.Contains(err.Error(), key) {
		t.Errorf("get of a stored address: %v", err)
	}
	if _, _, err := s.List(context.Background()); !errors.Is(err, store.ErrNoKey) {
		t.Errorf("list: %v", err)
	}
	err = s.Put(context.Background(), store.Credential{ServerURL: "b.example", Username: "b", Secret: "s"})
	if !errors.Is(err, store.ErrNoKey) {
		t.Errorf("put: %v", err)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("a new key was made")
	}
	if erased, err := s.Erase(context.Background(), store.ParseAddress("public.example")); erased || err != nil {
		t.Errorf("erase of what is not stored: %v, %v", erased, err)
	}

	// The key comes back.
	if err := os.WriteFile(key, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	wantGet(t, open(t, dir), "a.example", "a:s")

	// Erasing needs no key; without the names nothing can be known.
	remove(t, key)
	if erased, err := open(t, dir).Erase(context.Background(), store.ParseAddress("a.example")); !erased || err != nil {
		t.Errorf("erase without the key: %v, %v", erased, err)
	}
	remove(t, filepath.Join(dir, "names"))
	if _, err := get(open(t, dir), "public.example"); !errors.Is(err, store.ErrNoKey) {
		t.Errorf("get without key and names: %v", err)
	}
	if _, err := open(t, dir).Erase(context.Background(), store.ParseAddress("public.example")); !errors.Is(err, store.ErrNoKey) {
		t.Errorf("erase without key and names: %v", err)
	}
}

func TestLostKey_wrongAndDamaged(t *testing.T) {
	dir := t.TempDir()
	put(t, open(t, dir), "a.example", "a", "s")
	key := filepath.Join(dir, "key")
	check := func(want error) {
		t.Helper()
		s := open(t, dir)
		wantMissing(t, s, "public.example")
		if _, err := get(s, "a.example"); !errors.Is(err, want) {
			t.Errorf("get: %v, want %v", err, want)
		}
		if err := s.Put(context.Background(), store.Credential{ServerURL: "b", Username: "b", Secret: "s"}); !errors.Is(err, want) {
			t.Errorf("put: %v, want %v", err, want)
		}
	}
	if err := os.WriteFile(key, []byte("garbage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check(store.ErrKeyDamaged)
	if err := os.WriteFile(key, []byte(store.NewRootKey().Line()), 0o600); err != nil {
		t.Fatal(err)
	}
	check(store.ErrWrongKey)
	remove(t, filepath.Join(dir, "config")) // not even without the pin
	check(store.ErrWrongKey)
}

func TestReset(t *testing.T) {
	dir := t.TempDir()
	put(t, open(t, dir), "a.example", "a", "s")
	remove(t, filepath.Join(dir, "key"))
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(locate(t, dir), keys.Sources{}); err == nil {
		t.Error("a damaged config was accepted")
	}
	aside, err := locate(t, dir).Forget(time.Now())
	if err != nil || len(aside) != 3 {
		t.Fatalf("forget moved %v, %v; want generation, config and names", aside, err)
	}
	for _, path := range aside {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	s := open(t, dir)
	wantMissing(t, s, "a.example")
	put(t, s, "b.example", "b", "s")
	wantGet(t, s, "b.example", "b:s")
	if aside, err := locate(t, t.TempDir()).Forget(time.Now()); len(aside) > 0 || err != nil {
		t.Errorf("forget of nothing: %v, %v", aside, err)
	}
}

// Somebody who removes data and key, and leaves the config, starts afresh.
func TestLostKey_emptyStore(t *testing.T) {
	dir := t.TempDir()
	put(t, open(t, dir), "a.example", "a", "s")
	if err := os.RemoveAll(filepath.Join(dir, "v1")); err != nil {
		t.Fatal(err)
	}
	remove(t, filepath.Join(dir, "key"))
	s := open(t, dir)
	wantMissing(t, s, "a.example")
	put(t, s, "b.example", "b", "s")
	wantGet(t, open(t, dir), "b.example", "b:s")

	// The key alone replaced, the pin still there: refused, though nothing is stored.
	if err := os.RemoveAll(filepath.Join(dir, "v1")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(store.NewRootKey().Line()), 0o600); err != nil {
		t.Fatal(err)
	}
	err := open(t, dir).Put(context.Background(), store.Credential{ServerURL: "b", Username: "b", Secret: "s"})
	if !errors.Is(err, store.ErrWrongKey) {
		t.Errorf("put under a key that is not pinned: %v", err)
	}
}

func TestPut_newerFormats(t *testing.T) {
	dir := t.TempDir()
	put(t, open(t, dir), "a.example", "a", "s")
	generation := filepath.Dir(entryFiles(t, dir)[0])
	for _, marker := range []string{".rekey", ".switched"} {
		path := filepath.Join(generation, marker)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		wantGet(t, s, "a.example", "a:s")
		if err := s.Put(context.Background(), store.Credential{ServerURL: "b", Username: "b", Secret: "s"}); !errors.Is(err, store.ErrNewer) {
			t.Errorf("put beside %s: %v", marker, err)
		}
		if _, err := s.Erase(context.Background(), store.ParseAddress("a.example")); !errors.Is(err, store.ErrNewer) {
			t.Errorf("erase beside %s: %v", marker, err)
		}
		remove(t, path)
	}
	// One marker does not hide the other.
	for _, err := range []error{os.Mkdir(filepath.Join(generation, ".rekey"), 0o700), os.WriteFile(filepath.Join(generation, ".switched"), nil, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := open(t, dir).Put(context.Background(), store.Credential{ServerURL: "b", Username: "b", Secret: "s"}); !errors.Is(err, store.ErrNewer) {
		t.Errorf("put beside both markers: %v", err)
	}
	remove(t, filepath.Join(generation, ".switched"))
	for _, config := range []string{`{"version":2,"key":{"source":"file"},"kid":"0011223344556677"}`, `{"version":1,"key":{"source":"tpm"},"kid":"0011223344556677"}`} {
		if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(locate(t, dir), keys.Sources{}); !errors.Is(err, store.ErrNewer) {
			t.Errorf("open with %s: %v", config, err)
		}
	}
}
