package keys

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"regshape/store"
)

func TestFile(t *testing.T) {
	ctx := context.Background()
	f := File{Path: filepath.Join(t.TempDir(), "state", "key")}
	if _, err := f.Load(ctx); !errors.Is(err, store.ErrNoKey) {
		t.Fatalf("load of nothing: %v", err)
	}
	keys := make([]store.RootKey, 20)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			k, err := f.Create(ctx, store.NewRootKey())
			if err != nil {
				t.Error(err)
			}
			keys[i] = k
		})
	}
	wg.Wait()
	present, err := f.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		if k != present {
			t.Errorf("run %d of %d was told another key", i, len(keys))
		}
	}
	next := store.NewRootKey()
	if err := f.Replace(ctx, next); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Load(ctx); err != nil || got != next {
		t.Errorf("load after replace: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(f.Path)); err != nil || len(left) != 1 {
		t.Errorf("beside the key there is %v (%v)", left, err)
	}
	if err := os.WriteFile(f.Path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(ctx); !errors.Is(err, store.ErrKeyDamaged) {
		t.Errorf("load of garbage: %v", err)
	}
}

func TestChoose(t *testing.T) {
	loc, err := store.Locate(store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if k, err := Choose(loc, store.KeySource{Source: store.SourceFile}); err != nil || k != (File{Path: loc.KeyFile()}) {
		t.Errorf("file: %v, %v", k, err)
	}
	if _, err := Choose(loc, store.KeySource{Source: "tpm"}); !errors.Is(err, store.ErrNewer) {
		t.Errorf("an unknown source: %v", err)
	}
}
