//go:build unix

package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// checked is a store with n entries, and what Check says about it.
func checked(t *testing.T, n int) (loc Location, generation string, check func() []Problem) {
	t.Helper()
	loc, err := Locate(Options{Dir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	root := NewRootKey()
	if err := WriteFirst(loc.KeyFile(), []byte(root.Line()+"\n")); err != nil {
		t.Fatal(err)
	}
	generation = loc.Generation(root.KID())
	if err := os.MkdirAll(generation, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		name := root.nameKey().name(fmt.Sprint(i))
		if err := os.WriteFile(filepath.Join(generation, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return loc, generation, func() []Problem { return loc.Check(time.Now()) }
}

func TestCheckFindsNothing(t *testing.T) {
	_, _, check := checked(t, 3)
	if got := check(); len(got) != 0 {
		t.Errorf("a sound store: %v", got)
	}
	loc, err := Locate(Options{Dir: filepath.Join(t.TempDir(), "none")})
	if err != nil {
		t.Fatal(err)
	}
	if got := loc.Check(time.Now()); len(got) != 0 {
		t.Errorf("no store: %v", got)
	}
}

// Of many files of one kind ten are named, in one problem.
func TestCheckIsBounded(t *testing.T) {
	_, generation, check := checked(t, 25)
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
	if len(got) != 1 || !strings.Contains(got[0].What, "these 10 and 15 more") || len(got[0].Fix) != 12 {
		t.Errorf("got %v", got)
	}
}

// A link is not followed, a directory is no entry, a huge file is none either.
func TestCheckIrregular(t *testing.T) {
	loc, generation, check := checked(t, 0)
	var names []string
	for _, digit := range []string{"a", "b", "c"} {
		names = append(names, filepath.Join(generation, strings.Repeat(digit, 32)))
	}
	if err := os.Symlink(loc.KeyFile(), names[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(names[1], 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(names[2], make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	got := check()
	if len(got) != 1 || !slices.Equal(got[0].Fix, append(append([]string{"mv", "-n"}, names...), loc.v1())) || got[0].Harmless {
		t.Errorf("got %v", got)
	}
}

// Files of another user, and root's in a user's home under sudo.
func TestCheckOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const other = 12345
	loc, generation, check := checked(t, 1)
	files, err := os.ReadDir(generation)
	if err != nil {
		t.Fatal(err)
	}
	entry := filepath.Join(generation, files[0].Name())
	give := func(path string) {
		t.Helper()
		if err := os.Lchown(path, other, other); err != nil {
			t.Fatal(err)
		}
	}
	give(entry)
	give(loc.KeyFile())
	got := check()
	if len(got) != 2 {
		t.Fatalf("got %v", got)
	}
	for i, path := range []string{loc.KeyFile(), entry} {
		if want := []string{"sudo", "chown", "-R", "0:0", path}; !slices.Equal(got[i].Fix, want) {
			t.Errorf("got %v, want %v", got[i], want)
		}
	}
	give(generation)
	if got = check(); len(got) != 2 || got[1].Path != generation {
		t.Errorf("a foreign folder is one problem: %v", got)
	}
	// A store that is another user's as a whole is not taken from them.
	give(loc.Data)
	if got = check(); len(got) != 1 || got[0].Fix != nil || !strings.Contains(got[0].What, "run as that user") {
		t.Errorf("another user's store: %v", got)
	}
	home := t.TempDir()
	if err := os.Chown(home, other, other); err != nil {
		t.Fatal(err)
	}
	loc.home, loc.sudoUID = home, fmt.Sprint(other)
	if got := loc.Check(time.Now()); len(got) != 2 || !strings.Contains(got[0].What, "sudo -H") {
		t.Errorf("under sudo: %v", got)
	}
}

// What Check calls sound is what the store itself accepts.
func TestCheckAgreesWithTheStore(t *testing.T) {
	loc, err := Locate(Options{Dir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	root := NewRootKey()
	if err := WriteFirst(loc.KeyFile(), []byte(root.Line()+"\n")); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o600, 0o640, 0o604, 0o620, 0o602, 0o666, 0o400} {
		if err := os.Chmod(loc.KeyFile(), mode); err != nil {
			t.Fatal(err)
		}
		_, readErr := ReadSecret(loc.KeyFile())
		if found := loc.Check(time.Now()); (readErr == nil) != (len(found) == 0) {
			t.Errorf("mode %04o: the store says %v, Check says %v", mode, readErr, found)
		}
	}
}
