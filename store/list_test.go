package store

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"
)

// A locked store that is empty has an empty list. What is listed holds no memory of a read.
func TestListOfFewEntries(t *testing.T) {
	s, key := notingStore(t, false)
	found, _, err := s.List(t.Context())
	if err != nil || len(found) != 1 || found[0].payload != nil {
		t.Errorf("%v, %v", found, err)
	}
	if _, err := s.EraseAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	key.locked = true
	if found, damaged, err := s.List(t.Context()); len(found)+len(damaged) != 0 || err != nil {
		t.Errorf("locked and empty: %v, %v, %v", found, damaged, err)
	}
}

// A list is whole however many parts it is opened in.
func TestListOfManyEntries(t *testing.T) {
	s, _ := notingStore(t, true)
	const n = 150
	for i := range n {
		mustPut(t, s, strings.Repeat("x", i%50+1)+string(rune('a'+i/50))+".example", "s")
	}
	found, damaged, err := s.List(t.Context())
	if err != nil || len(damaged) != 0 || len(found) != n {
		t.Fatalf("%d found, %v, %v", len(found), damaged, err)
	}
	for i := range found[1:] {
		if found[i].Canonical >= found[i+1].Canonical {
			t.Errorf("%s before %s", found[i].Canonical, found[i+1].Canonical)
		}
	}
}

// A step that went well is not done again, whatever its error is asked about.
func TestWhileHeldEnds(t *testing.T) {
	for _, failing := range []bool{true, false} {
		steps, slept := 0, time.Duration(0)
		err := whileHeld(func() error {
			if steps++; failing {
				return fs.ErrPermission
			}
			return nil
		}, func(error) bool { return true }, func(d time.Duration) { slept += d })
		if want := 1 + int(heldLimit/heldPause); failing && (steps != want || slept != heldLimit || !errors.Is(err, fs.ErrPermission)) {
			t.Errorf("held for good: %d steps in %v, %v", steps, slept, err)
		}
		if !failing && (steps != 1 || slept != 0 || err != nil) {
			t.Errorf("never held: %d steps in %v, %v", steps, slept, err)
		}
	}
}
