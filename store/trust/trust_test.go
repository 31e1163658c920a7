package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adrg/xdg"

	"regshape/scripts/testenv"
	"regshape/store"
	"regshape/store/durable"
)

func storeIn(t *testing.T, dir string) store.Location {
	t.Helper()
	loc, err := store.Locate(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// program makes one that can be started, with arguments.
func program(t *testing.T, arguments ...string) Program {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return Program{Key, append([]string{path}, arguments...)}
}

func mustAdd(t *testing.T, loc store.Location, p Program) {
	t.Helper()
	if err := Add(loc, p); err != nil {
		t.Fatal(err)
	}
}

func wantCheck(t *testing.T, what string, loc store.Location, p Program, want error) {
	t.Helper()
	if err := Check(loc, p); !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func TestCheck(t *testing.T) {
	home := testenv.Home(t)
	dir := filepath.Join(home, "a")
	loc, p := storeIn(t, dir), program(t, "--item", "two words")
	wantCheck(t, "before", loc, p, store.ErrUntrusted)
	mustAdd(t, loc, p)
	mustAdd(t, loc, p)
	wantCheck(t, "added", loc, p, nil)
	path := p.Words[0]
	for what, other := range map[string]Program{
		"another kind":               {Plugin, p.Words},
		"no arguments":               {Key, []string{path}},
		"one argument less":          {Key, []string{path, "--item"}},
		"one argument more":          {Key, append(slices.Clone(p.Words), "")},
		"arguments run into":         {Key, []string{path, "--itemtwo words"}},
		"arguments cut":              {Key, []string{path, "--item", "two", "words"}},
		"another program":            program(t, "--item", "two words"),
		"kind and program cut":       {"ke", []string{"y" + path, "--item", "two words"}},
		"another way to the program": {Key, []string{filepath.Dir(path) + "/./vault", "--item", "two words"}},
	} {
		if err := Check(loc, other); err == nil {
			t.Errorf("%s: it may be started", what)
		}
	}
	for what, other := range map[string]store.Location{
		"another store": storeIn(t, filepath.Join(home, "b")),
		"a profile":     {Data: filepath.Join(dir, "profiles", "work"), Config: filepath.Join(dir, "profiles", "work")},
		"no store":      {},
	} {
		if err := Check(other, p); err == nil {
			t.Errorf("%s may start it", what)
		}
	}
	for _, words := range [][]string{nil, {"vault"}, {"./vault"}} {
		if err := errors.Join(Check(loc, Program{Key, words}), Add(loc, Program{Key, words})); err == nil || runtime.GOOS != "windows" && strings.Contains(err.Error(), "trusted") {
			t.Errorf("%q: %v", words, err)
		}
	}
	where, err := locate(loc)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(where.path)
	if err != nil || strings.Count(string(data), "\n") != 1 || !strings.HasSuffix(string(data), " "+path+"\n") || strings.Contains(string(data), "item") {
		t.Errorf("the list: got %q, %v, want one line for %s", data, err, path)
	}
	if want := filepath.Join(home, "state", "regshape", "programs"); where.path != want {
		t.Errorf("the list is %s, want %s", where.path, want)
	}
	info, err := os.Stat(where.path)
	if err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("the list: got mode %v, %v, want 0600", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(where.path))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the list there are %v (%v)", entries, err)
	}
}

// A store is known by where it is, not by the way there; a copy is another store.
func TestCheck_storePath(t *testing.T) {
	home := testenv.Home(t)
	first, second, link := filepath.Join(home, "first"), filepath.Join(home, "second"), filepath.Join(home, "link")
	p := program(t)
	mustAdd(t, storeIn(t, first), p) // it is not there yet
	if err := errors.Join(os.Mkdir(first, 0o700), os.Symlink(first, link)); err != nil {
		t.Skip(err)
	}
	wantCheck(t, "made since", storeIn(t, first), p, nil)
	wantCheck(t, "through a link", storeIn(t, link), p, nil)
	if err := os.CopyFS(second, os.DirFS(first)); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, "copied", storeIn(t, second), p, store.ErrUntrusted)
	if err := errors.Join(os.Remove(second), os.Rename(first, second)); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, "moved", storeIn(t, second), p, store.ErrUntrusted)
	if err := errors.Join(os.Remove(link), os.Symlink(second, link)); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, "a link to what was moved", storeIn(t, link), p, store.ErrUntrusted)
	mustAdd(t, storeIn(t, link), p)
	wantCheck(t, "trusted through the link", storeIn(t, second), p, nil)
}

func TestRevoke(t *testing.T) {
	home := testenv.Home(t)
	a, b := storeIn(t, filepath.Join(home, "a")), storeIn(t, filepath.Join(home, "b"))
	if n, err := Revoke(a); n != 0 || err != nil {
		t.Errorf("without a list: %d, %v", n, err)
	}
	one, two := program(t), program(t)
	mustAdd(t, a, one)
	mustAdd(t, b, one)
	mustAdd(t, a, two)
	if n, err := Revoke(a); n != 2 || err != nil {
		t.Errorf("revoke: got %d, %v, want 2", n, err)
	}
	wantCheck(t, "revoked", a, one, store.ErrUntrusted)
	wantCheck(t, "revoked", a, two, store.ErrUntrusted)
	wantCheck(t, "of the other store", b, one, nil)
}

// Where one directory is for all, the list is beside the default store. It is in no store.
func TestAdd_outsideStore(t *testing.T) {
	home := testenv.Home(t)
	p := program(t)
	for _, dir := range []string{home, filepath.Join(home, "state"), filepath.Join(home, "state", "regshape")} {
		loc := storeIn(t, dir)
		if err := Add(loc, p); !errors.Is(err, durable.ErrUnsafe) {
			t.Errorf("%s: %v", dir, err)
		}
		wantCheck(t, dir, loc, p, durable.ErrUnsafe)
	}
	config := store.Location{Data: filepath.Join(home, "x"), State: filepath.Join(home, "x"), Config: filepath.Join(home, "state")}
	wantCheck(t, "the list beside the config", config, p, durable.ErrUnsafe)
	loc, err := store.Locate(store.Options{Profile: "work"})
	if err != nil {
		t.Fatal(err)
	}
	mustAdd(t, loc, p)
	wantCheck(t, "a profile", loc, p, nil)

	for _, name := range []string{"DATA", "CONFIG", "STATE"} {
		t.Setenv("XDG_"+name+"_HOME", filepath.Join(home, "all"))
	}
	xdg.Reload()
	if loc, err = store.Locate(store.Options{}); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, loc, p)
	wantCheck(t, "one directory for all", loc, p, nil)
	if _, err := os.Stat(filepath.Join(home, "all", "regshape-trust", "programs")); err != nil {
		t.Error(err)
	}
}

func TestWithoutHome(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the home directory is not found by HOME here")
	}
	home := testenv.Home(t)
	loc := storeIn(t, filepath.Join(home, "a"))
	t.Setenv("HOME", "")
	xdg.Reload()
	if where, err := locate(loc); err != nil || where.path != filepath.Join(home, "state", "regshape", "programs") {
		t.Errorf("with XDG_STATE_HOME: %v, %v", where, err)
	}
	for _, name := range []string{"DATA", "CONFIG", "STATE"} {
		t.Setenv("XDG_"+name+"_HOME", "")
	}
	xdg.Reload()
	self, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	where, err := locate(loc)
	if err != nil || !strings.HasPrefix(where.path, self.HomeDir+string(filepath.Separator)) {
		t.Errorf("%v, %v, want it below %s", where, err, self.HomeDir)
	}
}

// Lines of another form allow nothing, and stay.
func TestCheck_damagedLines(t *testing.T) {
	home := testenv.Home(t)
	loc, p := storeIn(t, filepath.Join(home, "a")), program(t)
	mustAdd(t, loc, p)
	where, err := locate(loc)
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(where.path)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSpace(string(good))
	for what, damaged := range map[string]string{
		"cut in front":    line[1:],
		"cut at the end":  line[:129],
		"without a path":  line[:130],
		"upper case":      strings.ToUpper(line),
		"blank in front":  " " + line,
		"two blanks":      strings.Replace(line, " ", "  ", 1),
		"garbage":         "\x00\xff",
		"another program": "0" + strings.Repeat("1", 63) + line[64:],
		"another store":   line[:65] + strings.Repeat("1", 64) + line[129:],
	} {
		if err := os.WriteFile(where.path, []byte(damaged+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		wantCheck(t, what, loc, p, store.ErrUntrusted)
		_, n, err := Damaged(loc)
		if well := strings.HasPrefix(what, "another"); err != nil || (n == 0) != well {
			t.Errorf("%s: %d damaged, %v", what, n, err)
		}
		mustAdd(t, loc, p)
		wantCheck(t, what+", added", loc, p, nil)
		if data, err := os.ReadFile(where.path); err != nil || string(data) != damaged+"\n"+line+"\n" {
			t.Errorf("%s: %q, %v", what, data, err)
		}
	}
	if err := os.WriteFile(where.path, []byte(line), 0o600); err != nil { // without the last line end
		t.Fatal(err)
	}
	wantCheck(t, "without a line end", loc, p, nil)
	other := program(t)
	mustAdd(t, loc, other)
	wantCheck(t, "the line before", loc, p, nil)
	wantCheck(t, "the new line", loc, other, nil)
}

// No line is lost, whoever writes beside, and whatever a killed run has left.
func TestAdd_parallelWriters(t *testing.T) {
	home := testenv.Home(t)
	const writers, each = 6, 5
	var all []Program
	for range writers * each {
		all = append(all, program(t))
	}
	gone := storeIn(t, filepath.Join(home, "gone"))
	loc := storeIn(t, filepath.Join(home, "a"))
	where, err := locate(loc)
	if err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFirst(where.path+".next", []byte("left by a run that was killed\n")); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // where the time that all of them wait passes at once
		began := time.Now()
		var wait sync.WaitGroup
		for w := range writers {
			wait.Go(func() {
				for i, p := range all[w*each : (w+1)*each] {
					if err := Add(loc, p); err != nil {
						t.Error(err)
					}
					if i%2 == 0 {
						if err := Add(gone, p); err != nil {
							t.Error(err)
						}
					}
					if _, err := Revoke(gone); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		if took := time.Since(began); took < turnTimeout || took > editTimeout {
			t.Errorf("it took %v, want %v to %v", took, turnTimeout, editTimeout)
		}
	})
	for i, p := range all {
		wantCheck(t, fmt.Sprintf("program %d", i), loc, p, nil)
		wantCheck(t, fmt.Sprintf("program %d of the other store", i), gone, p, store.ErrUntrusted)
	}
	if entries, err := os.ReadDir(filepath.Dir(where.path)); err != nil || len(entries) != 1 {
		t.Errorf("beside the list there are %v (%v)", entries, err)
	}
}

// A program that is gone is no missing entry.
func TestCheck_missingProgram(t *testing.T) {
	home := testenv.Home(t)
	loc, p := storeIn(t, filepath.Join(home, "a")), program(t)
	mustAdd(t, loc, p)
	if err := os.Remove(p.Words[0]); err != nil {
		t.Fatal(err)
	}
	if err := Check(loc, p); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), p.Words[0]) {
		t.Error(err)
	}
	if err := Add(loc, p); err == nil {
		t.Error("it was trusted")
	}
}

func TestShown(t *testing.T) {
	home := testenv.Home(t)
	if runtime.GOOS == "windows" {
		t.Skip("file names have no control characters here")
	}
	path := filepath.Join(home, "va\x1b]0;x\x07\nult\u202e")
	if err := os.WriteFile(path, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	loc, p := storeIn(t, filepath.Join(home, "a")), Program{Key, []string{path}}
	plain := filepath.Join(home, "va?]0;x??ult?")
	if err := Check(loc, p); err == nil || !strings.HasPrefix(err.Error(), plain+" was not started: ") {
		t.Errorf("got %q, want it to begin with %q", err, plain)
	}
	mustAdd(t, loc, p)
	wantCheck(t, "an odd name", loc, p, nil)
	where, err := locate(loc)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(where.path); err != nil || !strings.HasSuffix(string(data), " "+plain+"\n") || strings.Count(string(data), "\n") != 1 {
		t.Errorf("the list: got %q, %v, want one line for %q", data, err, plain)
	}
}
