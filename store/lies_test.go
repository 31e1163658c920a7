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

	"regshape/store/durable"
)

// once makes a disk that lies about the n-th step of a kind. It counts those steps in met, and
// leaves the path of the n-th.
func once(step string, n int, cause error, done bool, met *int, at *string) *lyingDisk {
	return &lyingDisk{lie: func(kind, path string, do func() error) error {
		if kind != step {
			return do()
		}
		if *met++; *met != n {
			return do()
		}
		*at = path
		if done {
			if err := do(); err != nil {
				return err
			}
		}
		return &fs.PathError{Op: kind, Path: path, Err: cause}
	}}
}

// lie is what a server or its client says wrongly.
type lie struct {
	name   string
	step   string
	err    syscall.Errno
	done   bool // the step was done all the same
	report report
}

// report says whether the command has to report a lie. Where it need not, it may have done
// the step over.
type report string

const (
	never  report = "never" // all is as it should be
	always report = "always"
	either report = "either"
)

var lies = []lie{
	{"a rename that the server was asked for twice", "rename", syscall.ENOENT, true, never},
	{"a link that the server was asked for twice", "link", syscall.EEXIST, true, never},
	{"a directory that the server was asked for twice", "mkdir", syscall.EEXIST, true, never},
	{"a removal that the server was asked for twice", "remove", syscall.ENOENT, true, never},
	{"a rename that was not done", "rename", syscall.ENOENT, false, either},
	{"a rename that was not done", "rename", syscall.ESTALE, false, always},
	{"a link that was not done", "link", syscall.EIO, false, always},
	{"a rename whose answer was lost", "rename", syscall.EIO, true, either},
	{"a quota that shows at the end", "close", syscall.EDQUOT, true, always},
	{"a write that fails at the end", "close", syscall.EIO, true, always},
	{"a sync that fails once", "sync", syscall.EIO, false, always},
	{"a directory's sync that fails once", "sync directory", syscall.EIO, false, always},
}

const (
	oldSecret = "s3cret-before"
	newSecret = "s3cret-after"
)

func putSecret(t *testing.T, s *Store, secret string) error {
	t.Helper()
	return s.Put(t.Context(), Credential{ServerURL: "h", Username: "u", Secret: secret})
}

// asked is what a store is asked to do while it is lied to.
type asked struct {
	name   string
	before string // the secret of the login "h" before it, or why there is none
	after  string
	do     func(t *testing.T, s *Store, key *memoryKey) error
}

var allAsked = []asked{
	{"first put", ErrNotFound.Error(), newSecret, func(t *testing.T, s *Store, _ *memoryKey) error { return putSecret(t, s, newSecret) }},
	{"put", oldSecret, newSecret, func(t *testing.T, s *Store, _ *memoryKey) error { return putSecret(t, s, newSecret) }},
	{"erase", oldSecret, ErrNotFound.Error(), func(t *testing.T, s *Store, _ *memoryKey) error {
		_, err := s.Erase(t.Context(), ParseAddress("h"))
		return err
	}},
	{"rotate", oldSecret, oldSecret, func(t *testing.T, s *Store, key *memoryKey) error { return s.Rotate(t.Context(), here(key)) }},
}

// Network file systems report what is not so, as a server that lost its answer is asked
// again, and find out late what has failed. Whatever they say at whichever step, the login is
// the old or the new one; the new one where that was acknowledged; and the next commands work.
func TestLies(t *testing.T) {
	for _, l := range lies {
		for _, a := range allAsked {
			t.Run(fmt.Sprintf("%s/%s/%s", a.name, l.name, l.err), func(t *testing.T) {
				for n := 1; lieAt(t, l, a, n); n++ {
				}
			})
		}
	}
}

// lieAt reports whether there was an n-th step to lie about.
func lieAt(t *testing.T, l lie, a asked, n int) bool {
	t.Helper()
	key, dir := &memoryKey{}, filepath.Join(t.TempDir(), "s")
	s := memoryStore(t, dir, key)
	if a.before == oldSecret {
		if err := putSecret(t, s, oldSecret); err != nil {
			t.Fatal(err)
		}
	}
	var met int
	var path string
	s.disk = once(l.step, n, l.err, l.done, &met, &path)
	err := a.do(t, s, key)
	what := fmt.Sprintf("%s %d (%s)", l.step, n, strings.TrimPrefix(path, dir))
	if met < n {
		if err != nil {
			t.Fatalf("%s was not reached, yet: %v", what, err)
		}
		return false
	}
	must := l.report
	switch {
	case a.name == "rotate" && l.step == "rename" && must == never:
		must = either // a directory that was renamed is not recognized; the rotation is refused
	case a.name == "first put" && l.step == "sync directory" && path == dir:
		must = either // a config that may not be durable is made anew, with another key
	}
	checkReport(t, must, what, path, err, l.err)
	s = memoryStore(t, dir, key)
	got := secretOf(s, "h")
	removed := a.name == "erase" && l.step == "sync directory" // as the error says
	switch {
	case err == nil && got != a.after:
		t.Errorf("%s: it was acknowledged, and then there is %q", what, got)
	case got != a.before && got != a.after:
		t.Errorf("%s: then there is %q", what, got)
	case !l.done && err != nil && got != a.before && !errors.Is(err, durable.ErrUnsure) && !removed:
		t.Errorf("%s: it says %v, and yet it was done", what, err)
	}
	if a.name == "rotate" {
		if _, err := s.Resume(t.Context(), nil); err != nil {
			t.Errorf("%s: then resume says %v", what, err)
		}
	}
	if err := putSecret(t, s, newSecret); err != nil || secretOf(s, "h") != newSecret {
		t.Errorf("%s: the next put says %v, and get %s", what, err, secretOf(s, "h"))
	}
	settledTree(t, memoryStore(t, dir, key), key)
	return true
}

// checkReport fails unless a command says what is so: the file and the cause, and no secret.
func checkReport(t *testing.T, must report, what, path string, err, cause error) {
	t.Helper()
	switch {
	case err == nil:
		if must == always {
			t.Errorf("%s: it says nothing", what)
		}
	case must == never:
		t.Errorf("%s: all is as it should be, but it says %v", what, err)
	case !errors.Is(err, cause) || !strings.Contains(err.Error(), path):
		t.Errorf("%s: the error does not say which file, and why: %v", what, err)
	case strings.Contains(err.Error(), oldSecret) || strings.Contains(err.Error(), newSecret):
		t.Errorf("%s: the error tells a secret: %v", what, err)
	}
}

// NFS renames a file that is removed while somebody reads it to .nfs*, and removes that when
// the reader is done. Nothing takes it for an entry, and a rotation that cannot remove it
// says so and succeeds; the next one clears it away.
func TestRotate_nfsKeepsRemoved(t *testing.T) {
	key, dir := &memoryKey{}, t.TempDir()
	s := memoryStore(t, dir, key)
	if err := putSecret(t, s, oldSecret); err != nil {
		t.Fatal(err)
	}
	before := key.root(t)
	kept := filepath.Join(s.loc.Generation(before.KID()), ".nfs00000000deadbeef")
	if err := os.WriteFile(kept, []byte("what somebody still reads"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, damaged, err := s.List(t.Context()); err != nil || len(found) != 1 || len(damaged) > 0 {
		t.Errorf("the list has %d logins and %d damaged ones, %v", len(found), len(damaged), err)
	}
	honest := s.disk
	s.disk = &lyingDisk{lie: func(step, path string, do func() error) error {
		if step == "remove" && strings.HasPrefix(filepath.Base(path), ".nfs") {
			return &fs.PathError{Op: step, Path: path, Err: syscall.EBUSY}
		}
		return do()
	}}
	err := s.Rotate(t.Context(), here(key))
	if !LeftBehind(err) || !errors.Is(err, syscall.EBUSY) || !strings.Contains(err.Error(), filepath.Base(kept)) {
		t.Errorf("rotate says %v", err)
	}
	if key.root(t).Equal(before) || secretOf(s, "h") != oldSecret {
		t.Errorf("the store has not turned, or there is %s", secretOf(s, "h"))
	}
	s.disk = honest
	if err := s.Rotate(t.Context(), here(key)); err != nil {
		t.Errorf("the next rotation says %v", err)
	}
	settledTree(t, s, key)
}

// After a sync that failed, the next one says yes and means nothing: the kernel has dropped
// what it could not write. So a put that meets one gives up at once; the next put writes a
// new file.
func TestPut_failedSync(t *testing.T) {
	for _, step := range []string{"sync", "sync directory"} {
		t.Run(step, func(t *testing.T) {
			s := memoryStore(t, t.TempDir(), &memoryKey{})
			if err := putSecret(t, s, oldSecret); err != nil {
				t.Fatal(err)
			}
			dir := s.loc.Generation(namesOf(t, s).kid)
			synced := map[string]int{}
			honest := s.disk
			s.disk = &lyingDisk{lie: func(kind, path string, do func() error) error {
				if kind == step && strings.HasPrefix(path, dir) {
					if synced[path]++; synced[path] == 1 {
						return &fs.PathError{Op: kind, Path: path, Err: syscall.EIO}
					}
				}
				return do()
			}}
			if err := putSecret(t, s, newSecret); !errors.Is(err, syscall.EIO) || errors.Is(err, durable.ErrUnsure) != (step == "sync directory") {
				t.Errorf("put says %v", err)
			}
			if len(synced) != 1 {
				t.Errorf("it has synced %v", synced)
			}
			for path, times := range synced {
				if times != 1 {
					t.Errorf("%s was synced %d times", path, times)
				}
			}
			want := map[string]string{"sync": oldSecret, "sync directory": newSecret}[step]
			if got := secretOf(s, "h"); got != want {
				t.Errorf("then there is %s", got)
			}
			s.disk = honest
			if err := putSecret(t, s, newSecret); err != nil || secretOf(s, "h") != newSecret {
				t.Errorf("the next put says %v, get %s", err, secretOf(s, "h"))
			}
		})
	}
}

func namesOf(t *testing.T, s *Store) nameKey {
	t.Helper()
	lines, err := s.namesLines()
	if err != nil || len(lines) != 1 {
		t.Fatalf("the names file has %d lines, %v", len(lines), err)
	}
	return lines[0]
}

// A client that still takes a config for missing, which another one has made, finds out from
// the link: it makes no second key, says what has happened, and when it sees the config
// stores under the first one's key.
func TestPut_configShowsLate(t *testing.T) {
	key, dir := &memoryKey{}, filepath.Join(t.TempDir(), "s")
	first := memoryStore(t, dir, key)
	mustPut(t, first, "first.example", oldSecret)
	before := key.root(t)

	// What the second client sees as yet, and the server does not.
	seen, real := dir, dir+"-on-the-server"
	if err := os.Rename(dir, real); err != nil {
		t.Fatal(err)
	}
	second := memoryStore(t, seen, key)
	refused := 0
	second.disk = &lyingDisk{lie: func(step, path string, do func() error) error {
		if step == "link" && path == second.loc.configFile() {
			refused++
			return &os.LinkError{Op: step, Old: path, New: path, Err: syscall.EEXIST}
		}
		return do()
	}}
	err := putSecret(t, second, newSecret)
	if err == nil || refused == 0 || !strings.Contains(err.Error(), "was changed meanwhile") {
		t.Errorf("put says %v, after %d links", err, refused)
	}
	if got := key.root(t); !got.Equal(before) {
		t.Errorf("there is another key")
	}
	if entries, err := filepath.Glob(filepath.Join(seen, "v1", "*", "*")); err != nil || len(entries) > 0 {
		t.Errorf("it has written %q, %v", entries, err)
	}

	if err := os.RemoveAll(seen); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(real, seen); err != nil {
		t.Fatal(err)
	}
	if err := putSecret(t, second, newSecret); err != nil {
		t.Errorf("when the config is seen, put says %v", err)
	}
	if secretOf(first, "first.example") != oldSecret || secretOf(first, "h") != newSecret {
		t.Errorf("the first client sees %s and %s", secretOf(first, "first.example"), secretOf(first, "h"))
	}
	settledTree(t, first, key)
}
