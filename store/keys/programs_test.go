//go:build unix

package keys

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/store"
	"regshape/store/durable"
	"regshape/store/trust"
)

// trap makes a program that leaves a mark when it is started, and returns whether it was.
func trap(t *testing.T, name string) (path string, sprung func() bool) {
	t.Helper()
	dir := t.TempDir()
	path, mark := filepath.Join(dir, name), filepath.Join(dir, "mark")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n>>'"+mark+"'\necho \"$LINE\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path, func() bool {
		_, err := os.Lstat(mark)
		return !errors.Is(err, fs.ErrNotExist)
	}
}

// A program that a config names is not started in any way before the user trusts it there.
func TestCommand_ofConfig(t *testing.T) {
	testenv.Home(t)
	ctx := context.Background()
	loc := testLocation(t)
	k := store.NewRootKey()
	t.Setenv("LINE", k.Line())
	path, sprung := trap(t, "vault")
	source := store.KeySource{Source: store.SourceCommand, Command: []string{path, "x"}}
	place, err := (Sources{}).Choose(loc, source)
	if err != nil {
		t.Fatal(err)
	}
	try := func() error {
		_, loadErr := place.Load(ctx, k.KID())
		_, linesErr := place.(Command).Lines(ctx)
		stageErr := place.Stage(ctx, k, "")
		if (loadErr == nil) != (linesErr == nil) || (loadErr == nil) != (stageErr == nil) {
			t.Errorf("they differ: %v; %v; %v", loadErr, linesErr, stageErr)
		}
		if err := errors.Join(place.Promote(ctx, k.KID()), place.Discard(ctx, "x")); err != nil {
			t.Error(err)
		}
		return loadErr
	}
	if err := try(); !errors.Is(err, store.ErrUntrusted) || !strings.Contains(err.Error(), path) || sprung() {
		t.Errorf("untrusted: %v, started: %v", err, sprung())
	}
	programs, err := Programs(loc, source)
	if err != nil || len(programs) != 1 || !slices.Equal(programs[0].Words, source.Command) {
		t.Fatalf("%v, %v", programs, err)
	}
	if err := trust.Add(loc, programs[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o770); err != nil {
		t.Fatal(err)
	}
	if err := try(); !errors.Is(err, durable.ErrUnsafe) || sprung() {
		t.Errorf("replaceable: %v, started: %v", err, sprung())
	}
	typed, err := ResolveCommand(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := typed.Lines(ctx); !errors.Is(err, durable.ErrUnsafe) || sprung() {
		t.Errorf("replaceable and typed: %v, started: %v", err, sprung())
	}
	if err := os.Chmod(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := try(); err != nil || !sprung() {
		t.Errorf("trusted: %v, started: %v", err, sprung())
	}
}

// A plugin that only the name of a slot's file chooses is not started before the user trusts
// it; one that an identity names is the user's choice.
func TestPlugin_ofSlot(t *testing.T) {
	testenv.Home(t)
	s, _ := freshSlots(t, time.Time{})
	k := stageNew(t, s, "")
	path, sprung := trap(t, "age-plugin-evil")
	t.Setenv("PATH", filepath.Dir(path)+string(os.PathListSeparator)+os.Getenv("PATH"))
	slots, err := s.List()
	if err != nil || len(slots) != 1 {
		t.Fatalf("%v, %v", slots, err)
	}
	data, err := os.ReadFile(slots[0].File)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"3.plugin-evil.age", "4.plugin-evil.age", "5.plugin-.age", "6.plugin-e\x1bl.age"} {
		if err := os.WriteFile(filepath.Join(s.dir(), name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	way, err := passphraseRecipient("right", 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(t.Context(), way, ""); err != nil {
		t.Fatal(err)
	}
	reported := ""
	ui := &PluginUI{Display: func(text string) { reported += text }, Explain: func(err error) string { return "explained: " + err.Error() }}
	for _, passphrase := range []string{"wrong", "right"} {
		ask := func() (string, error) { return passphrase, nil }
		_, _, err = s.Open(t.Context(), k.KID(), Opener{UI: ui, Passphrase: ask})
		if opened := passphrase == "right"; (err == nil) != opened || errors.Is(err, store.ErrUntrusted) == opened || sprung() {
			t.Errorf("untrusted, and the %s passphrase: %v, started: %v", passphrase, err, sprung())
		}
		if !strings.HasPrefix(reported, "explained: ") || !strings.Contains(reported, path+" was not started") {
			t.Errorf("before the passphrase was asked for: %q", reported)
		}
		reported = ""
	}
	programs, err := Programs(s.Location, s.Source())
	if err != nil || len(programs) != 1 || programs[0].Words[0] != path {
		t.Fatalf("%v, %v", programs, err)
	}
	if err := trust.Add(s.Location, programs[0]); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Open(t.Context(), k.KID(), Opener{}); err == nil || errors.Is(err, store.ErrUntrusted) || !sprung() {
		t.Errorf("trusted: %v, started: %v", err, sprung())
	}
}
