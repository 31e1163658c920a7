package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"regshape/store"
	"regshape/store/keys"
)

// Each run of the helper opens the store anew, so that is part of what is measured here.

// filled makes a store of size credentials, with its key in a file.
func filled(b *testing.B, size int) store.Location {
	b.Helper()
	loc, err := store.Locate(store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	for n := range size {
		putOne(b, loc, n)
	}
	return loc
}

func putOne(b *testing.B, loc store.Location, n int) {
	b.Helper()
	err := openAt(b, loc).Put(context.Background(), store.Credential{
		ServerURL: fmt.Sprintf("registry-%d.example.com", n), Username: "bench", Secret: "correct horse battery staple", Kind: store.KindPassword,
	})
	if err != nil {
		b.Fatal(err)
	}
}

func openAt(b *testing.B, loc store.Location) *store.Store {
	b.Helper()
	s, err := store.Open(loc, keys.Sources{})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// A store of one and one of a thousand: get is to take the same time in both.
func BenchmarkRead(b *testing.B) {
	stored, missing := store.ParseAddress("registry-0.example.com"), store.ParseAddress("nowhere.example.com")
	for _, size := range []int{1, 1000} {
		loc := filled(b, size)
		run := func(name string, read func(s *store.Store) error) {
			b.Run(fmt.Sprintf("%s/stored=%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := read(openAt(b, loc)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("get", func(s *store.Store) error {
			_, err := s.Get(context.Background(), stored)
			return err
		})
		run("get-miss", func(s *store.Store) error {
			if _, err := s.Get(context.Background(), missing); !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("it is there: %w", err)
			}
			return nil
		})
		run("list", func(s *store.Store) error {
			found, damaged, err := s.List(context.Background())
			if len(found) != size || len(damaged) > 0 {
				return fmt.Errorf("%d found, %d damaged: %w", len(found), len(damaged), err)
			}
			return err
		})
	}
}

// Most of it is waiting for the disk.
func BenchmarkPut(b *testing.B) {
	loc := filled(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		putOne(b, loc, 0)
	}
}
