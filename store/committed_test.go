package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// What later runs look for after a change of the key, by where the keys are and were.
func TestUnfinished(t *testing.T) {
	const now, before = "00000000000000aa", "00000000000000bb"
	source := func(name string) KeySource { return KeySource{Source: name} }
	paths := func(l Location) map[string]string {
		return map[string]string{
			"generation": l.Generation(before), "staged": l.StagedKeyFile(now), "file": l.KeyFile(), "sealed": l.SealedKeyFile(before),
		}
	}
	for _, test := range []struct {
		from, to string
		sameKey  bool
		pending  string // whatever of these is there has to be cleared away
	}{
		{SourceFile, SourceFile, false, "generation staged"},
		{SourceFile, SourceSlots, false, "generation file"},
		{SourceFile, SourceSlots, true, "file"},
		{SourceSlots, SourceFile, false, "generation staged sealed"},
		{SourceSlots, SourceSlots, false, "generation"},
		{SourceSlots, SourceKeyring, false, "generation sealed"},
		{SourceKeyring, SourceCommand, false, "generation"},
		{SourceKeyring, SourceCommand, true, ""},
		{"", SourceFile, true, ""}, // no change yet
	} {
		for what := range paths(Location{}) {
			l := Location{Data: t.TempDir()}
			l.State, l.Config = l.Data, l.Data
			path := paths(l)[what]
			if err := errors.Join(os.MkdirAll(l.Generation(now), 0o700), os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			s := Store{loc: l, config: Config{Key: source(test.to), KID: now}}
			if test.from != "" {
				s.config.Previous = &Pin{Key: source(test.from), KID: before}
				if test.sameKey {
					s.config.Previous.KID = now
				}
			}
			if test.sameKey && what == "sealed" {
				continue // of a key that is not told apart here
			}
			got, err := s.unfinished()
			if err == nil {
				checkOlderData(t, s, what)
			}
			if want := slices.Contains(strings.Fields(test.pending), what); got != want || err != nil {
				t.Errorf("from %q to %q, same key %t, with %s: %t, %v", test.from, test.to, test.sameKey, what, got, err)
			}
		}
	}
}

// Nothing is pending where nothing is left, whatever other generations there are.
func TestNothingUnfinishedBesideAStranger(t *testing.T) {
	l := Location{Data: t.TempDir()}
	l.State, l.Config = l.Data, l.Data
	if err := os.MkdirAll(l.Generation("00000000000000cc"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := Store{loc: l, config: Config{
		Key: KeySource{Source: SourceFile}, KID: "00000000000000aa",
		Previous: &Pin{Key: KeySource{Source: SourceFile}, KID: "00000000000000bb"},
	}}
	if pending, err := s.unfinished(); pending || err != nil {
		t.Errorf("%t, %v", pending, err)
	}
}

// checkOlderData wants nothing cleared away where the generation that the config pins is not
// there, and the old one is: older data was put back.
func checkOlderData(t *testing.T, s Store, what string) {
	t.Helper()
	pending, err := s.unfinished()
	if err := os.Remove(s.loc.Generation(s.config.KID)); err != nil {
		t.Fatal(err)
	}
	then, thenErr := s.unfinished()
	if what != "generation" && (then != pending || thenErr != nil || err != nil) {
		t.Errorf("without entries, with %s: %t, %v", what, then, thenErr)
	}
	if what == "generation" && pending && !errors.Is(thenErr, ErrWrongKey) {
		t.Errorf("with an old generation alone: %t, %v", then, thenErr)
	}
}

// committedStore is a store whose change of the key is committed, and not finished.
func committedStore(t *testing.T) (*Store, *notingKey) {
	t.Helper()
	s, key := notingStore(t, false)
	now := *s
	v, err := now.prepareToRotate(t.Context())
	to := NewRootKey()
	next := now.config
	next.Previous, next.KID = &Pin{Key: next.Key, KID: next.KID}, to.KID()
	for _, step := range []func() error{
		func() error { return now.stage(oneToken, next) },
		func() error { return key.Stage(t.Context(), to, "") },
		func() error { return now.mark(v.names.kid, oneToken) },
		func() error { return now.reseal(t.Context(), v, to, oneToken, nil) },
		func() error { return now.commit(oneToken, next) },
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return memoryStoreOf(t, s, key), key
}

// No write is acknowledged before a change that was committed is durable, and its old
// generation out of the readers' way.
func TestWritersFinishWhatWasCommitted(t *testing.T) {
	for _, act := range everyAct() {
		if !act.writes || strings.HasPrefix(act.name, "restore") || act.name == "forget" {
			continue
		}
		for _, step := range []string{"sync folder", "rename"} {
			s, key := committedStore(t)
			stopped := false
			s.disk = &brokenDisk{step: step, err: syscall.EIO, stopped: &stopped}
			if err := act.do(t, s, key); !errors.Is(err, syscall.EIO) || !stopped {
				t.Errorf("%s, failing %s: %v", act.name, step, err)
			}
			s.disk = osDisk{}
			if got := secretOf(s, "a.example"); got != "s" {
				t.Errorf("%s, failing %s: then get says %s", act.name, step, got)
			}
			if _, err := s.Resume(t.Context(), nil); err != nil {
				t.Errorf("%s, failing %s: then resume says %v", act.name, step, err)
			}
			settledTree(t, s, key.memoryKey)
		}
	}
}

// Once a change is finished writers do no more for it, and ask no place to forget a key.
func TestFinishedIsFinished(t *testing.T) {
	s, key := notingStore(t, false)
	if err := s.Rotate(t.Context(), Rotation{Source: key.Default(), Place: key}); err != nil {
		t.Fatal(err)
	}
	s = memoryStoreOf(t, s, key)
	key.note = func(what string) {
		if what == "discard" || what == "promote" {
			t.Errorf("a put after the end of a change asks to %s", what)
		}
	}
	mustPut(t, s, "b.example", "b")
}

// Names that cannot be written after the commit are left behind, and told.
func TestNamesLeftBehind(t *testing.T) {
	s, key := notingStore(t, false)
	key.note = func(what string) {
		if what != "promote" {
			return
		}
		if err := errors.Join(os.Remove(s.loc.namesFile()), os.Mkdir(s.loc.namesFile(), 0o700)); err != nil {
			t.Error(err)
		}
	}
	if err := s.Rotate(t.Context(), Rotation{Source: key.Default(), Place: key}); !LeftBehind(err) {
		t.Errorf("%v", err)
	}
	if lines, err := s.namesLines(); err == nil {
		t.Errorf("a folder holds %d names", len(lines))
	}
	if got := secretOf(s, "a.example"); got != "s" {
		t.Errorf("get says %s", got)
	}
}
