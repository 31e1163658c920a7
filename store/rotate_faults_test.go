package store

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Any step that fails leaves the store under one key, whole, and the next write or rotation
// goes well.
func TestRotateFailures(t *testing.T) {
	cases := 0
	for _, step := range []string{"open", "write", "sync", "close", "rename", "link", "mkdir", "remove", "sync folder"} {
		for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
			for after := 0; rotateFailing(t, step, cause, after); after++ {
				cases++
			}
		}
	}
	t.Logf("%d failing steps", cases)
	if cases < 50 {
		t.Errorf("only %d steps were made to fail", cases)
	}
}

// rotateFailing reports whether the step was reached.
func rotateFailing(t *testing.T, step string, cause error, after int) bool {
	t.Helper()
	key := &memoryKey{}
	dir := t.TempDir()
	s := memoryStore(t, dir, key)
	for i := range 3 {
		mustPut(t, s, fmt.Sprintf("r%d.example", i), fmt.Sprint(i))
	}
	stopped := false
	s.disk = &brokenDisk{step: step, after: after, err: cause, stopped: &stopped}
	err := s.Rotate(t.Context(), here(key))
	if !stopped {
		if err != nil {
			t.Fatalf("%s %d was not reached, yet %v", step, after, err)
		}
		return false
	}
	what := fmt.Sprintf("%s %d: %v", step, after, cause)
	check := func(s *Store) {
		t.Helper()
		for i := range 3 {
			if got := secretOf(s, fmt.Sprintf("r%d.example", i)); got != fmt.Sprint(i) {
				t.Fatalf("failing %s (%v): r%d is %s", what, err, i, got)
			}
		}
	}
	s = memoryStore(t, dir, key)
	s.patience = 20 * time.Millisecond
	check(s)
	switch after % 3 {
	case 0:
		_, err = s.Resume(t.Context(), nil)
	case 1:
		_, err = s.Abort(t.Context())
	case 2:
		err = s.Put(t.Context(), Credential{ServerURL: "new.example", Username: "u", Secret: "s"})
	}
	if err != nil {
		t.Fatalf("failing %s: then %v", what, err)
	}
	check(s)
	if err := s.Rotate(t.Context(), here(key)); err != nil && !errors.Is(err, ErrRotating) {
		t.Fatalf("failing %s: the next rotation: %v", what, err)
	} else if err != nil { // staged without a marker: nobody else has cleared it away
		t.Fatalf("failing %s: the next rotation: %v", what, err)
	}
	check(memoryStore(t, dir, key))
	return true
}

// A commit that was done although its rename reported an error counts.
func TestCommitThatLies(t *testing.T) {
	for _, lies := range []bool{true, false} {
		key := &memoryKey{}
		s := memoryStore(t, t.TempDir(), key)
		mustPut(t, s, "a.example", "s")
		before := key.root(t)
		s.disk = commitDisk{lies: lies}
		err := s.Rotate(t.Context(), here(key))
		if (err == nil) != lies || key.root(t).Equal(before) == lies {
			t.Errorf("a commit that lies (%t): %v", lies, err)
		}
		s.disk = osDisk{}
		if got := secretOf(s, "a.example"); got != "s" {
			t.Errorf("a commit that lies (%t): %s", lies, got)
		}
		settledTree(t, s, key)
	}
}

// commitDisk says EIO to the rename of a staged config, after or instead of doing it.
type commitDisk struct {
	osDisk
	lies bool
}

func (d commitDisk) rename(from, to string) error {
	if !strings.Contains(from, ".next-") {
		return d.osDisk.rename(from, to)
	}
	if d.lies {
		if err := d.osDisk.rename(from, to); err != nil {
			return err
		}
	}
	return syscall.EIO
}
