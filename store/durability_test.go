package store

import (
	"errors"
	"fmt"
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

// undurable lists what a power cut could undo although it was acknowledged: names and
// directories whose own directory was not synced afterwards, and files that were shown before
// their content was synced.
func undurable(steps []step) (found []string) {
	for i, s := range steps {
		switch s.what {
		case "name", "mkdir":
			if filepath.Base(s.path) == ".rekey" {
				continue // tells running writers, and none runs on after a power cut
			}
			if !syncedLater(steps[i+1:], filepath.Dir(s.path)) {
				found = append(found, s.what+" "+s.path)
			}
		case "from":
			if !strings.HasPrefix(filepath.Base(s.path), ".tmp-") {
				continue
			}
			var wrote []string
			for _, earlier := range steps[:i] {
				if earlier.path == s.path {
					wrote = append(wrote, earlier.what)
				}
			}
			if got := strings.Join(wrote, " "); got != "open write sync close" {
				found = append(found, fmt.Sprintf("%s was only: %s", s.path, got))
			}
		}
	}
	return found
}

// syncedLater also wants it done before the directory gets another name.
func syncedLater(steps []step, dir string) bool {
	for _, s := range steps {
		if s.path == dir && s.what == "sync directory" {
			return true
		}
		if s.path == dir && s.what == "from" {
			return false
		}
	}
	return false
}

// What was acknowledged outlives a power cut, whatever was done.
func TestAcknowledgedIsDurable(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, filepath.Join(t.TempDir(), "new", "s"), key)
	elsewhere := KeySource{Source: "memory", Command: []string{"elsewhere"}}
	gone := func(server string) func() error {
		return func() error {
			erased, err := s.Erase(t.Context(), ParseAddress(server))
			if err == nil && !erased {
				err = ErrNotFound
			}
			return err
		}
	}
	put := func() error { return s.Put(t.Context(), Credential{ServerURL: "a", Username: "u", Secret: "s"}) }
	for _, act := range []struct {
		what string
		do   func() error
		wait string // a step that there must have been
	}{
		{"first put", put, "mkdir"},
		{"second put", put, "name"},
		{"erase", gone("a"), "remove"},
		{"put again", put, "name"},
		{"rotate", func() error { return s.Rotate(t.Context(), here(key)) }, "name"},
		{"move", func() error { return s.Move(t.Context(), Rotation{Source: elsewhere, Place: &memoryKey{}}) }, "name"},
		{"erase all", func() error { _, err := s.EraseAll(t.Context()); return err }, "remove"},
	} {
		steps := keepDiary(s)
		if err := act.do(); err != nil {
			t.Fatalf("%s: %v", act.what, err)
		}
		if lost := undurable(*steps); len(lost) > 0 {
			t.Errorf("%s: a power cut may undo %q", act.what, lost)
		}
		seen := false
		for i, step := range *steps {
			seen = seen || step.what == act.wait
			if entry := filepath.Base(step.path); step.what == "remove" && isEntryName(entry) {
				if retired := strings.Contains(step.path, retiredPrefix); !retired && !syncedLater((*steps)[i+1:], filepath.Dir(step.path)) {
					t.Errorf("%s: %s may come back", act.what, step.path)
				}
			}
		}
		if !seen {
			t.Errorf("%s: there was no %s among %v", act.what, act.wait, *steps)
		}
		for _, step := range *steps {
			if step.what == "name" && strings.HasPrefix(filepath.Base(step.path), retiredPrefix) && !syncedLater(*steps, filepath.Dir(step.path)) {
				t.Errorf("%s: the old generation may come back", act.what)
			}
		}
	}
}

// The config that a change is committed by is durable before the old key is forgotten.
func TestRotate_powerCut(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, t.TempDir(), key)
	mustPut(t, s, "a.example", "s")
	d := diary{mu: &sync.Mutex{}, steps: &[]step{}}
	s.disk = d
	place := &notingKey{memoryKey: key, note: func(what string) { _ = d.did(nil, what, "key") }}
	s.sources, s.key = place, place
	if err := s.Rotate(t.Context(), Rotation{Source: key.Default(), Place: place}); err != nil {
		t.Fatal(err)
	}
	order := []struct{ what, path string }{
		{"name", "config.next-"},         // what is to be,
		{"sync directory", ""},           // durable,
		{"stage", "key"},                 // the key in its place,
		{"name", ".rekey"},               // writers informed,
		{"name", s.loc.Generation("")},   // the copies in theirs,
		{"sync directory", s.loc.v1()},   // durable,
		{"name", s.loc.configFile()},     // the commit,
		{"sync directory", s.loc.Config}, // durable,
		{"promote", "key"},               //
		{"discard", "key"},               // and only then the old key
		{"name", retiredPrefix},          // and the old entries.
		{"sync directory", s.loc.v1()},   //
	}
	next := 0
	for _, step := range *d.steps {
		if next < len(order) && step.what == order[next].what && strings.Contains(step.path, order[next].path) {
			next++
		}
	}
	if next < len(order) {
		t.Errorf("%v is missing, or too late, among %v", order[next], *d.steps)
	}
}

// A config that was just made may be another run's that never came to sync it.
func TestPut_syncsFreshConfig(t *testing.T) {
	top := t.TempDir()
	key := &memoryKey{}
	s, err := Open(Location{Data: filepath.Join(top, "d"), State: filepath.Join(top, "s"), Config: filepath.Join(top, "c")}, key)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a.example", "s")
	old := time.Now().Add(-2 * durable.Settled)
	for _, fresh := range []bool{true, false} {
		if !fresh {
			if err := os.Chtimes(s.loc.configFile(), old, old); err != nil {
				t.Fatal(err)
			}
		}
		steps := keepDiary(s)
		mustPut(t, s, "b.example", "s")
		synced := slices.Contains(*steps, step{"sync directory", s.loc.Config})
		if synced != fresh {
			t.Errorf("fresh %t: synced %t", fresh, synced)
		}
	}
	if err := os.Chtimes(s.loc.configFile(), time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	stopped := false
	s.disk = fault{step: "sync directory", err: syscall.EIO, stopped: &stopped}.disk()
	if err := s.Put(t.Context(), Credential{ServerURL: "c.example", Username: "u"}); !errors.Is(err, durable.ErrUnsure) || !errors.Is(err, syscall.EIO) {
		t.Errorf("put: %v", err)
	}
}

// Nothing that was begun stays open to a power cut when a first run finds directories that
// somebody made a moment ago.
func TestPut_syncsFreshDirectories(t *testing.T) {
	s := memoryStore(t, filepath.Join(t.TempDir(), "s"), &memoryKey{})
	mustPut(t, s, "a.example", "s")
	steps := keepDiary(s)
	mustPut(t, s, "b.example", "s")
	synced := map[string]bool{}
	for _, step := range *steps {
		if step.what == "mkdir" {
			t.Errorf("%s was made again", step.path)
		}
		synced[step.path] = synced[step.path] || step.what == "sync directory"
	}
	for _, dir := range []string{s.loc.v1(), s.loc.Data, filepath.Dir(s.loc.Data)} {
		if !synced[dir] {
			t.Errorf("%s was not synced: another run may have made what is in it, and not be done", dir)
		}
	}
}

// diary is a disk that writes down what is done to it.
type diary struct {
	durable.OS
	mu    *sync.Mutex
	steps *[]step
}

// step is one entry: what was done, and to which path.
type step struct{ what, path string }

func keepDiary(s *Store) *[]step {
	d := diary{mu: &sync.Mutex{}, steps: &[]step{}}
	s.disk = d
	return d.steps
}

// did notes a step that went well.
func (d diary) did(err error, what, path string) error {
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		*d.steps = append(*d.steps, step{what, path})
	}
	return err
}

func (d diary) OpenNew(path string) (durable.NewFile, error) {
	f, err := d.OS.OpenNew(path)
	return diaryFile{f, d, path}, d.did(err, "open", path)
}

func (d diary) Rename(from, to string) error {
	if err := d.did(nil, "from", from); err != nil {
		return err
	}
	return d.did(d.OS.Rename(from, to), "name", to)
}

func (d diary) Link(from, to string) error {
	if err := d.did(nil, "from", from); err != nil {
		return err
	}
	return d.did(d.OS.Link(from, to), "name", to)
}

func (d diary) Remove(path string) error { return d.did(d.OS.Remove(path), "remove", path) }

func (d diary) Mkdir(path string) error { return d.did(d.OS.Mkdir(path), "mkdir", path) }

func (d diary) SyncDir(path string) error {
	return d.did(d.OS.SyncDir(path), "sync directory", path)
}

type diaryFile struct {
	durable.NewFile
	d    diary
	path string
}

func (f diaryFile) Write(p []byte) (int, error) {
	n, err := f.NewFile.Write(p)
	return n, f.d.did(err, "write", f.path)
}

func (f diaryFile) Sync() error { return f.d.did(f.NewFile.Sync(), "sync", f.path) }

func (f diaryFile) Close() error { return f.d.did(f.NewFile.Close(), "close", f.path) }
