package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"regshape/store/durable"
)

// What a run killed at some point leaves is completed or taken back.
func TestResumeAndAbort(t *testing.T) {
	type point int
	const (
		staged point = iota // the config to be, and the key
		marked
		half // there is a directory for copies
		copied
		committed
	)
	for _, at := range []point{staged, marked, half, copied, committed} {
		for _, how := range []string{"resume", "abort", "put", "erase"} {
			t.Run(fmt.Sprint(at, how), func(t *testing.T) {
				key := &memoryKey{}
				s := memoryStore(t, t.TempDir(), key)
				for i := range 3 {
					mustPut(t, s, fmt.Sprintf("r%d.example", i), fmt.Sprint(i))
				}
				now := *s
				ctx := t.Context()
				v, err := now.prepareToRotate(ctx)
				to, token := NewRootKey(), newToken()
				before := now.config.KID
				next := now.config
				next.Previous, next.KID = &Pin{Key: next.Key, KID: next.KID}, to.KID()
				steps := []func() error{
					func() error { return errors.Join(now.stage(token, next), key.Stage(ctx, to, "")) },
					func() error { return now.mark(v.names.kid, token) },
					func() error {
						if at == half {
							return os.Mkdir(now.loc.copiesDir(token), 0o700)
						}
						return now.reseal(ctx, v, to, token, nil)
					},
					func() error { return now.commit(token, next) },
				}
				for i, step := range steps {
					reached := []point{staged, marked, half, committed}[i]
					if reached <= at && err == nil {
						err = step()
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				if underWay, err := s.UnderWay(); !underWay || err != nil {
					t.Errorf("under way: %t, %v", underWay, err)
				}
				if got := secretOf(s, "r1.example"); got != "1" {
					t.Errorf("before: %s", got)
				}
				s.rotationTimeout = 20 * time.Millisecond
				switch how {
				case "resume":
					var done bool
					if done, err = s.Resume(ctx, nil); !done {
						t.Error("resume did nothing")
					}
				case "abort":
					_, err = s.Abort(ctx)
				case "put":
					err = s.Put(ctx, Credential{ServerURL: "r1.example", Username: "u", Secret: "1"})
				case "erase":
					_, err = s.Erase(ctx, ParseAddress("r2.example"))
					mustPut(t, s, "r2.example", "2")
				}
				if err != nil {
					t.Fatal(err)
				}
				custody, err := s.Custody()
				// Resume begins again, under yet another key.
				turned, anew := at == committed, how == "resume" && at != committed
				if err != nil || (custody.KID == to.KID()) != turned || (custody.KID != to.KID() && custody.KID != before) != anew {
					t.Errorf("the store's key is now %s, it was %s, and %s was to come (%v)", custody.KID, before, to.KID(), err)
				}
				for i := range 3 {
					if got := secretOf(s, fmt.Sprintf("r%d.example", i)); got != fmt.Sprint(i) {
						t.Errorf("r%d: %s", i, got)
					}
				}
				if at == staged && (how == "put" || how == "erase") {
					_, err = s.Abort(ctx) // writers need not look for what has no marker
				}
				if err != nil {
					t.Fatal(err)
				}
				settledTree(t, s, key)
			})
		}
	}
}

// The place of the key changes and the key stays.
func TestMoveAndRestore(t *testing.T) {
	key := &memoryKey{}
	s := memoryStore(t, t.TempDir(), key)
	mustPut(t, s, "a.example", "s")
	root := key.root(t)
	elsewhere := KeySource{Source: "memory", Command: []string{"elsewhere"}}
	twin := &memoryKey{}
	if err := s.Move(t.Context(), Rotation{Source: elsewhere, Place: twin}); err != nil {
		t.Fatal(err)
	}
	custody, err := s.Custody()
	if err != nil || !custody.Source.Equal(elsewhere) || custody.KID != root.KID() || !twin.root(t).Equal(root) {
		t.Errorf("the store's key is now %v (%v)", custody, err)
	}
	if len(key.keys) != 0 {
		t.Error("the old place still has the key")
	}
	if err := twin.Discard(t.Context(), root.KID()); err != nil {
		t.Fatal(err)
	}
	// Both places of this test are the one memoryKey.
	if err := s.Restore(t.Context(), NewRootKey(), key.Default(), key); !errors.Is(err, ErrWrongKey) {
		t.Errorf("restore of another store's key: %v", err)
	}
	if err := s.Restore(t.Context(), root, elsewhere, key); err != nil {
		t.Fatal(err)
	}
	if got := secretOf(s, "a.example"); got != "s" {
		t.Errorf("after the restore: %s", got)
	}
	settledTree(t, s, key)

	// Without config and key, the data says whose key it is.
	for _, path := range []string{s.loc.configFile(), s.loc.namesFile()} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	key.keys = nil
	s = memoryStore(t, s.loc.Data, key)
	if err := s.Restore(t.Context(), NewRootKey(), key.Default(), key); !errors.Is(err, ErrWrongKey) {
		t.Errorf("restore of another store's key without a config: %v", err)
	}
	if err := s.Restore(t.Context(), root, key.Default(), key); err != nil || secretOf(s, "a.example") != "s" {
		t.Errorf("restore without a config: %v, %s", err, secretOf(s, "a.example"))
	}
	settledTree(t, s, key)
}

// What a rotation that was cut short is begun again with.
func TestAsBefore(t *testing.T) {
	s, key := notingStore(t, false)
	to := NewRootKey()
	if err := key.Stage(t.Context(), to, ""); err != nil {
		t.Fatal(err)
	}
	slots := KeySource{Source: SourceSlots, Recipient: "age1x"}
	file, command, environment := KeySource{Source: SourceFile}, KeySource{Source: SourceCommand}, KeySource{Source: SourceEnvironment}
	for _, test := range []struct {
		now, next KeySource
		kid       string
		refuse    string
		again     bool
		key       bool
	}{
		{file, file, to.KID(), "", true, false},
		{file, file, s.config.KID, "", false, false},
		{file, file, to.KID(), "choose", false, false},
		{slots, slots, to.KID(), "", true, false},
		{slots, slots, s.config.KID, "", false, false},
		{command, command, to.KID(), "", true, true},
		{environment, environment, to.KID(), "", true, true},
		{command, command, to.KID(), "load", false, false},
		// Another place is the user's to say.
		{slots, KeySource{Source: SourceSlots, Recipient: "age1y"}, to.KID(), "", false, false},
		{slots, file, to.KID(), "", false, false},
		{slots, command, to.KID(), "", false, false},
		{file, KeySource{Source: SourceKeyring}, to.KID(), "", false, false},
	} {
		clear(key.refuse)
		if test.refuse != "" {
			key.refuse[test.refuse] = syscall.EIO
		}
		s.config.Key = test.now
		r := s.asBefore(t.Context(), Config{Key: test.next, KID: test.kid})
		if (r != nil) != test.again {
			t.Errorf("%+v: got %+v, want one: %t", test, r, test.again)
			continue
		}
		if r != nil && (!r.Source.Equal(test.next) || r.Place != key || (r.Key != nil) != test.key || r.Key != nil && !r.Key.Equal(to)) {
			t.Errorf("%+v: got %+v", test, r)
		}
	}
}

// Resume goes on to the end, and tells how far it is.
func TestResume_progress(t *testing.T) {
	s, key, _ := markedStore(t, oneToken)
	mark := 0
	done, err := s.Resume(t.Context(), func(done, total int) { mark = done + 10*total })
	if !done || err != nil || mark != 11 {
		t.Errorf("%t, %v, progress %d", done, err, mark)
	}
	settledTree(t, s, key.memoryKey)
	// New slots need their ways in, which only the user has: that is taken back, and no more.
	s, key, kid := markedStore(t)
	next := s.config
	next.Key, next.KID = KeySource{Source: SourceSlots, Recipient: "age1x"}, NewRootKey().KID()
	if err := s.stage(oneToken, next); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Resume(t.Context(), nil); !done || err != nil {
		t.Errorf("resume: got %t, %v, want true", done, err)
	}
	if custody, err := s.Custody(); err != nil || custody.KID != kid {
		t.Errorf("the key is %s, want %s (%v)", custody.KID, kid, err)
	}
	settledTree(t, s, key.memoryKey)
}

// Two that were cut short, and what they left, are taken back together, and reported.
func TestTakeBack_several(t *testing.T) {
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
		if there, err := durable.Exists(path); !there || err != nil {
			t.Errorf("%s is gone (%v)", path, err)
		}
	}
	// Copies alone are reported, too, by nobody but removed.
	s, key, _ = markedStore(t)
	if err := os.Mkdir(s.loc.copiesDir(oneToken), 0o700); err != nil {
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

// A store at rest is not under way, and what is staged is reported once.
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
		t.Error("a file was listed as a directory")
	}
	s.loc.Config = s.loc.configFile()
	if _, err := s.underWay(""); err == nil {
		t.Error("a config directory that is a file has nothing staged")
	}
}

// Key files that a change left are discarded in their place; where that fails it is reported.
func TestTakeBack_keyFiles(t *testing.T) {
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
	err = errors.Join(err, durable.Publish(durable.OS{}, s.loc.configFile(), data), os.WriteFile(s.loc.StagedKeyFile(s.config.KID), nil, 0o600))
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
		t.Error("a state directory below a file holds no keys")
	}
}

// What was committed while a run was taking back is not touched by it, nor passed over.
func TestTakeBack_meetsCommit(t *testing.T) {
	s, _ := committedStore(t)
	stale := *s
	stale.config.KID, stale.config.Previous = s.config.Previous.KID, nil
	if again, _, err := stale.takeBack(t.Context()); again != nil || err != nil {
		t.Errorf("take back: got %v, %v, want nothing", again, err)
	}
	for _, kid := range []string{s.config.KID, s.config.Previous.KID} {
		if there, err := durable.Exists(s.loc.Generation(kid)); !there || err != nil {
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
func TestResume_fails(t *testing.T) {
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
	s.disk = fault{step: "rename", err: syscall.EIO, stopped: &stopped}.disk()
	if _, err := s.Abort(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("abort with a generation that cannot be taken out of the way: %v", err)
	}
}
