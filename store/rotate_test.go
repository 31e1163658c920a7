package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"regshape/store/durable"
)

func mustPut(t *testing.T, s *Store, server, secret string) {
	t.Helper()
	if err := s.Put(t.Context(), Credential{ServerURL: server, Username: "u", Secret: secret}); err != nil {
		t.Fatal(err)
	}
}

// here is a rotation that stays in the place that the test's key is in.
func here(key *memoryKey) Rotation { return Rotation{Source: key.Default(), Place: key} }

// settledTree fails when something of a rotation is left: one generation, one config, one
// key, and names for it alone.
func settledTree(t *testing.T, s *Store, key *memoryKey) {
	t.Helper()
	var found []string
	err := filepath.WalkDir(s.loc.Data, func(path string, d fs.DirEntry, err error) error {
		if name := d.Name(); strings.HasPrefix(name, ".") || strings.HasPrefix(name, "g-") || strings.Contains(name, ".next-") {
			found = append(found, name)
		}
		return err
	})
	custody, custodyErr := s.Custody()
	if err = errors.Join(err, custodyErr); err != nil || len(found) != 1 || found[0] != "g-"+custody.KID {
		t.Errorf("the store of key %s has %q (%v)", custody.KID, found, err)
	}
	if k := key.root(t); k.KID() != custody.KID {
		t.Errorf("the key there is %s, the pinned one %s", k.KID(), custody.KID)
	}
	if lines, err := s.namesLines(); err != nil || len(lines) != 1 || lines[0].kid != custody.KID {
		t.Errorf("the names file has %d lines (%v)", len(lines), err)
	}
}

func TestRotate(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, t.TempDir(), key)
	for i := range 30 {
		mustPut(t, s, fmt.Sprintf("r%d.example", i), fmt.Sprint("secret ", i))
	}
	before := key.root(t)
	calls := 0
	r := here(key)
	r.Progress = func(done, total int) {
		if calls++; done != calls || total != 30 {
			t.Errorf("progress %d of %d, %d calls", done, total, calls)
		}
	}
	old := memoryStore(t, s.loc.Data, key) // opened before, used after
	if err := s.Rotate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	settledTree(t, s, key)
	if key.root(t).Equal(before) || calls != 30 {
		t.Errorf("the key is the old one, or the progress was reported %d times", calls)
	}
	for _, s := range []*Store{s, old, memoryStore(t, s.loc.Data, key)} {
		for i := range 30 {
			if got := secretOf(s, fmt.Sprintf("r%d.example", i)); got != fmt.Sprint("secret ", i) {
				t.Fatalf("r%d: %s", i, got)
			}
		}
		if found, damaged, err := s.List(t.Context()); len(found) != 30 || len(damaged) != 0 || err != nil {
			t.Errorf("list: %d, %v, %v", len(found), damaged, err)
		}
	}
	mustPut(t, old, "r0.example", "newer")
	if got := secretOf(s, "r0.example"); got != "newer" {
		t.Errorf("after a put through a store that was opened before: %s", got)
	}
	if done, err := s.Resume(t.Context(), nil); done || err != nil {
		t.Errorf("resume of nothing: %t, %v", done, err)
	}
	if done, err := s.Abort(t.Context()); done || err != nil {
		t.Errorf("abort of nothing: %t, %v", done, err)
	}
}

func TestRotate_emptyAndFixedKey(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, t.TempDir(), key)
	to := NewRootKey()
	r := here(key)
	r.Key = &to
	if err := s.Rotate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if !key.root(t).Equal(to) {
		t.Error("the store did not turn to the key that was given")
	}
	if err := s.Rotate(t.Context(), r); err == nil {
		t.Error("a rotation onto the present key was accepted")
	}
	mustPut(t, s, "a.example", "s")
	settledTree(t, s, key)
}

// A damaged entry would be lost with the old generation: nothing is changed.
func TestRotate_damagedEntry(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, t.TempDir(), key)
	mustPut(t, s, "a.example", "s")
	before := key.root(t)
	dir := s.loc.Generation(before.KID())
	for name, content := range map[string]string{strings.Repeat("0", 32): "x", strings.Repeat("v", 32): ""} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var entry *EntryError
		if err := s.Rotate(t.Context(), here(key)); !errors.As(err, &entry) || entry.File != path {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		settledTree(t, s, key)
	}
	if !key.root(t).Equal(before) || secretOf(s, "a.example") != "s" {
		t.Error("the store was changed")
	}
}

// Any step that fails leaves the store under one key, whole, and the next write or rotation
// goes well.
func TestRotate_failingDisk(t *testing.T) {
	cases := 0
	for _, step := range []string{"open", "write", "sync", "close", "rename", "link", "mkdir", "remove", "sync directory"} {
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
	s.disk = fault{step: step, after: after, err: cause, stopped: &stopped}.disk()
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
	s.rotationTimeout = 20 * time.Millisecond
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
func TestRotate_commitThatLies(t *testing.T) {
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
		s.disk = durable.OS{}
		if got := secretOf(s, "a.example"); got != "s" {
			t.Errorf("a commit that lies (%t): %s", lies, got)
		}
		settledTree(t, s, key)
	}
}

// commitDisk says EIO to the rename of a staged config, after or instead of doing it.
type commitDisk struct {
	durable.OS
	lies bool
}

func (d commitDisk) Rename(from, to string) error {
	if !strings.Contains(from, ".next-") {
		return d.OS.Rename(from, to)
	}
	if d.lies {
		if err := d.OS.Rename(from, to); err != nil {
			return err
		}
	}
	return syscall.EIO
}

// A rotation that holds up a writer is taken back, and begins again.
func TestPut_takesRotationBack(t *testing.T) {
	key := &memoryKey{}
	dir := t.TempDir()
	s := memoryStore(t, dir, key)
	for i := range 3 {
		mustPut(t, s, fmt.Sprintf("r%d.example", i), fmt.Sprint(i))
	}
	writer := memoryStore(t, dir, key)
	writer.rotationTimeout = 30 * time.Millisecond
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

// Two rotations at once: one key wins, and the other run is reported.
func TestRotate_atOnce(t *testing.T) {
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
				if err != nil && !errors.Is(err, ErrRotating) && !LeftBehind(err) && !strings.Contains(err.Error(), "try again when it is idle") {
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
	// A run that ends while the next one begins may leave the names of its own key, which
	// answer nothing. The next write replaces them.
	mustPut(t, s, "a.example", "s")
	settledTree(t, s, key)
}

// Writers, readers and a rotator in one process; the race detector watches.
func TestRotate_underWriters(t *testing.T) {
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
func TestRotate_comesBack(t *testing.T) {
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
