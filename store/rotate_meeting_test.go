package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A rotation that holds up a writer is taken back, and begins again.
func TestWriterTakesRotationBack(t *testing.T) {
	key := &memoryKey{}
	dir := t.TempDir()
	s := memoryStore(t, dir, key)
	for i := range 3 {
		mustPut(t, s, fmt.Sprintf("r%d.example", i), fmt.Sprint(i))
	}
	writer := memoryStore(t, dir, key)
	writer.patience = 30 * time.Millisecond
	r := here(key)
	times := 0
	r.Progress = func(done, total int) {
		if done == total && times < 2 { // everything is copied; the commit comes next
			times++
			mustPut(t, writer, "r1.example", fmt.Sprint("late ", times))
			if _, err := writer.Erase(t.Context(), ParseAddress("r2.example")); err != nil {
				t.Error(err)
			}
		}
	}
	before := key.root(t)
	if err := s.Rotate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if key.root(t).Equal(before) || times != 2 {
		t.Errorf("the rotation was taken back %d times and did not happen in the end", times)
	}
	if got := secretOf(s, "r1.example"); got != "late 2" {
		t.Errorf("what the writer wrote is now %s", got)
	}
	if got := secretOf(s, "r2.example"); got != ErrNotFound.Error() {
		t.Errorf("what the writer erased is now %s", got)
	}
	settledTree(t, s, key)

	r.Progress = func(done, _ int) {
		if done == 2 {
			mustPut(t, writer, "r1.example", "again")
		}
	}
	if err := s.Rotate(t.Context(), r); err == nil || !strings.Contains(err.Error(), "try again") {
		t.Errorf("a rotation that is always taken back: %v", err)
	}
	settledTree(t, s, key)
}

// Two rotations at once: one key wins, and the other run is told.
func TestRotationsMeet(t *testing.T) {
	key := &memoryKey{}
	dir := t.TempDir()
	mustPut(t, memoryStore(t, dir, key), "a.example", "s")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s := memoryStore(t, dir, key)
			for range 10 {
				err := s.Rotate(context.Background(), here(key))
				// The last is for a run that the others were in the way of each time.
				if err != nil && !errors.Is(err, ErrRotating) && !LeftBehind(err) && !strings.Contains(err.Error(), "try again when it is quiet") {
					t.Errorf("rotate: %v", err)
				}
				if got := secretOf(s, "a.example"); got != "s" {
					t.Errorf("get: %s", got)
				}
			}
		})
	}
	wg.Wait()
	s := memoryStore(t, dir, key)
	if _, err := s.Resume(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	settledTree(t, s, key)
}

// Writers, readers and a rotator in one process; the race detector watches.
func TestRotationUnderWriters(t *testing.T) {
	key := &memoryKey{}
	dir := t.TempDir()
	s := memoryStore(t, dir, key)
	mustPut(t, s, "first.example", "s")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	last := make([]int, 4)
	for w := range last {
		wg.Go(func() {
			server := fmt.Sprintf("w%d.example", w)
			for i := 1; ; i++ {
				if err := s.Put(context.Background(), Credential{ServerURL: server, Username: "u", Secret: fmt.Sprint(i)}); err != nil {
					t.Errorf("put: %v", err)
					return
				}
				last[w] = i
				if got := secretOf(s, server); got != fmt.Sprint(i) {
					t.Errorf("wrote %d, read %s", i, got)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	rotations := 20
	if testing.Short() {
		rotations = 5
	}
	rotator := memoryStore(t, dir, key)
	for range rotations {
		if err := rotator.Rotate(t.Context(), here(key)); err != nil {
			t.Error(err)
		}
		found, damaged, err := rotator.List(t.Context())
		if err != nil || len(damaged) > 0 || !slices.ContainsFunc(found, func(c Credential) bool { return c.ServerURL == "first.example" }) {
			t.Errorf("list: %d, %v, %v", len(found), damaged, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	for w, i := range last {
		if got := secretOf(s, fmt.Sprintf("w%d.example", w)); got != fmt.Sprint(i) {
			t.Errorf("w%d: wrote %d, read %s", w, i, got)
		}
	}
	settledTree(t, s, key)
}

// A rotation that another run has resumed, while it was stopped, does nothing to what the
// store is by then.
func TestStoppedRotationComesBack(t *testing.T) {
	key := &memoryKey{}
	dir := t.TempDir()
	s := memoryStore(t, dir, key)
	for i := range 3 {
		mustPut(t, s, fmt.Sprintf("r%d.example", i), fmt.Sprint(i))
	}
	other := memoryStore(t, dir, key)
	r := here(key)
	resumed := false
	r.Progress = func(int, int) {
		if resumed {
			return
		}
		resumed = true
		if done, err := other.Resume(t.Context(), nil); !done || err != nil {
			t.Errorf("resume: %t, %v", done, err)
		}
		mustPut(t, other, "r0.example", "newer")
		mustPut(t, other, "new.example", "new")
		if _, err := other.Erase(t.Context(), ParseAddress("r1.example")); err != nil {
			t.Error(err)
		}
	}
	if err := s.Rotate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for server, want := range map[string]string{
		"r0.example": "newer", "r1.example": ErrNotFound.Error(), "r2.example": "2", "new.example": "new",
	} {
		if got := secretOf(s, server); got != want {
			t.Errorf("%s: %s, want %s", server, got, want)
		}
	}
	settledTree(t, s, key)
}
