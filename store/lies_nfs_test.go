package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// NFS renames a file that is removed while somebody reads it to .nfs*, and removes that when
// the reader is done. Nothing takes it for an entry, and a rotation that cannot remove it
// says so and succeeds; the next one clears it away.
func TestRemovedFilesThatNFSKeeps(t *testing.T) {
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
func TestFailedSyncIsNotRepeated(t *testing.T) {
	for _, step := range []string{"sync", "sync folder"} {
		t.Run(step, func(t *testing.T) {
			s := memoryStore(t, t.TempDir(), &memoryKey{})
			if err := putSecret(t, s, oldSecret); err != nil {
				t.Fatal(err)
			}
			folder := s.loc.Generation(namesOf(t, s).kid)
			synced := map[string]int{}
			honest := s.disk
			s.disk = &lyingDisk{lie: func(kind, path string, do func() error) error {
				if kind == step && strings.HasPrefix(path, folder) {
					if synced[path]++; synced[path] == 1 {
						return &fs.PathError{Op: kind, Path: path, Err: syscall.EIO}
					}
				}
				return do()
			}}
			if err := putSecret(t, s, newSecret); !errors.Is(err, syscall.EIO) || errors.Is(err, ErrUnsure) != (step == "sync folder") {
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
			want := map[string]string{"sync": oldSecret, "sync folder": newSecret}[step]
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
func TestConfigThatShowsLate(t *testing.T) {
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
