package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// Two that were cut short, and what they left, are taken back together, and told.
func TestTakeBackSeveral(t *testing.T) {
	s, key, kid := markedStore(t, oneToken, twoToken)
	stray := []string{s.loc.Generation("00000000000000aa"), s.loc.Generation("00000000000000bb")}
	for _, path := range stray {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if done, err := s.Abort(t.Context()); !done || err != nil {
		t.Errorf("abort: %t, %v", done, err)
	}
	settledTree(t, s, key.memoryKey)
	if err := os.Mkdir(stray[0], 0o700); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Abort(t.Context()); !done || err != nil {
		t.Errorf("abort of a generation that is not pinned: %t, %v", done, err)
	}
	settledTree(t, s, key.memoryKey)
	// What is not pinned is left where the pinned one is not there: the config may be old.
	if err := errors.Join(os.Mkdir(stray[0], 0o700), os.Rename(s.loc.Generation(kid), stray[1])); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Abort(t.Context()); done || err != nil {
		t.Errorf("abort: %t, %v", done, err)
	}
	for _, path := range stray {
		if there, err := exists(path); !there || err != nil {
			t.Errorf("%s is gone (%v)", path, err)
		}
	}
	// Copies alone are told, too, by nobody but removed.
	s, key, _ = markedStore(t)
	if err := os.Mkdir(s.loc.copiesFolder(oneToken), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	settledTree(t, s, key.memoryKey)
	empty, _ := notingStore(t, true)
	if done, err := empty.Abort(t.Context()); done || err != nil {
		t.Errorf("abort of no store: %t, %v", done, err)
	}
	if underWay, err := empty.UnderWay(); underWay || err != nil {
		t.Errorf("no store is under way: %t, %v", underWay, err)
	}
	if err := empty.stage(oneToken, Config{Version: 1, Key: KeySource{Source: "memory"}, KID: kid}); err != nil {
		t.Fatal(err)
	}
	if underWay, err := empty.UnderWay(); !underWay || err != nil {
		t.Errorf("a store that has only a staged config: %t, %v", underWay, err)
	}
}

// A store at rest is not under way, and what is staged is told once.
func TestUnderWay(t *testing.T) {
	s, _, _ := markedStore(t)
	if underWay, err := s.UnderWay(); underWay || err != nil {
		t.Errorf("at rest: %t, %v", underWay, err)
	}
	s, _, kid := markedStore(t, oneToken, twoToken)
	three := "0000000000000003"
	if err := s.stage(three, s.config); err != nil {
		t.Fatal(err)
	}
	for _, stray := range []string{s.loc.stagedConfig("x"), s.loc.configFile() + "x", filepath.Join(s.loc.Config, oneToken)} {
		if err := os.WriteFile(stray, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tokens, err := s.underWay(kid)
	if want := []string{oneToken, twoToken, three}; err != nil || !slices.Equal(tokens, want) {
		t.Errorf("%q, %v; want %q", tokens, err, want)
	}
	if _, err := listAfter(filepath.Join(s.loc.configFile(), "below")); err == nil {
		t.Error("a file was listed as a folder")
	}
	s.loc.Config = s.loc.configFile()
	if _, err := s.underWay(""); err == nil {
		t.Error("a config folder that is a file has nothing staged")
	}
}

// Key files that a change left are discarded in their place; where that fails it is told.
func TestTakeBackKeyFiles(t *testing.T) {
	s, key := notingStore(t, false)
	discarded := 0
	key.note = func(what string) {
		if what == "discard" {
			discarded++
		}
	}
	for _, kid := range []string{"00000000000000aa", "00000000000000bb"} {
		if err := os.WriteFile(s.loc.StagedKeyFile(kid), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if done, err := s.Abort(t.Context()); !done || err != nil || discarded != 2 {
		t.Errorf("abort: %t, %v, %d discarded", done, err, discarded)
	}
	key.refuse["discard"] = syscall.EIO
	if _, err := s.Abort(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("a place that refuses: %v", err)
	}
	// The present key's own, in a store that has it in a file, is only not promoted yet.
	clear(key.refuse)
	s.config.Key.Source = SourceFile
	data, err := s.config.marshal()
	for _, kid := range []string{"00000000000000aa", "00000000000000bb"} {
		err = errors.Join(err, os.Remove(s.loc.StagedKeyFile(kid)))
	}
	err = errors.Join(err, publish(osDisk{}, s.loc.configFile(), data), os.WriteFile(s.loc.StagedKeyFile(s.config.KID), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	discarded = 0
	if _, done, err := s.takeBack(t.Context()); done || err != nil || discarded != 0 {
		t.Errorf("the present key: %t, %v, %d discarded", done, err, discarded)
	}
	if err := os.WriteFile(s.loc.StagedKeyFile("00000000000000aa"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, done, err := s.takeBack(t.Context()); !done || err != nil || discarded != 1 {
		t.Errorf("the present key and another: %t, %v, %d discarded", done, err, discarded)
	}
	s.loc.State = filepath.Join(s.loc.configFile(), "below")
	if _, _, err := s.takeBack(t.Context()); err == nil {
		t.Error("a state folder below a file holds no keys")
	}
}

// What was committed while a run was taking back is not touched by it, nor passed over.
func TestTakeBackMeetsACommit(t *testing.T) {
	s, _ := committedStore(t)
	stale := *s
	stale.config.KID, stale.config.Previous = s.config.Previous.KID, nil
	if again, _, err := stale.takeBack(t.Context()); again != nil || err != nil {
		t.Errorf("%v, %v", again, err)
	}
	for _, kid := range []string{s.config.KID, s.config.Previous.KID} {
		if there, err := exists(s.loc.Generation(kid)); !there || err != nil {
			t.Errorf("the generation %s is gone (%v)", kid, err)
		}
	}
	if got := secretOf(s, "a.example"); got != "s" {
		t.Errorf("get says %s", got)
	}
	if err := os.WriteFile(s.loc.configFile(), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.takeBack(t.Context()); err == nil {
		t.Error("a config that became garbage is passed over")
	}
	// Where it cannot be looked whether all is finished, that is no "nothing to do".
	s, key := committedStore(t)
	if err := errors.Join(os.RemoveAll(s.loc.v1()), os.WriteFile(s.loc.v1(), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, act := range everyAct() {
		if act.name == "resume" || act.name == "under way" || act.name == "abort" {
			if err := act.do(t, s, key); err == nil {
				t.Errorf("%s says nothing", act.name)
			}
		}
	}
}

// Resume and Abort tell what they could not do.
func TestResumeAndAbortThatFail(t *testing.T) {
	s, key, _ := markedStore(t, oneToken)
	key.refuse["stage"] = syscall.EIO
	if _, err := s.Resume(t.Context(), nil); !errors.Is(err, syscall.EIO) {
		t.Errorf("resume with a place that refuses: %v", err)
	}
	s, key = committedStore(t)
	key.refuse["discard"] = syscall.EIO
	if _, err := s.Resume(t.Context(), nil); !errors.Is(err, syscall.EIO) || !LeftBehind(err) {
		t.Errorf("resume with a place that does not forget: %v", err)
	}
	s, _, _ = markedStore(t)
	if err := os.Mkdir(s.loc.Generation("00000000000000aa"), 0o700); err != nil {
		t.Fatal(err)
	}
	stopped := false
	s.disk = &brokenDisk{step: "rename", err: syscall.EIO, stopped: &stopped}
	if _, err := s.Abort(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("abort with a generation that cannot be taken out of the way: %v", err)
	}
}
