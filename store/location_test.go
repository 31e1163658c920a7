package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adrg/xdg"

	"regshape/store/durable"
)

func TestLocation_fileNames(t *testing.T) {
	loc, err := Locate(Options{Dir: "/s"})
	if err != nil {
		t.Fatal(err)
	}
	const kid = "0011223344556677"
	for got, want := range map[string]string{
		loc.KeyFile():          "/s/key",
		loc.StagedKeyFile(kid): "/s/key.next-" + kid,
		loc.SealedKeyFile(kid): "/s/v1/key-" + kid + ".age",
		loc.SlotsDir("age1x"):  "/s/v1/slots/ba9e59dcc44fa0b7", // sha256sum of "age1x"
		loc.namesFile():        "/s/names",
		loc.configFile():       "/s/config",
		loc.stagedConfig("t"):  "/s/config.next-t",
		loc.copiesDir("t"):     "/s/v1/.new-t",
		loc.markerDir(kid):     "/s/v1/g-" + kid + "/.rekey",
		loc.Generation(kid):    "/s/v1/g-" + kid,
	} {
		if got != filepath.FromSlash(want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// inHome makes dir the home, and names of XDG variables directories of their own.
func inHome(t *testing.T, home string, variables map[string]string) {
	t.Helper()
	for _, name := range []string{"XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"} {
		t.Setenv(name, variables[name])
	}
	t.Setenv("HOME", home)
	xdg.Reload()
	t.Cleanup(func() {
		_ = os.Setenv("HOME", os.TempDir()) // until t.Setenv puts the old one back
		xdg.Reload()
	})
}

func TestLocate_environment(t *testing.T) {
	home := t.TempDir()
	data, state, config := filepath.Join(home, "d"), filepath.Join(home, "s"), filepath.Join(home, "c")
	inHome(t, home, map[string]string{"XDG_DATA_HOME": data, "XDG_STATE_HOME": state, "XDG_CONFIG_HOME": config})
	loc, err := Locate(Options{Profile: "work"})
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{loc.Data: data, loc.State: state, loc.Config: config} {
		if got != filepath.Join(want, "regshape", "profiles", "work") {
			t.Errorf("%s, want the profile's directory in %s", got, want)
		}
	}
	var above []string
	for _, dir := range []string{data, state, config} {
		above = append(above, filepath.Join(dir, "regshape"), filepath.Join(dir, "regshape", "profiles"))
	}
	if !slices.Equal(loc.above, above) {
		t.Errorf("around the profile: %q, want %q", loc.above, above)
	}
	if left, err := os.ReadDir(home); err != nil || len(left) != 0 {
		t.Errorf("locating made %v (%v)", left, err)
	}
	// Each of the four is refused where others can write to it, and where it is no directory.
	for _, dir := range append(above, loc.Data, filepath.Join(loc.Data, "v1"), loc.State, loc.Config) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := loc.checkOwned(); err != nil {
		t.Errorf("a good store: %v", err)
	}
	for _, dir := range append(above, loc.Data, filepath.Join(loc.Data, "v1"), loc.State, loc.Config) {
		if err := os.Chmod(dir, 0o770); err != nil {
			t.Fatal(err)
		}
		if err := loc.checkOwned(); durable.ModesMatter && (err == nil || !strings.Contains(err.Error(), dir+" ")) {
			t.Errorf("with %s open to the group: %v", dir, err)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProfileNames(t *testing.T) {
	for _, good := range []string{"a", "z", "0", "9", "a.b_c-d", "w0rk", strings.Repeat("z", 64)} {
		if err := CheckProfile(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".a", "_a", "-a", "a/b", "a b", "A", "aZ", "a`", "a{", "a/", "a:", strings.Repeat("z", 65)} {
		if CheckProfile(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestLocate_unnamedHome(t *testing.T) {
	all := map[string]string{"XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s", "XDG_CONFIG_HOME": "/c"}
	for _, test := range []struct {
		home, missing string
		want          bool
	}{
		{"/h", "", false},
		{"/h", "XDG_DATA_HOME", false},
		{"", "", false},
		{"", "XDG_DATA_HOME", true},
		{"", "XDG_STATE_HOME", true},
		{"", "XDG_CONFIG_HOME", true},
		{"rel", "", false},
		{"rel", "XDG_STATE_HOME", true},
	} {
		t.Setenv("HOME", test.home)
		for name, value := range all {
			if name == test.missing {
				value = ""
			}
			t.Setenv(name, value)
		}
		if got := noHome(); got != test.want {
			t.Errorf("home %q, without %q: %t", test.home, test.missing, got)
		}
		if test.missing == "" {
			continue
		}
		if t.Setenv(test.missing, "relative"); noHome() != test.want { // which counts for nothing
			t.Errorf("home %q, %s relative: %t, want %t", test.home, test.missing, !test.want, test.want)
		}
	}
}

func TestHomeVariable(t *testing.T) {
	for goos, want := range map[string]string{"linux": "HOME", "darwin": "HOME", "windows": "USERPROFILE"} {
		if got := HomeVariable(goos); got != want {
			t.Errorf("%s: %s, want %s", goos, got, want)
		}
	}
}

// A relative home is none: the store of whoever owns the current directory is not used.
func TestLocate_relativeHome(t *testing.T) {
	inHome(t, "rel", nil)
	l, err := Locate(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{l.Data, l.State, l.Config} {
		if !filepath.IsAbs(dir) {
			t.Errorf("the store is in %q, want an absolute path", dir)
		}
	}
	if err := l.checkWritable(); !errors.Is(err, ErrNoHome) || !strings.Contains(err.Error(), "HOME is not an absolute path") {
		t.Errorf("writing: %v, want %v", err, ErrNoHome)
	}
}

// No file is made below a home that is not there or that nobody named.
func TestLocate_missingHome(t *testing.T) {
	home := t.TempDir()
	gone := filepath.Join(home, "gone")
	below := Location{Data: filepath.Join(gone, "d"), State: filepath.Join(home, "s"), Config: filepath.Join(home, "c"), home: gone}
	if err := below.checkWritable(); err == nil || !strings.Contains(err.Error(), gone) {
		t.Errorf("below a home that is not there: %v", err)
	}
	beside := Location{Data: gone + "x/d", State: gone + "x/s", Config: gone + "x/c", home: gone}
	if err := beside.checkWritable(); err != nil {
		t.Errorf("all directories elsewhere: %v", err)
	}
	t.Setenv("HOME", "")
	if err := (Location{Data: "/d", home: home, noHome: true}).checkWritable(); err != ErrNoHome { //nolint:errorlint // it has nothing to add
		t.Errorf("without a home: %v", err)
	}
	if err := (Location{Data: gone}).checkWritable(); err != nil {
		t.Errorf("a directory that was named: %v", err)
	}
	file := filepath.Join(home, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Location{home: filepath.Join(file, "x")}).checkWritable(); err == nil || !strings.Contains(err.Error(), "check the home directory") {
		t.Errorf("a home below a file: %v", err)
	}
}

// Each of these directories may be the one below the home that is not there.
func TestLocate_belowMissingHome(t *testing.T) {
	home := filepath.Join(t.TempDir(), "gone")
	inside, outside := filepath.Join(home, "x"), filepath.Join(t.TempDir(), "x")
	for i := range 3 {
		dirs := []string{outside, outside, outside}
		dirs[i] = inside
		if (Location{Data: dirs[0], State: dirs[1], Config: dirs[2], home: home}).checkWritable() == nil {
			t.Errorf("%q is accepted", dirs)
		}
	}
}

func TestLocation_dirs(t *testing.T) {
	v1 := filepath.Join("d", "v1")
	l := Location{Data: "d", State: "s", Config: "s"}
	for _, test := range []struct{ above, tops, below []string }{
		{nil, []string{"d", "s"}, []string{v1}},
		{[]string{"a", "a/profiles", "b", "b/profiles"}, []string{"a", "b"}, []string{v1, "d", "s", "a/profiles", "b/profiles"}},
	} {
		l.above = test.above
		if tops, below := l.dirs(); !slices.Equal(tops, test.tops) || !slices.Equal(below, test.below) {
			t.Errorf("dirs with %q above: %q and %q, want %q and %q", test.above, tops, below, test.tops, test.below)
		}
	}
}
