package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/store/durable"
)

// errHeld is what a file is refused with that somebody else has open.
var errHeld = errors.New("the process cannot access the file because it is being used by another process")

// windowsDisk refuses steps on a file while somebody holds it, and retries renames as
// [RenameOver] does there, by a clock of its own.
type windowsDisk struct {
	lyingDisk
	holds  func(step, path string) bool
	waited time.Duration
}

func newWindowsDisk(holds func(step, path string) bool) *windowsDisk {
	d := &windowsDisk{holds: holds}
	d.lie = func(step, path string, do func() error) error {
		try := func() error {
			if d.holds(step, path) {
				return &fs.PathError{Op: step, Path: path, Err: errHeld}
			}
			return do()
		}
		if step != "rename" {
			return try()
		}
		return durable.WhileHeld(try, func(err error) bool { return errors.Is(err, errHeld) }, func(pause time.Duration) { d.waited += pause })
	}
	return d
}

// A rename over a file that somebody reads is tried again until the reader is done.
func TestWindows_readerHoldsEntry(t *testing.T) {
	s := memoryStore(t, t.TempDir(), &memoryKey{})
	if err := putSecret(t, s, oldSecret); err != nil {
		t.Fatal(err)
	}
	var d *windowsDisk
	d = newWindowsDisk(func(step, path string) bool { return step == "rename" && d.waited < 300*time.Millisecond })
	s.disk = d
	if err := putSecret(t, s, newSecret); err != nil {
		t.Errorf("the reader was done after 300 ms, but put says %v", err)
	}
	if got := secretOf(s, "h"); got != newSecret || d.waited != 300*time.Millisecond {
		t.Errorf("after %v there is %s", d.waited, got)
	}
}

// Who holds a file for good makes a put fail after 2 s, and the old login stays.
func TestWindows_fileHeldForGood(t *testing.T) {
	for _, held := range []string{"entry", "temporary file"} {
		t.Run(held, func(t *testing.T) {
			dir := t.TempDir()
			key := &memoryKey{}
			s := memoryStore(t, dir, key)
			if err := putSecret(t, s, oldSecret); err != nil {
				t.Fatal(err)
			}
			d := newWindowsDisk(func(step, path string) bool {
				scanned := held == "temporary file" && step == "remove" && strings.HasPrefix(filepath.Base(path), ".tmp-")
				return step == "rename" || scanned
			})
			s.disk = d
			err := putSecret(t, s, newSecret)
			if !errors.Is(err, errHeld) || !strings.Contains(err.Error(), dir) || errors.Is(err, durable.ErrUnsure) {
				t.Errorf("put says %v", err)
			}
			if d.waited != durable.HeldLimit {
				t.Errorf("it waited for %v", d.waited)
			}
			s = memoryStore(t, dir, key)
			if got := secretOf(s, "h"); got != oldSecret {
				t.Errorf("then there is %s", got)
			}
			left := temporaryFiles(t, dir)
			if want := map[string]int{"entry": 0, "temporary file": 1}[held]; len(left) != want {
				t.Errorf("temporary files are left: %q", left)
			}
			if found, damaged, err := s.List(t.Context()); err != nil || len(damaged) > 0 || len(found) != 1 {
				t.Errorf("the list has %d logins, %d of them damaged, %v", len(found), len(damaged), err)
			}
			if err := putSecret(t, s, newSecret); err != nil || secretOf(s, "h") != newSecret {
				t.Errorf("when nobody holds it any more, put says %v", err)
			}
		})
	}
}

func temporaryFiles(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasPrefix(filepath.Base(path), ".tmp-") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// An entry that somebody holds cannot be removed: the erase fails, and the login stays.
func TestWindows_eraseOfHeldEntry(t *testing.T) {
	s := memoryStore(t, t.TempDir(), &memoryKey{})
	if err := putSecret(t, s, oldSecret); err != nil {
		t.Fatal(err)
	}
	honest := s.disk
	s.disk = newWindowsDisk(func(step, _ string) bool { return step == "remove" })
	erased, err := s.Erase(t.Context(), ParseAddress("h"))
	if erased || !errors.Is(err, errHeld) || !strings.Contains(err.Error(), "h") {
		t.Errorf("erase says %v, %v", erased, err)
	}
	if got := secretOf(s, "h"); got != oldSecret {
		t.Errorf("then there is %s", got)
	}
	s.disk = honest
	if erased, err := s.Erase(t.Context(), ParseAddress("h")); !erased || err != nil || secretOf(s, "h") != ErrNotFound.Error() {
		t.Errorf("when nobody holds it any more, erase says %v, %v", erased, err)
	}
}

// A directory cannot be renamed while somebody reads a file in it: a rotation fails before the
// store has turned, or the old generation is left to a later run.
func TestWindows_readerHoldsGeneration(t *testing.T) {
	for _, held := range []string{"g-", ".retired-"} { // by what it would be called then
		t.Run(held, func(t *testing.T) {
			key, dir := &memoryKey{}, t.TempDir()
			s := memoryStore(t, dir, key)
			if err := putSecret(t, s, oldSecret); err != nil {
				t.Fatal(err)
			}
			before := key.root(t)
			s.disk = newWindowsDisk(func(step, path string) bool {
				return step == "rename" && strings.HasPrefix(filepath.Base(path), held)
			})
			if err := s.Rotate(t.Context(), here(key)); !errors.Is(err, errHeld) {
				t.Errorf("rotate says %v", err)
			}
			s = memoryStore(t, dir, key)
			if got := secretOf(s, "h"); got != oldSecret {
				t.Errorf("then there is %s", got)
			}
			if _, err := s.Resume(t.Context(), nil); err != nil {
				t.Errorf("resume says %v", err)
			}
			if err := putSecret(t, s, newSecret); err != nil || secretOf(s, "h") != newSecret {
				t.Errorf("when nobody holds it any more, put says %v", err)
			}
			if turned := !key.root(t).Equal(before); turned != (held == ".retired-") {
				t.Errorf("the store has turned to another key: %v", turned)
			}
			settledTree(t, s, key)
		})
	}
}

// FAT has no links. A first run on it says so, and leaves neither a key nor a config, so
// that another directory, or another day, finds an empty store.
func TestPut_noHardLinks(t *testing.T) {
	for _, cause := range []error{errors.ErrUnsupported, syscall.EPERM} { // what Windows says, and Linux
		t.Run(fmt.Sprint(cause), func(t *testing.T) {
			key, dir := &memoryKey{}, t.TempDir()
			s := memoryStore(t, dir, key)
			s.disk = &lyingDisk{lie: func(step, path string, do func() error) error {
				if step == "link" {
					return &os.LinkError{Op: "link", Old: path, New: path, Err: cause}
				}
				return do()
			}}
			err := putSecret(t, s, newSecret)
			if !errors.Is(err, cause) || !strings.Contains(err.Error(), s.loc.configFile()) {
				t.Errorf("put says %v", err)
			}
			if len(key.keys) != 0 {
				t.Errorf("%d keys are left", len(key.keys))
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) > 0 {
				t.Errorf("it leaves %v, %v", entries, err)
			}
			if err := putSecret(t, memoryStore(t, dir, key), newSecret); err != nil {
				t.Errorf("where there are links, put says %v", err)
			}
		})
	}
}

// No two names of a store differ only in case, whatever the addresses are: APFS and NTFS
// would take them for one.
func TestNamesThatFoldCase(t *testing.T) {
	key, dir := &memoryKey{}, t.TempDir()
	s := memoryStore(t, dir, key)
	servers := []string{"h/team/app", "h/Team/app", "h/TEAM/APP", "H/team/app"} // the last is the first
	for _, server := range servers {
		mustPut(t, s, server, server)
	}
	seen := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		folded := strings.ToLower(strings.TrimPrefix(path, dir))
		if other, twice := seen[folded]; twice {
			t.Errorf("%s and %s are one file there", other, path)
		}
		if name := filepath.Base(path); path != dir && name != strings.ToLower(name) {
			t.Errorf("%s is not in lower case", path)
		}
		seen[folded] = path
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range servers[1:] {
		want := server
		if got := secretOf(s, server); got != want {
			t.Errorf("%s has %q", server, got)
		}
	}
}
