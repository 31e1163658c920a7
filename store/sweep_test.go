package store

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"regshape/store/durable"
)

// Sweeping removes all old generations and all copies that nobody can commit any more.
func TestSweep(t *testing.T) {
	s, _, kid := markedStore(t, oneToken)
	v1 := s.loc.v1()
	dead := []string{retiredPrefix + "a", retiredPrefix + "b", copiesPrefix + twoToken, copiesPrefix + "x"}
	live := []string{copiesPrefix + oneToken, "slots", "g-" + kid}
	for _, name := range append(dead, live[:2]...) {
		if err := errors.Join(os.MkdirAll(filepath.Join(v1, name, "below"), 0o700), os.WriteFile(filepath.Join(v1, name, "f"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.sweep(); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(v1)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	slices.Sort(live)
	if !slices.Equal(left, live) || err != nil {
		t.Errorf("left are %q (%v), want %q", left, err, live)
	}
	for what, step := range map[string]string{"an old generation": "remove", "v1": "sync directory"} {
		stopped := false
		if err := os.MkdirAll(filepath.Join(v1, retiredPrefix+"c", "below"), 0o700); err != nil {
			t.Fatal(err)
		}
		s.disk = fault{step: step, err: syscall.EIO, stopped: &stopped}.disk()
		if err := s.sweep(); !LeftBehind(err) || !errors.Is(err, syscall.EIO) {
			t.Errorf("%s cannot be removed or synced: %v", what, err)
		}
	}
	if LeftBehind(syscall.EIO) || LeftBehind(nil) {
		t.Error("any error is about something left behind")
	}
}

// A directory that another run removes at the same moment is no error; a disk that fails is.
func TestRemoveDir(t *testing.T) {
	for after := range 3 { // a file, the directory below, the directory itself
		for cause, fails := range map[syscall.Errno]bool{syscall.ENOENT: false, syscall.EIO: true} {
			s, _ := notingStore(t, true)
			dir := filepath.Join(s.loc.Data, "x")
			if err := errors.Join(os.MkdirAll(filepath.Join(dir, markerName), 0o700), os.WriteFile(filepath.Join(dir, strings.Repeat("a", 32)), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			stopped := false
			s.disk = fault{step: "remove", after: after, err: cause, lies: true, stopped: &stopped}.disk()
			if err := s.removeDir(dir); !stopped || errors.Is(err, cause) != fails || err != nil && !fails {
				t.Errorf("%v at %d: %v", cause, after, err)
			}
			if there, err := durable.Exists(dir); (there || err != nil) && !fails {
				t.Errorf("the directory is still there (%v)", err)
			}
		}
	}
	s, _ := notingStore(t, true)
	if err := s.removeDir(filepath.Join(s.loc.Data, "none")); err != nil {
		t.Error(err)
	}
	file := filepath.Join(s.loc.Data, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.removeDir(file); err == nil {
		t.Error("a file was removed as a directory")
	}
}

// A writer may have found the old generation before it was moved, and make its file, or a
// marker's directory, after it was listed. That is removed, too, unless it never ends.
func TestRetire_strayFile(t *testing.T) {
	for _, late := range []string{".tmp-late", strings.Repeat("0", 32), filepath.Join(".rekey", oneToken)} {
		for _, times := range []int{1, 3, -1} {
			s, key, kid := markedStore(t)
			left := times
			s.disk = &lyingDisk{lie: func(step, path string, do func() error) error {
				if retired := filepath.Base(path); step == "remove" && strings.HasPrefix(retired, retiredPrefix+kid) && left != 0 {
					left--
					file := filepath.Join(path, late)
					if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
						t.Error(err)
					}
				}
				return do()
			}}
			err := s.Rotate(t.Context(), here(key.memoryKey))
			if times > 0 && err != nil || times < 0 && !LeftBehind(err) || left > 0 {
				t.Errorf("%s, %d times: %v", late, times, err)
			}
			if times > 0 {
				settledTree(t, s, key.memoryKey)
			}
		}
	}
}

// The name of a retired generation says whose it was, and no two have the same.
func TestRetire(t *testing.T) {
	s, _, kid := markedStore(t)
	stopped := false
	s.disk = fault{step: "remove", err: syscall.EIO, stopped: &stopped}.disk()
	left, err := s.retire(kid)
	if err != nil || !LeftBehind(left) {
		t.Errorf("retire: %v, %v", left, err)
	}
	names, err := filepath.Glob(filepath.Join(s.loc.v1(), retiredPrefix+kid+"-*"))
	if err != nil || len(names) != 1 || !isKID(names[0][len(names[0])-16:]) {
		t.Errorf("it is now %q (%v)", names, err)
	}
	s.disk = durable.OS{}
	if left, err := s.retire(kid); left != nil || err != nil {
		t.Errorf("once more: %v, %v", left, err)
	}
}

// What an aborted change made is gone at once, also where its key is one that the user made.
func TestAbort_removesCopies(t *testing.T) {
	s, _, kid := markedStore(t)
	next := s.config
	next.Key, next.KID = KeySource{Source: SourceCommand, Command: []string{"/bin/x"}}, NewRootKey().KID()
	generation := s.loc.Generation(next.KID)
	copies := s.loc.copiesDir(oneToken)
	if err := errors.Join(s.stage(oneToken, next), mark(s, kid, oneToken), os.Mkdir(copies, 0o700), os.Mkdir(generation, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := s.abort(t.Context(), kid, oneToken); err != nil {
		t.Fatal(err)
	}
	if there, err := durable.Exists(copies); there || err != nil {
		t.Errorf("the copies are still there (%v)", err)
	}
	if there, err := durable.Exists(generation); !there || err != nil {
		t.Errorf("the generation, which may be another's with the same key, is gone (%v)", err)
	}
	if tokens, err := s.underWay(kid); len(tokens) != 0 || err != nil {
		t.Errorf("still under way: %q, %v", tokens, err)
	}
	s, _, kid = markedStore(t, oneToken)
	stopped := false
	s.disk = fault{step: "sync directory", err: syscall.EIO, stopped: &stopped}.disk()
	if err := s.abort(t.Context(), kid, oneToken); !errors.Is(err, syscall.EIO) {
		t.Errorf("an abort that is not durable: %v", err)
	}
	s, _, kid = markedStore(t, oneToken)
	s.disk = fault{step: "remove", after: 1, err: syscall.EIO, stopped: &stopped}.disk()
	if err := s.abort(t.Context(), kid, oneToken); !errors.Is(err, syscall.EIO) {
		t.Errorf("an abort whose marker stays: %v", err)
	}
	s.disk = fault{step: "remove", err: syscall.EIO, stopped: &stopped}.disk()
	if err := s.abort(t.Context(), kid, oneToken); !errors.Is(err, syscall.EIO) {
		t.Errorf("an abort of what is taken back already, whose marker stays: %v", err)
	}
	if err := s.unmark(kid, oneToken); !errors.Is(err, syscall.EIO) {
		t.Errorf("a marker that cannot be removed: %v", err)
	}
}

// Where the config cannot be read nobody's key is forgotten: it may be the present one.
func TestClear_noConfig(t *testing.T) {
	s, key, _ := markedStore(t)
	next := s.config
	next.KID = NewRootKey().KID()
	for what, content := range map[string]string{"garbage": "garbage", "gone": ""} {
		err := os.Remove(s.loc.configFile())
		if content != "" {
			err = os.WriteFile(s.loc.configFile(), []byte(content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		key.note = func(step string) { t.Errorf("with a config that is %s the place is asked to %s", what, step) }
		s.clear(t.Context(), oneToken, next)
		if err := os.WriteFile(s.loc.configFile(), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What somebody else has put among the entries, whatever its name, is reported, stops nothing,
// and is never lost: a rotation takes it along.
func TestSweep_keepsStrays(t *testing.T) {
	key := &memoryKey{}
	var reported []string
	loc, err := Locate(Options{Dir: t.TempDir(), Notice: func(err error) { reported = append(reported, err.Error()) }})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(loc, key)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a.example", "s")
	strays := map[string]string{
		"notes.txt": "mine", "a\x1b]0;title\a": "escape", ".hidden": "dot", strings.Repeat("0", 31): "nearly an entry",
		"0011223344556677": "as a token", "directory/.tmp-x": "below", "directory/" + strings.Repeat("0", 32): "named as an entry", strings.Repeat("v", 32) + "/x": "a directory named as an entry",
	}
	dir := loc.Generation(key.root(t).KID())
	for name, content := range strays {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	// One that has an entry's name might be one: a rotation would lose it.
	entry := filepath.Join(dir, strings.Repeat("v", 32))
	if err := s.Rotate(t.Context(), here(key)); err == nil || !strings.Contains(err.Error(), entry) {
		t.Errorf("a directory in an entry's place: %v", err)
	}
	if err := os.RemoveAll(entry); err != nil {
		t.Fatal(err)
	}
	delete(strays, strings.Repeat("v", 32)+"/x")
	for round := range 3 {
		reported = nil
		found, damaged, err := s.List(t.Context())
		if len(found) != 1 || len(damaged) != 0 || err != nil {
			t.Fatalf("list %d: %v, %v, %v", round, found, damaged, err)
		}
		if all := strings.Join(reported, "\n"); len(reported) != 5 || !strings.Contains(all, "notes.txt") || strings.ContainsAny(all, "\x1b\a") {
			t.Errorf("list %d tells %q", round, reported)
		}
		mustPut(t, s, "a.example", "s")
		if _, err := s.Erase(t.Context(), ParseAddress("b.example")); err != nil {
			t.Error(err)
		}
		if err := s.Rotate(t.Context(), here(key)); err != nil {
			t.Fatalf("rotation %d: %v", round, err)
		}
		dir = loc.Generation(key.root(t).KID())
		for name, content := range strays {
			if data, err := os.ReadFile(filepath.Join(dir, name)); string(data) != content || err != nil {
				t.Errorf("rotation %d: %q is now %q (%v)", round, name, data, err)
			}
		}
		if all, err := os.ReadDir(loc.v1()); len(all) != 1 || err != nil {
			t.Errorf("rotation %d leaves %v (%v)", round, all, err)
		}
	}
	if n, err := s.EraseAll(t.Context()); n != 1 || err != nil {
		t.Errorf("erase all: %d, %v", n, err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "notes.txt")); string(data) != "mine" {
		t.Errorf("erase all: %q, %v", data, err)
	}
}

// A link in the place of what a change of the key has left does not lead to what is removed.
func TestSweep_links(t *testing.T) {
	s, key, kid := markedStore(t)
	mine := map[string]string{strings.Repeat("0", 32): "named as an entry", ".tmp-x": "named as a temporary file", "letter": "mine"}
	elsewhere := t.TempDir()
	for name, content := range mine {
		if err := os.WriteFile(filepath.Join(elsewhere, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{retiredPrefix + kid + "-" + oneToken, copiesPrefix + twoToken} {
		if err := os.Symlink(elsewhere, filepath.Join(s.loc.v1(), name)); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Symlink(elsewhere, s.loc.Generation("00000000000000aa"))
	if _, err := s.Abort(t.Context()); err != nil {
		t.Log(err)
	}
	if err := s.Rotate(t.Context(), here(key.memoryKey)); err != nil && !LeftBehind(err) {
		t.Error(err)
	}
	left := map[string]string{}
	files, err := os.ReadDir(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, _ := os.ReadFile(filepath.Join(elsewhere, f.Name()))
		left[f.Name()] = string(data)
	}
	if !maps.Equal(left, mine) {
		t.Errorf("a link into another directory: left are %v", slices.Collect(maps.Keys(left)))
	}
}

func TestKeepStray(t *testing.T) {
	s, _ := notingStore(t, false)
	generation := s.loc.Generation(s.config.KID)
	write := func(dir, content string) string {
		t.Helper()
		path := filepath.Join(dir, "notes")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write(generation, "one")
	if err := s.keepStray(write(t.TempDir(), "two")); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(generation, "notes*"))
	if err != nil || len(found) != 2 {
		t.Fatalf("there are %q (%v), want two files", found, err)
	}
	for path, want := range map[string]string{found[0]: "one", found[1]: "two"} {
		if data, err := os.ReadFile(path); string(data) != want || err != nil {
			t.Errorf("%s holds %q (%v), want %q", path, data, err, want)
		}
	}
	if suffix, ok := strings.CutPrefix(filepath.Base(found[1]), "notes."); !ok || !isKID(suffix) {
		t.Errorf("the second is %s, want notes. and a token", filepath.Base(found[1]))
	}
	cause, stopped := errors.New("disk"), false
	s.disk = fault{step: "rename", err: cause, stopped: &stopped}.disk()
	if err := s.keepStray(write(t.TempDir(), "three")); !errors.Is(err, cause) || !errors.Is(err, ErrStray) {
		t.Errorf("on a failing disk: %v, want %v and %v", err, ErrStray, cause)
	}
}
