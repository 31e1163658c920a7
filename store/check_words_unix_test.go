//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Each thing that can be wrong is told in its own words, with the command that mends it.
func TestWhatCheckSays(t *testing.T) {
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
				What: l.v1() + " is no folder", Path: l.v1(), Fix: []string{"mv", l.v1(), l.v1() + ".aside"},
			}}
		},
		"a generation is a file": func(l Location, _ string, do func(...error)) []Problem {
			path := l.Generation("x")
			do(write(path))
			return []Problem{{What: path + " is no folder", Path: path, Fix: []string{"mv", path, path + ".aside"}}}
		},
		"a generation is another user's": func(_ Location, g string, do func(...error)) []Problem {
			do(os.Chown(g, other, other))
			return []Problem{foreign(g)}
		},
		"the config is another user's": func(l Location, _ string, do func(...error)) []Problem {
			do(write(l.configFile()), os.Chown(l.configFile(), other, other))
			return []Problem{foreign(l.configFile())}
		},
		"the names are a folder": func(l Location, _ string, do func(...error)) []Problem {
			path := l.namesFile()
			do(os.Mkdir(path, 0o700))
			return []Problem{{
				What: path + " is no regular file of a sensible size", Path: path, Fix: []string{"mv", path, path + ".aside"},
			}}
		},
		"the names are too large": func(l Location, _ string, do func(...error)) []Problem {
			path := l.namesFile()
			do(os.WriteFile(path, make([]byte, maxFile+1), 0o600))
			return []Problem{{
				What: path + " is no regular file of a sensible size", Path: path, Fix: []string{"mv", path, path + ".aside"},
			}}
		},
		"the names are as large as may be": func(l Location, _ string, do func(...error)) []Problem {
			do(os.WriteFile(l.namesFile(), make([]byte, maxFile), 0o600))
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
			young, folder, config := filepath.Join(g, ".tmp-A"), filepath.Join(g, ".tmp-D"), filepath.Join(l.Config, ".tmp-C")
			old, older, inV1 := filepath.Join(g, ".tmp-B"), filepath.Join(g, ".tmp-E"), filepath.Join(l.v1(), ".tmp-F")
			var err error
			for _, path := range []string{young, old, older, config, inV1} {
				err = errors.Join(err, write(path))
			}
			err = errors.Join(err, os.Mkdir(folder, 0o700), hours(folder, 2), hours(old, 2), hours(older, 3), hours(config, 2), hours(inV1, 2))
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
				What: "a change of the key has left entries under the old key: " + old, Path: l.v1(), Fix: []string{"rm", "-r", old},
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
			return []Problem{{What: "a change of the key was cut short: " + one, Path: l.Config, Unfinished: true}}
		},
		"a key that was staged long ago": func(l Location, _ string, do func(...error)) []Problem {
			path := l.StagedKeyFile("1")
			do(write(path), hours(path, 2))
			return []Problem{{
				What: "a change of the key was cut short: " + path, Path: l.State, Unfinished: true,
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
