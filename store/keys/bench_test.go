package keys

import (
	"context"
	"testing"

	"regshape/store"
)

// The kernel's cache has its benchmark beside its tests, which are for Linux alone.

func BenchmarkFileLoad(b *testing.B) {
	loc, err := store.Locate(store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	place, root := File{Location: loc}, store.NewRootKey()
	kid := root.KID()
	if err := place.Stage(context.Background(), root, ""); err != nil {
		b.Fatal(err)
	}
	if err := place.Promote(context.Background(), kid); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := place.Load(context.Background(), kid); err != nil || !got.Equal(root) {
			b.Fatal(err)
		}
	}
}
