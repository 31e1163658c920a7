//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"regshape/store/durable"
)

// checked is a store with n entries, and what Check says about it.
func checked(t *testing.T, n int) (loc Location, generation string, check func() []Problem) {
	t.Helper()
	loc, err := Locate(Options{Dir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	root := NewRootKey()
	if err := durable.WriteFirst(loc.KeyFile(), []byte(root.Line()+"\n")); err != nil {
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

func TestCheck_sound(t *testing.T) {
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
func TestCheck_bounded(t *testing.T) {
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
func TestCheck_irregularFiles(t *testing.T) {
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
	if err := os.WriteFile(names[2], make([]byte, durable.MaxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	got := check()
	if len(got) != 1 || !slices.Equal(got[0].Fix, append(append([]string{"mv", "-n"}, names...), loc.v1())) || got[0].Harmless {
		t.Errorf("got %v", got)
	}
}

// Files of another user, and root's in a user's home under sudo.
func TestCheck_owner(t *testing.T) {
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
		t.Errorf("a foreign directory is one problem: %v", got)
	}
	// A store that is another user's as a whole is not taken from them.
	give(loc.Data)
	if got = check(); len(got) != 1 || got[0].Fix != nil || !errors.As(got[0].Err, new(*durable.OwnerError)) {
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
func TestCheck_agreesWithStore(t *testing.T) {
	loc, err := Locate(Options{Dir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	root := NewRootKey()
	if err := durable.WriteFirst(loc.KeyFile(), []byte(root.Line()+"\n")); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o600, 0o640, 0o604, 0o620, 0o602, 0o666, 0o400} {
		if err := os.Chmod(loc.KeyFile(), mode); err != nil {
			t.Fatal(err)
		}
		_, readErr := durable.ReadSecret(loc.KeyFile())
		if found := loc.Check(time.Now()); (readErr == nil) != (len(found) == 0) {
			t.Errorf("mode %04o: the store says %v, Check says %v", mode, readErr, found)
		}
	}
}

// An hour is the bound: at it a file may still be somebody's.
func TestCheck_youngFiles(t *testing.T) {
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
func TestCheck_namesTen(t *testing.T) {
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
			t.Errorf("%d files: got %v, want %q", n, got, want)
		}
	}
}

// The three directories of a store without --store are looked at one by one, and so are the
// directories above one that cannot be looked at.
func TestCheck_threeDirectories(t *testing.T) {
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
	if p := l.Check(time.Now()); len(p) != 4 || p[0].Path != top || !strings.Contains(p[0].What, "no home directory") {
		t.Errorf("where nobody named the home: %v", p)
	}
}

// What root's run left in a user's own home can be taken over; what is beside it cannot.
func TestCheck_foreignTop(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give directories away")
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
			What: dir + " belongs to uid 12345 and you are uid 0", Path: dir, Err: &durable.OwnerError{Path: dir, UID: 12345},
		})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// What cannot be looked at is reported, and not looked into.
func TestCheck_unreadable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(file, "x")
	var c checker
	if c.dir(below, durable.Secret, durable.CheckDir) {
		t.Error("it is to be looked into")
	}
	c.file(below)
	if len(c.problems) != 2 || c.problems[0].Path != below || c.problems[1].Path != below {
		t.Errorf("got %+v, want two problems of %s", c.problems, below)
	}
	for _, p := range c.problems {
		if !strings.Contains(p.What, "not a directory") {
			t.Errorf("got %+v, want \"not a directory\"", p)
		}
	}
}

// A relative path in a directory that is gone leads nowhere.
func TestLocate_goneDirectory(t *testing.T) {
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

// Each thing that can be wrong is reported in its own words, with the command that fixes it.
func TestCheck_texts(t *testing.T) {
	const other = 12345
	hours := func(path string, n time.Duration) error {
		at := time.Now().Add(-n * time.Hour)
		return os.Chtimes(path, at, at)
	}
	write := func(path string) error { return os.WriteFile(path, nil, 0o600) }
	me := fmt.Sprintf("%d:%d", os.Geteuid(), os.Getegid())
	foreign := func(path string) Problem {
		return Problem{What: path + " belongs to another user", Path: path, Fix: []string{"sudo", "chown", "-R", me, path}}
	}
	for what, spoil := range map[string]func(l Location, generation string, do func(...error)) []Problem{
		"nothing": func(Location, string, func(...error)) []Problem { return nil },
		"others may look at the top": func(l Location, _ string, do func(...error)) []Problem {
			do(os.Chmod(l.Data, 0o755))
			return nil
		},
		"others may write to the top": func(l Location, _ string, do func(...error)) []Problem {
			do(os.Chmod(l.Data, 0o702))
			return []Problem{{
				What: "other users have access to " + l.Data + " (mode 0702)", Path: l.Data, Fix: []string{"chmod", "700", l.Data},
			}}
		},
		"others may look at v1": func(l Location, _ string, do func(...error)) []Problem {
			do(os.Chmod(l.v1(), 0o710))
			return []Problem{{
				What: "other users have access to " + l.v1() + " (mode 0710)", Path: l.v1(), Fix: []string{"chmod", "700", l.v1()},
			}}
		},
		"others may look at a generation": func(_ Location, g string, do func(...error)) []Problem {
			do(os.Chmod(g, 0o701))
			return []Problem{{
				What: "other users have access to " + g + " (mode 0701)", Path: g, Fix: []string{"chmod", "700", g},
			}}
		},
		"no v1": func(l Location, _ string, do func(...error)) []Problem {
			do(os.RemoveAll(l.v1()))
			return nil
		},
		"v1 is a file": func(l Location, _ string, do func(...error)) []Problem {
			do(os.RemoveAll(l.v1()), write(l.v1()))
			return []Problem{{
				What: l.v1() + " is not a directory", Path: l.v1(), Fix: []string{"mv", l.v1(), l.v1() + ".aside"},
			}}
		},
		"a generation is a file": func(l Location, _ string, do func(...error)) []Problem {
			path := l.Generation("x")
			do(write(path))
			return []Problem{{What: path + " is not a directory", Path: path, Fix: []string{"mv", path, path + ".aside"}}}
		},
		"a generation is a link": func(l Location, _ string, do func(...error)) []Problem {
			path := l.Generation("x")
			do(os.Symlink(l.State, path))
			return []Problem{{
				What: "refused as unsafe: " + path + " is a symbolic link", Path: path, Err: &durable.ShapeError{Path: path, Is: durable.Link},
			}}
		},
		"a stray among the entries": func(_ Location, g string, do func(...error)) []Problem {
			path := filepath.Join(g, "notes.txt")
			do(write(path))
			return []Problem{{
				What: "a file among the entries was not made by regshape; it does no harm, and can be moved away: " + path,
				Path: g, Harmless: true,
			}}
		},
		"strays among the entries": func(_ Location, g string, do func(...error)) []Problem {
			one, two := filepath.Join(g, "notes.txt"), filepath.Join(g, "zz")
			do(write(one), os.Mkdir(two, 0o755))
			return []Problem{{
				What: "a file among the entries was not made by regshape; it does no harm, and can be moved away: " + one + ", " + two,
				Path: g, Harmless: true,
			}}
		},
		"slots that others may look at": func(l Location, _ string, do func(...error)) []Problem {
			one, two := l.SlotsDir("age1"), l.SlotsDir("age2")
			if one > two {
				one, two = two, one
			}
			all := filepath.Dir(one)
			do(os.MkdirAll(one, 0o700), os.MkdirAll(two, 0o700), os.Chmod(all, 0o710), os.Chmod(one, 0o701), os.Chmod(two, 0o701))
			return []Problem{
				{What: "other users have access to " + all + " (mode 0710)", Path: all, Fix: []string{"chmod", "700", all}},
				{What: "other users have access to " + one + " (mode 0701)", Path: one, Fix: []string{"chmod", "700", one}},
				{What: "other users have access to " + two + " (mode 0701)", Path: two, Fix: []string{"chmod", "700", two}},
			}
		},
		"a generation is another user's": func(_ Location, g string, do func(...error)) []Problem {
			do(os.Chown(g, other, other))
			return []Problem{foreign(g)}
		},
		"the config is another user's": func(l Location, _ string, do func(...error)) []Problem {
			do(write(l.configFile()), os.Chown(l.configFile(), other, other))
			return []Problem{foreign(l.configFile())}
		},
		"the names are a directory": func(l Location, _ string, do func(...error)) []Problem {
			path := l.namesFile()
			do(os.Mkdir(path, 0o700))
			return []Problem{{
				What: path + " is not a regular file of a sensible size", Path: path, Fix: []string{"mv", path, path + ".aside"},
			}}
		},
		"the names are too large": func(l Location, _ string, do func(...error)) []Problem {
			path := l.namesFile()
			do(os.WriteFile(path, make([]byte, durable.MaxFile+1), 0o600))
			return []Problem{{
				What: path + " is not a regular file of a sensible size", Path: path, Fix: []string{"mv", path, path + ".aside"},
			}}
		},
		"the names are as large as may be": func(l Location, _ string, do func(...error)) []Problem {
			do(os.WriteFile(l.namesFile(), make([]byte, durable.MaxFile), 0o600))
			return nil
		},
		"others may read the config": func(l Location, _ string, do func(...error)) []Problem {
			path := l.configFile()
			do(write(path), os.Chmod(path, 0o640))
			return []Problem{{
				What: path + " should have mode 0600, not 0640", Path: path, Fix: []string{"chmod", "600", path},
			}}
		},
		"others may read an entry": func(_ Location, g string, do func(...error)) []Problem {
			path := filepath.Join(g, strings.Repeat("0", 32))
			do(write(path), os.Chmod(path, 0o604))
			return []Problem{{
				What: "entries should have mode 0600: " + path, Path: g, Fix: []string{"chmod", "600", path},
			}}
		},
		"an entry that we may not read": func(_ Location, g string, do func(...error)) []Problem {
			path := filepath.Join(g, strings.Repeat("0", 32))
			do(write(path), os.Chmod(path, 0o200))
			return []Problem{{What: "entries should have mode 0600: " + path, Path: g, Fix: []string{"chmod", "600", path}}}
		},
		"an entry is another user's": func(_ Location, g string, do func(...error)) []Problem {
			path := filepath.Join(g, strings.Repeat("0", 32))
			do(write(path), os.Chown(path, other, other))
			return []Problem{{
				What: "entries belong to another user: " + path, Path: g, Fix: []string{"sudo", "chown", "-R", me, path},
			}}
		},
		"hidden files that are open": func(_ Location, g string, do func(...error)) []Problem {
			path := filepath.Join(g, ".nfs0001")
			do(write(path), os.Chmod(path, 0o666))
			return nil
		},
		"temporary files": func(l Location, g string, do func(...error)) []Problem {
			young, dir, config := filepath.Join(g, ".tmp-A"), filepath.Join(g, ".tmp-D"), filepath.Join(l.Config, ".tmp-C")
			old, older, inV1 := filepath.Join(g, ".tmp-B"), filepath.Join(g, ".tmp-E"), filepath.Join(l.v1(), ".tmp-F")
			var err error
			for _, path := range []string{young, old, older, config, inV1} {
				err = errors.Join(err, write(path))
			}
			err = errors.Join(err, os.Mkdir(dir, 0o700), hours(dir, 2), hours(old, 2), hours(older, 3), hours(config, 2), hours(inV1, 2))
			const what = "temporary files of interrupted runs are left: "
			do(err)
			return []Problem{
				{What: what + config, Path: l.Config, Fix: []string{"rm", config}},
				{What: what + inV1, Path: l.v1(), Fix: []string{"rm", inV1}},
				{What: what + old + ", " + older, Path: g, Fix: []string{"rm", old, older}},
			}
		},
		"an old generation half removed": func(l Location, _ string, do func(...error)) []Problem {
			old, young := filepath.Join(l.v1(), ".retired-a"), filepath.Join(l.v1(), ".retired-b")
			do(os.Mkdir(old, 0o700), os.Mkdir(young, 0o700), hours(old, 2))
			return []Problem{{
				What: "a key change left entries under the old key: " + old, Path: l.v1(), Fix: []string{"rm", "-r", old},
			}}
		},
		"what a reset has moved aside": func(l Location, _ string, do func(...error)) []Problem {
			one, two := filepath.Join(l.v1(), "old-g-x.forgotten-y"), filepath.Join(l.v1(), "old-names")
			three := filepath.Join(l.v1(), "x.forgotten-y")
			do(write(one), write(two), write(three))
			return []Problem{{
				What: "a reset moved these aside; delete them if the lost key will not turn up: " + one, Path: l.v1(),
				Fix: []string{"rm", "-r", one}, Harmless: true,
			}}
		},
		"a config that was staged long ago": func(l Location, _ string, do func(...error)) []Problem {
			one, two, young := l.stagedConfig("1"), l.stagedConfig("2"), l.stagedConfig("0")
			err := errors.Join(write(one), write(two), write(young), hours(one, 2), hours(two, 2))
			do(err)
			return []Problem{{What: "a key change was interrupted: " + one, Path: l.Config, Unfinished: true}}
		},
		"a key that was staged long ago": func(l Location, _ string, do func(...error)) []Problem {
			path := l.StagedKeyFile("1")
			do(write(path), hours(path, 2))
			return []Problem{{
				What: "a key change was interrupted: " + path, Path: l.State, Unfinished: true,
			}}
		},
	} {
		l, generation, check := checked(t, 1)
		var err error
		want := spoil(l, generation, func(steps ...error) { err = errors.Join(steps...) })
		if err != nil && strings.Contains(what, "another user's") && os.Geteuid() != 0 {
			t.Logf("not tried, for only root can give files away: %s", what)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := check(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
}

// All directories around a profile are checked.
func TestCheck_profile(t *testing.T) {
	home := t.TempDir()
	inHome(t, home, nil)
	l, err := Locate(Options{Profile: "work"})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, dir := range append(slices.Clone(l.above), l.Data, l.State, l.Config) {
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o702)); err != nil {
			t.Fatal(err)
		}
		want = append(want, dir)
	}
	var got []string
	for _, p := range l.Check(time.Now()) {
		got = append(got, p.Path)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("open to others: %q, want %q", got, want)
	}
}

func TestMarkers_openToOthers(t *testing.T) {
	s, _, kid := markedStore(t, oneToken)
	if err := os.Chmod(s.loc.markerDir(kid), 0o702); err != nil {
		t.Fatal(err)
	}
	if tokens, err := s.markers(kid); !errors.Is(err, durable.ErrUnsafe) {
		t.Errorf("markers that others may write: %q, %v; want %v", tokens, err, durable.ErrUnsafe)
	}
}

// A file in place of a directory, or above it, is named.
func TestCheck_fileInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sound := t.TempDir()
	for _, loc := range []Location{
		{Data: path, State: path, Config: path},
		{Data: sound, State: sound, Config: filepath.Join(path, "below")},
	} {
		if found := loc.Check(time.Now()); len(found) != 1 || !strings.Contains(found[0].What, "not a directory") {
			t.Errorf("%s: got %v, want that it is not a directory", loc.Config, found)
		}
	}
}
