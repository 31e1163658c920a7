package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/store/durable"
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
func TestUnfinished_foreignFile(t *testing.T) {
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
		t.Errorf("unfinished: got %t, %v, want false", pending, err)
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
func TestPut_finishesCommitted(t *testing.T) {
	for _, act := range everyAct() {
		if !act.writes || strings.HasPrefix(act.name, "restore") || act.name == "forget" {
			continue
		}
		for _, step := range []string{"sync directory", "rename"} {
			s, key := committedStore(t)
			stopped := false
			s.disk = fault{step: step, err: syscall.EIO, stopped: &stopped}.disk()
			if err := act.do(t, s, key); !errors.Is(err, syscall.EIO) || !stopped {
				t.Errorf("%s, failing %s: %v", act.name, step, err)
			}
			s.disk = durable.OS{}
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
func TestFinish_finished(t *testing.T) {
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

// Names that cannot be written after the commit are left behind, and reported.
func TestFinish_namesLeftBehind(t *testing.T) {
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
		t.Errorf("rotate: got %v, want what is left behind", err)
	}
	if lines, err := s.namesLines(); err == nil {
		t.Errorf("a directory holds %d names", len(lines))
	}
	if got := secretOf(s, "a.example"); got != "s" {
		t.Errorf("get says %s", got)
	}
}

// strangeDisk does something of its own around the steps of the real one.
type strangeDisk struct {
	durable.OS
	linked  func(to string) error
	made    func(path string) error
	renamed func(from, to string) error // in place of the rename, unless nil
}

func (d strangeDisk) Link(from, to string) error {
	err := d.OS.Link(from, to)
	if d.linked != nil && err == nil {
		err = d.linked(to)
	}
	return err
}

func (d strangeDisk) Mkdir(path string) error {
	err := d.OS.Mkdir(path)
	if d.made != nil && err == nil {
		err = d.made(path)
	}
	return err
}

func (d strangeDisk) Rename(from, to string) error {
	if d.renamed != nil {
		return d.renamed(from, to)
	}
	return d.OS.Rename(from, to)
}

// mark tells its run what became of the store since it looked.
func TestMark(t *testing.T) {
	s, _, kid := markedStore(t, oneToken)
	if err := s.mark(kid, twoToken); !errors.Is(err, ErrRotating) {
		t.Errorf("beside another marker: %v", err)
	}

	s, _, kid = markedStore(t)
	times := 0
	s.disk = strangeDisk{made: func(path string) error { // the end of another run removes the directory
		if times++; times < 3 {
			return os.Remove(path)
		}
		return nil
	}}
	if err := s.mark(kid, oneToken); err != nil || times != 3 {
		t.Errorf("the directory was gone twice: %v, made %d times", err, times)
	}
	s, _, kid = markedStore(t)
	s.disk = strangeDisk{made: func(path string) error { times++; return os.Remove(path) }}
	times = 0
	if err := s.mark(kid, oneToken); !errors.Is(err, errKeyChanged) || times != 3 {
		t.Errorf("the directory is always gone: %v, made %d times", err, times)
	}
	s.disk = strangeDisk{linked: os.Remove} // taken back at once
	if err := s.mark(kid, oneToken); !errors.Is(err, errKeyChanged) {
		t.Errorf("a marker that is gone at once: %v", err)
	}
	s.disk = strangeDisk{linked: func(string) error { // and a newer version marks the store, too
		return os.WriteFile(filepath.Join(s.loc.markerDir(kid), twoToken), []byte("newer"), 0o600)
	}}
	if err := s.mark(kid, oneToken); !errors.Is(err, ErrNewer) {
		t.Errorf("beside a marker of a newer version: %v", err)
	}
	if err := os.Remove(filepath.Join(s.loc.markerDir(kid), twoToken)); err != nil {
		t.Fatal(err)
	}
	spoiled := *s
	config, err := os.ReadFile(s.loc.configFile())
	if err != nil {
		t.Fatal(err)
	}
	spoiled.disk = strangeDisk{linked: func(string) error { return os.WriteFile(s.loc.configFile(), []byte("garbage"), 0o600) }}
	if err := os.RemoveAll(s.loc.markerDir(kid)); err != nil {
		t.Fatal(err)
	}
	if err := spoiled.mark(kid, oneToken); err == nil || errors.Is(err, errKeyChanged) {
		t.Errorf("with a config that becomes garbage: %v", err)
	}
	if err := os.WriteFile(s.loc.configFile(), config, 0o600); err != nil {
		t.Fatal(err)
	}
	s.disk = durable.OS{}
	if err := s.mark(NewRootKey().KID(), oneToken); !errors.Is(err, errKeyChanged) {
		t.Errorf("in a generation that is gone: %v", err)
	}

	for what, change := range map[string]func(c *Config){
		"key":   func(c *Config) { c.KID = NewRootKey().KID() },
		"place": func(c *Config) { c.Key.Recipient = "age1x" },
	} {
		s, _, kid := markedStore(t)
		next := s.config
		change(&next)
		data, err := next.marshal()
		if err == nil {
			err = durable.Publish(durable.OS{}, s.loc.configFile(), data)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := s.mark(kid, oneToken); !errors.Is(err, errKeyChanged) {
			t.Errorf("the store has another %s: %v", what, err)
		}
	}
}

// Only the rename of its own config commits a transition.
func TestCommit_takenBack(t *testing.T) {
	s, _, _ := markedStore(t, oneToken)
	next := s.config
	next.KID = NewRootKey().KID()
	if err := s.commit(twoToken, next); !errors.Is(err, errKeyChanged) {
		t.Errorf("without a staged config: %v", err)
	}
	moved := next
	moved.KID, moved.Key.Recipient = s.config.KID, "age1x"
	if err := s.commit(twoToken, moved); !errors.Is(err, errKeyChanged) {
		t.Errorf("to another place, without a staged config: %v", err)
	}
	s.disk = strangeDisk{renamed: func(string, string) error { return syscall.EIO }}
	if err := s.commit(oneToken, next); !errors.Is(err, syscall.EIO) || errors.Is(err, errKeyChanged) {
		t.Errorf("a rename that fails: %v", err)
	}
}

// The directory of the markers may go while it is looked at: its last marker did.
func TestMarkers_vanishing(t *testing.T) {
	s := memoryStore(t, t.TempDir(), &memoryKey{})
	mustPut(t, s, "h.example", "secret")
	c, err := s.Custody()
	if err != nil {
		t.Fatal(err)
	}
	dir := s.loc.markerDir(c.KID)
	stop := make(chan bool)
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = os.Mkdir(dir, 0o700), os.Remove(dir)
			}
		}
	}()
	long := 200 * time.Millisecond
	if testenv.Whole() {
		long = time.Second
	}
	for end := time.Now().Add(long); time.Now().Before(end); {
		if tokens, err := s.markers(c.KID); err != nil || len(tokens) > 0 {
			t.Fatalf("got %v, %v", tokens, err)
		}
	}
}

// Two moves of one key to one place would own one file: the second is refused, and so is one
// that another run has completed meanwhile.
func TestStage_samePlace(t *testing.T) {
	s, _ := notingStore(t, false)
	moved := func(to string) Config {
		next := s.config
		next.Key = KeySource{Source: to}
		return next
	}
	const third, fourth = "0000000000000003", "0000000000000004"
	for _, test := range []struct {
		token, to string
		want      error
	}{
		{oneToken, SourceFile, nil},
		{twoToken, SourceKeyring, nil},
		{third, SourceFile, ErrRotating},
		{fourth, SourceKeyring, ErrRotating},
	} {
		if err := s.stage(test.token, moved(test.to)); !errors.Is(err, test.want) {
			t.Errorf("stage a move to %s: %v, want %v", test.to, err, test.want)
		}
	}
	for _, token := range []string{oneToken, third, fourth} {
		if err := os.Remove(s.loc.stagedConfig(token)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(s.loc.stagedConfig(twoToken), s.loc.configFile()); err != nil {
		t.Fatal(err)
	}
	if err := s.stage(oneToken, moved(SourceFile)); !errors.Is(err, errKeyChanged) {
		t.Errorf("stage after another move: %v, want %v", err, errKeyChanged)
	}
}
