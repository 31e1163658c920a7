//go:build unix

package store

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// An hour is the bound: at it a file may still be somebody's.
func TestAnHourIsNotAbandoned(t *testing.T) {
	l, generation, _ := checked(t, 0)
	at := time.Now().Add(-3 * time.Hour).Truncate(time.Second)
	retired := filepath.Join(l.v1(), ".retired-a")
	if err := os.Mkdir(retired, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(generation, ".tmp-A"), retired, l.stagedConfig("1")} {
		var err error
		if path != retired {
			err = os.WriteFile(path, nil, 0o600)
		}
		if err := errors.Join(err, os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.Check(at.Add(abandoned)); len(got) != 0 {
		t.Errorf("after an hour: %v", got)
	}
	if got := l.Check(at.Add(abandoned + 1)); len(got) != 3 {
		t.Errorf("after more than an hour: %v", got)
	}
}

// Exactly ten files are all named.
func TestTenAreNamed(t *testing.T) {
	for n, want := range map[int]string{maxNamed: "", maxNamed + 1: " (these 10 and 1 more)"} {
		_, generation, check := checked(t, n)
		files, err := os.ReadDir(generation)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.Chmod(filepath.Join(generation, f.Name()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got := check()
		if len(got) != 1 || !strings.HasPrefix(got[0].What, "entries should have mode 0600"+want+": ") || len(got[0].Fix) != 2+maxNamed {
			t.Errorf("%d: %v", n, got)
		}
	}
}

// The three folders of a store without --store are looked at one by one, and so are the
// folders above one that cannot be looked at.
func TestCheckOfThreeFolders(t *testing.T) {
	top := t.TempDir()
	l := Location{Data: filepath.Join(top, "d"), State: filepath.Join(top, "s"), Config: filepath.Join(top, "c")}
	var want []string
	for _, dir := range []string{l.Data, l.State, l.Config} {
		left := filepath.Join(dir, ".tmp-A")
		old := time.Now().Add(-2 * time.Hour)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(left, nil, 0o600), os.Chtimes(left, old, old)); err != nil {
			t.Fatal(err)
		}
		want = append(want, dir)
	}
	var got []string
	for _, p := range l.Check(time.Now()) {
		got = append(got, p.Path)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	l.home, l.noHome = top, true
	if p := l.Check(time.Now()); len(p) != 4 || p[0].Path != top || !strings.Contains(p[0].What, "no home folder") {
		t.Errorf("where nobody named the home: %v", p)
	}
}

// What root's run left in a user's own home can be taken over; what is beside it cannot.
func TestCheckOfForeignTops(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give folders away")
	}
	top := t.TempDir()
	l := Location{Data: filepath.Join(top, "d"), State: filepath.Join(top, "s"), Config: filepath.Join(top, "c")}
	for _, dir := range []string{l.Data, l.State, l.Config} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{l.Config, l.Data} {
		if err := os.Chown(dir, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	got := l.Check(time.Now())
	want := []Problem{}
	for _, dir := range []string{l.Data, l.Config} {
		want = append(want, Problem{
			What: dir + " belongs to uid 12345 and you are uid 0: run as that user, or use a store of your own with --store", Path: dir,
		})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// What cannot be looked at is told, and not looked into.
func TestCheckTellsWhatItCannotSee(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(file, "x")
	var c checker
	if c.folder(below, secretFile, checkFolder) {
		t.Error("it is to be looked into")
	}
	c.file(below)
	if len(c.problems) != 2 || c.problems[0].Path != below || c.problems[1].Path != below {
		t.Errorf("%+v", c.problems)
	}
	for _, p := range c.problems {
		if !strings.Contains(p.What, "not a directory") {
			t.Errorf("%+v", p)
		}
	}
}

// A relative path in a folder that is gone leads nowhere.
func TestLocateInAFolderThatIsGone(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err == nil {
		err = os.Remove(here)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Getwd(); err == nil {
		t.Skip("this system knows where it is, all the same")
	}
	if loc, err := Locate(Options{Dir: "store"}); err == nil {
		t.Errorf("it is %+v", loc)
	}
}
