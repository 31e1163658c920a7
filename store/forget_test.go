package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Forget moves all of a store aside, names what it moved, and leaves the rest.
func TestForgetMovesEverything(t *testing.T) {
	l := Location{Data: filepath.Join(t.TempDir(), "[a-b]*", "s")} // a name that a pattern would not match
	l.State, l.Config = filepath.Join(l.Data, "state"), filepath.Join(l.Data, "config")
	const one, two = "00000000000000aa", "00000000000000bb"
	folders := []string{l.Generation(one), l.Generation(two), filepath.Join(l.v1(), "slots")}
	files := []string{
		l.StagedKeyFile(one), l.StagedKeyFile(two), l.KeyFile(), l.SealedKeyFile(one), l.SealedKeyFile(two),
		l.stagedConfig(one), l.stagedConfig(two), l.configFile(), l.namesFile(),
	}
	rest := []string{filepath.Join(l.State, "other"), filepath.Join(l.v1(), "other.age"), filepath.Join(l.Config, "config.bak")}
	if err := errors.Join(os.MkdirAll(l.State, 0o700), os.MkdirAll(l.Config, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, path := range folders {
		if err := errors.Join(os.MkdirAll(path, 0o700), os.WriteFile(filepath.Join(path, "x"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range append(slices.Clone(files), rest...) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Date(2026, 11, 22, 4, 5, 6, 7000, time.FixedZone("", 3600))
	got, err := l.Forget(now)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, path := range append(slices.Clone(folders), files...) {
		want = append(want, filepath.Join(filepath.Dir(path), "old-"+filepath.Base(path)+".forgotten-20261122T030506.000007Z"))
	}
	if !slices.Equal(got[:2], want[:2]) {
		t.Errorf("first it moved %q, want the generations: while one is there, no key is made", got[:2])
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("it says %q, want %q", got, want)
	}
	for _, path := range append(want, rest...) {
		if there, err := exists(path); !there || err != nil {
			t.Errorf("%s is not there (%v)", path, err)
		}
	}
	if again, err := l.Forget(now); len(again) != 0 || err != nil {
		t.Errorf("once more: %q, %v", again, err)
	}
	// Where something stands in the way it ends, and says what it has done.
	if err := errors.Join(os.Mkdir(l.Generation(one), 0o700), os.WriteFile(l.KeyFile(), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	got, err = l.Forget(now)
	if err == nil || !strings.Contains(err.Error(), l.Generation(one)) || len(got) != 0 {
		t.Errorf("a generation of then in the way: %q, %v", got, err)
	}
	if there, err := exists(l.KeyFile()); !there || err != nil {
		t.Errorf("the key was moved before the generation (%v)", err)
	}
}

// What cannot be looked at is not forgotten.
func TestForgetRefuses(t *testing.T) {
	l := Location{Data: t.TempDir()}
	l.Config, l.State = l.Data, filepath.Join(l.Data, "file", "below")
	if err := os.WriteFile(filepath.Join(l.Data, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Forget(time.Now()); err == nil || len(got) != 0 {
		t.Errorf("with a state folder below a file: %q, %v", got, err)
	}
	if modesMatter {
		l.State = l.Data
		if err := os.Chmod(l.Data, 0o777); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Forget(time.Now()); !errors.Is(err, ErrUnsafe) {
			t.Errorf("of a folder that is open to all: %v", err)
		}
	}
}
