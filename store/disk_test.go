package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"regshape/store/durable"
)

// memoryKey is a place for keys that can be locked, and counts how often it is asked.
type memoryKey struct {
	keys   map[string]RootKey
	locked bool
	loads  int
	mu     sync.Mutex
}

var (
	_ Key     = (*memoryKey)(nil)
	_ Sources = (*memoryKey)(nil)
)

func (m *memoryKey) Default() KeySource { return KeySource{Source: "memory"} }

func (m *memoryKey) Choose(Location, KeySource) (Key, error) { return m, nil }

func (m *memoryKey) Load(_ context.Context, kid string) (RootKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	if m.locked {
		return RootKey{}, ErrLocked
	}
	if k, ok := m.keys[kid]; ok {
		return k, nil
	}
	return RootKey{}, ErrNoKey
}

func (m *memoryKey) Stage(_ context.Context, k RootKey, _ string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys == nil {
		m.keys = map[string]RootKey{}
	}
	m.keys[k.KID()] = k
	return nil
}

func (m *memoryKey) Promote(context.Context, string) error { return nil }

func (m *memoryKey) Discard(_ context.Context, kid string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.keys, kid)
	return nil
}

func (m *memoryKey) Cheap() bool { return false }

// root is the only key there.
func (m *memoryKey) root(t *testing.T) RootKey {
	t.Helper()
	for _, k := range m.keys {
		if len(m.keys) == 1 {
			return k
		}
	}
	t.Fatalf("there are %d keys", len(m.keys))
	return RootKey{}
}

// lyingDisk asks lie about every step. do does the step; what lie returns is what the store
// is informed of it.
type lyingDisk struct {
	durable.OS
	mu  sync.Mutex // a rotation copies several entries at once
	lie func(step, path string, do func() error) error
}

func (d *lyingDisk) step(step, path string, do func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lie(step, path, do)
}

func (d *lyingDisk) OpenNew(path string) (durable.NewFile, error) {
	var f durable.NewFile
	err := d.step("open", path, func() (err error) { f, err = d.OS.OpenNew(path); return err })
	return lyingFile{f, d, path}, err
}

func (d *lyingDisk) Rename(from, to string) error {
	return d.step("rename", to, func() error { return d.OS.Rename(from, to) })
}

func (d *lyingDisk) Link(from, to string) error {
	return d.step("link", to, func() error { return d.OS.Link(from, to) })
}

func (d *lyingDisk) Mkdir(path string) error {
	return d.step("mkdir", path, func() error { return d.OS.Mkdir(path) })
}

func (d *lyingDisk) Remove(path string) error {
	return d.step("remove", path, func() error { return d.OS.Remove(path) })
}

func (d *lyingDisk) SyncDir(path string) error {
	return d.step("sync directory", path, func() error { return d.OS.SyncDir(path) })
}

type lyingFile struct {
	durable.NewFile
	disk *lyingDisk
	path string
}

func (f lyingFile) Write(p []byte) (n int, err error) {
	err = f.disk.step("write", f.path, func() error { n, err = f.NewFile.Write(p); return err })
	return n, err
}

func (f lyingFile) Sync() error { return f.disk.step("sync", f.path, f.NewFile.Sync) }

func (f lyingFile) Close() error {
	err := f.NewFile.Close() // in any case: the file is open
	return f.disk.step("close", f.path, func() error { return err })
}

// fault is one kind of step that is done wrongly, from the nth one on.
type fault struct {
	step    string
	after   int // how many of these steps still go well
	err     error
	lies    bool // the step is done all the same
	stopped *bool
}

func (f fault) disk() *lyingDisk {
	return &lyingDisk{lie: func(step, _ string, do func() error) error {
		if step != f.step || f.after > 0 {
			if step == f.step {
				f.after--
			}
			return do()
		}
		*f.stopped = true
		if f.lies {
			if err := do(); err != nil {
				return err
			}
		}
		return f.err
	}}
}

func memoryStore(t *testing.T, dir string, key *memoryKey) *Store {
	t.Helper()
	loc, err := Locate(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(loc, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func secretOf(s *Store, server string) string {
	c, err := s.Get(context.Background(), ParseAddress(server))
	if err != nil {
		return err.Error()
	}
	return c.Secret
}

// A write that fails at any step, in the first run or later, loses nothing that was
// there, leaves no temporary file, and can be repeated.
func TestFailingDiskLosesNothing(t *testing.T) {
	for _, step := range []string{"open", "write", "sync", "close", "rename", "mkdir", "sync directory"} {
		for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EACCES} {
			for _, first := range []bool{true, false} {
				t.Run(fmt.Sprint(step, cause, first), func(t *testing.T) {
					failAt(t, step, cause, first)
				})
			}
		}
	}
}

func failAt(t *testing.T, step string, cause error, first bool) {
	for after := 0; ; after++ {
		key := &memoryKey{}
		dir := filepath.Join(t.TempDir(), "s")
		ctx := context.Background()
		s := memoryStore(t, dir, key)
		if !first {
			if err := s.Put(ctx, Credential{ServerURL: "h", Username: "u", Secret: "old"}); err != nil {
				t.Fatal(err)
			}
		}
		stopped := false
		s.disk = fault{step: step, after: after, err: cause, stopped: &stopped}.disk()
		err := s.Put(ctx, Credential{ServerURL: "h", Username: "u", Secret: "new"})
		if !stopped {
			if err != nil {
				t.Fatalf("step %d did not happen, yet %v", after, err)
			}
			return // every step of this kind was tried
		}
		if !errors.Is(err, cause) {
			t.Fatalf("failing %s %d: put says %v", step, after, err)
		}
		s = memoryStore(t, dir, key)
		got := secretOf(s, "h")
		unsure := errors.Is(err, durable.ErrUnsure) && got == "new"
		if !unsure && (first && got != ErrNotFound.Error() || !first && got != "old") {
			t.Fatalf("failing %s %d: then get says %q", step, after, got)
		}
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
			if strings.HasPrefix(filepath.Base(path), ".tmp-") {
				t.Errorf("failing %s %d left %s", step, after, path)
			}
			return nil
		})
		if err := s.Put(ctx, Credential{ServerURL: "h", Username: "u", Secret: "new"}); err != nil || secretOf(s, "h") != "new" {
			t.Fatalf("failing %s %d: the next put says %v", step, after, err)
		}
	}
}

// An NFS server may answer "not there" for a rename that it has done.
func TestPut_renameThatLies(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, t.TempDir(), key)
	stopped := false
	s.disk = fault{step: "rename", err: syscall.ENOENT, lies: true, stopped: &stopped}.disk()
	err := s.Put(context.Background(), Credential{ServerURL: "h", Username: "u", Secret: "s"})
	if err != nil || !stopped || secretOf(s, "h") != "s" {
		t.Errorf("put says %v, get %q", err, secretOf(s, "h"))
	}
	s.disk = fault{step: "rename", err: syscall.ENOENT, stopped: &stopped}.disk()
	err = s.Put(context.Background(), Credential{ServerURL: "h", Username: "u", Secret: "s2"})
	if !errors.Is(err, fs.ErrNotExist) || secretOf(s, "h") != "s" {
		t.Errorf("a rename that was not done: put says %v, get %q", err, secretOf(s, "h"))
	}
}

func TestErase_failingDisk(t *testing.T) {
	for _, step := range []string{"remove", "sync directory"} {
		s := memoryStore(t, t.TempDir(), &memoryKey{})
		if err := s.Put(context.Background(), Credential{ServerURL: "h", Username: "u", Secret: "s"}); err != nil {
			t.Fatal(err)
		}
		stopped := false
		s.disk = fault{step: step, err: syscall.EIO, stopped: &stopped}.disk()
		erased, err := s.Erase(context.Background(), ParseAddress("h"))
		if !errors.Is(err, syscall.EIO) || erased != (step == "sync directory") {
			t.Errorf("failing %s: erase says %v, %v", step, erased, err)
		}
	}
}

// A locked store answers for what it does not hold, and leaves the key source alone.
func TestLockedStore(t *testing.T) {
	key := &memoryKey{}
	dir := t.TempDir()
	ctx := context.Background()
	if err := memoryStore(t, dir, key).Put(ctx, Credential{ServerURL: "h", Username: "u", Secret: "s"}); err != nil {
		t.Fatal(err)
	}
	key.loads = 0
	s := memoryStore(t, dir, key)
	if _, err := s.Get(ctx, ParseAddress("other")); !errors.Is(err, ErrNotFound) || key.loads != 0 {
		t.Errorf("get of what is not stored: %v, %d key loads", err, key.loads)
	}
	if got := secretOf(s, "h"); got != "s" || key.loads != 1 {
		t.Errorf("get of what is stored: %q, %d key loads", got, key.loads)
	}
	key.locked = true
	if _, err := s.Get(ctx, ParseAddress("other")); !errors.Is(err, ErrNotFound) {
		t.Errorf("locked, get of what is not stored: %v", err)
	}
	if _, err := s.Get(ctx, ParseAddress("h/ns")); !errors.Is(err, ErrNotFound) {
		t.Errorf("locked, get of a scope that is not stored: %v", err)
	}
	if _, err := s.Get(ctx, ParseAddress("h")); !errors.Is(err, ErrLocked) {
		t.Errorf("locked, get of what is stored: %v", err)
	}
	if _, _, err := s.List(ctx); !errors.Is(err, ErrLocked) {
		t.Errorf("locked, list: %v", err)
	}
	if err := s.Put(ctx, Credential{ServerURL: "new", Username: "u", Secret: "s"}); !errors.Is(err, ErrLocked) {
		t.Errorf("locked, put: %v", err)
	}
	if erased, err := s.Erase(ctx, ParseAddress("h")); !erased || err != nil {
		t.Errorf("locked, erase: %v, %v", erased, err)
	}
	if err := os.Remove(filepath.Join(dir, "names")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, ParseAddress("other")); !errors.Is(err, ErrLocked) {
		t.Errorf("locked without names, get: %v", err)
	}
	if _, err := s.Erase(ctx, ParseAddress("other")); !errors.Is(err, ErrLocked) {
		t.Errorf("locked without names, erase: %v", err)
	}
}

// A put keeps what a newer version wrote into the entry it replaces.
func TestPut_unknownFields(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, t.TempDir(), key)
	ctx := context.Background()
	if err := s.Put(ctx, Credential{ServerURL: "h", Username: "u", Secret: "s"}); err != nil {
		t.Fatal(err)
	}
	root := key.root(t)
	v := view{store: s, names: root.nameKey(), root: root}
	newer := `{"ServerURL":"h","Canonical":"h","Username":"u","Secret":"s","Created":"2020-01-01T00:00:00Z","Updated":"2020-01-01T00:00:00Z","renew":null,"Future":{"a":[1,2]}}`
	sealed, err := root.sealer().seal(filepath.Base(v.path("h")), []byte(newer))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.path("h"), sealed, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(ctx, Credential{ServerURL: "h", Username: "u2", Secret: "s2"}); err != nil {
		t.Fatal(err)
	}
	c, err := s.Get(ctx, ParseAddress("h"))
	if err != nil || !strings.Contains(string(c.payload), `"Future":{"a":[1,2]}`) || strings.Contains(string(c.payload), "renew") {
		t.Errorf("the payload is now %s (%v)", c.payload, err)
	}
	if c.Username != "u2" || c.Secret != "s2" || c.Created.Year() != 2020 || c.Updated.Year() == 2020 {
		t.Errorf("the entry is now %v, created %v, updated %v", c, c.Created, c.Updated)
	}
}
