package store

import (
	"context"
	"os"
	"runtime/debug"
	"sync"
	"testing"

	"regshape/scripts/testregistry/canary"
	"regshape/store/durable"
)

// tracing takes a stack trace, as a crash would show it, at every step of the disk and of
// the place of the key.
type tracing struct {
	durable.OS
	*memoryKey
	mu     sync.Mutex
	traces []string
}

func (d *tracing) here() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.traces = append(d.traces, string(debug.Stack()))
}

func (d *tracing) OpenNew(path string) (durable.NewFile, error) { d.here(); return d.OS.OpenNew(path) }

func (d *tracing) Rename(from, to string) error { d.here(); return d.OS.Rename(from, to) }

func (d *tracing) Link(from, to string) error { d.here(); return d.OS.Link(from, to) }

func (d *tracing) Remove(path string) error { d.here(); return d.OS.Remove(path) }

func (d *tracing) Mkdir(path string) error { d.here(); return d.OS.Mkdir(path) }

func (d *tracing) SyncDir(path string) error { d.here(); return d.OS.SyncDir(path) }

func (d *tracing) List(path string) ([]string, error) { d.here(); return d.OS.List(path) }

func (d *tracing) Choose(Location, KeySource) (Key, error) { return d, nil }

func (d *tracing) Load(ctx context.Context, kid string) (RootKey, error) {
	k, err := d.memoryKey.Load(ctx, kid)
	d.here()
	return k, err
}

func (d *tracing) Stage(ctx context.Context, k RootKey, from string) error {
	d.here()
	return d.memoryKey.Stage(ctx, k, from)
}

func (d *tracing) Promote(ctx context.Context, kid string) error {
	d.here()
	return d.memoryKey.Promote(ctx, kid)
}

// Wherever the program crashes, the stack trace holds nothing of the root keys, the name
// keys or the keys of entries.
func TestStackTracesHoldNoKey(t *testing.T) {
	place := &tracing{memoryKey: &memoryKey{}}
	loc, err := Locate(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(loc, place)
	if err != nil {
		t.Fatal(err)
	}
	s.disk = place
	var secrets [][]byte
	learn := func() {
		for kid, k := range place.keys {
			secrets = append(secrets, k.key.secret.b[:], k.key.prk.b[:], k.nameKey().secret.b[:])
			entries, _ := os.ReadDir(s.loc.Generation(kid)) // a key that was just made may have none
			for _, e := range entries {
				secrets = append(secrets, k.derivation().derive("regshape/v1/cred/"+e.Name()))
			}
		}
	}
	ctx := t.Context()
	for _, server := range []string{"a.example", "b.example", "c.example"} {
		mustPut(t, s, server, "secret")
	}
	learn()
	if err := s.Rotate(ctx, Rotation{Source: place.Default(), Place: place, Progress: func(int, int) { place.here() }}); err != nil {
		t.Fatal(err)
	}
	learn()
	if k, err := s.RootKey(ctx); err != nil {
		t.Fatal(err)
	} else if err := s.Restore(ctx, k, place.Default(), place); err != nil {
		t.Fatal(err)
	}
	if c, _, err := s.List(ctx); err != nil || len(c) != 3 || secretOf(s, "a.example") != "secret" {
		t.Fatal(c, err)
	}
	if _, err := s.Erase(ctx, ParseAddress("a.example")); err != nil {
		t.Fatal(err)
	}
	if len(place.traces) < 50 {
		t.Fatalf("only %d traces", len(place.traces))
	}
	for _, trace := range place.traces {
		if n := canary.InTrace(trace, secrets...); n > 0 {
			t.Errorf("a trace shows 4 bytes of a key %d times:\n%s", n, trace)
		}
	}
}
