package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/store/durable"
)

// act is something that a store can be told to do, on one that has the entry a.example.
type act struct {
	name   string
	writes bool
	do     func(t *testing.T, s *Store, key *notingKey) error
}

func everyAct() []act {
	elsewhere := KeySource{Source: "memory", Command: []string{"elsewhere"}}
	return []act{
		{"get", false, func(t *testing.T, s *Store, _ *notingKey) error {
			_, err := s.Get(t.Context(), ParseAddress("none.example"))
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			return err
		}},
		{"peek", false, func(t *testing.T, s *Store, _ *notingKey) error {
			_, err := s.Peek(t.Context(), ParseAddress("none.example"))
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			return err
		}},
		{"answered", false, func(t *testing.T, s *Store, _ *notingKey) error {
			_, _, err := s.Answered(t.Context(), ParseAddress("none.example"))
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			return err
		}},
		{"list", false, func(t *testing.T, s *Store, _ *notingKey) error {
			_, _, err := s.List(t.Context())
			return err
		}},
		{"put", true, func(t *testing.T, s *Store, _ *notingKey) error {
			return s.Put(t.Context(), Credential{ServerURL: "b.example", Username: "u", Secret: "b"})
		}},
		{"erase", true, func(t *testing.T, s *Store, _ *notingKey) error {
			_, err := s.Erase(t.Context(), ParseAddress("a.example"))
			return err
		}},
		{"keep", true, func(t *testing.T, s *Store, _ *notingKey) error {
			login := Credential{Canonical: "*.p.example", asked: "1.p.example"}.MadeBy(Program{})
			return s.Keep(t.Context(), login, Credential{Secret: "p", Answer: &Answer{}})
		}},
		{"erase answers", true, func(t *testing.T, s *Store, _ *notingKey) error {
			login := Credential{Canonical: "*.p.example", asked: "1.p.example"}.MadeBy(Program{})
			good := *s
			good.disk = durable.OS{}
			_ = good.Keep(t.Context(), login, Credential{Secret: "p", Answer: &Answer{}}) // "keep" is about its error
			login.asked = ""
			return s.EraseAnswer(t.Context(), login)
		}},
		{"erase all", true, func(t *testing.T, s *Store, _ *notingKey) error {
			_, err := s.EraseAll(t.Context())
			return err
		}},
		{"rotate", true, func(t *testing.T, s *Store, key *notingKey) error {
			return s.Rotate(t.Context(), Rotation{Source: key.Default(), Place: key})
		}},
		{"move", true, func(t *testing.T, s *Store, key *notingKey) error {
			key.elsewhere = &notingKey{memoryKey: &memoryKey{}}
			return s.Move(t.Context(), Rotation{Source: elsewhere, Place: key.elsewhere})
		}},
		{"restore", true, func(t *testing.T, s *Store, key *notingKey) error {
			return s.Restore(t.Context(), key.root(t), key.Default(), key)
		}},
		{"restore elsewhere", true, func(t *testing.T, s *Store, key *notingKey) error {
			root := key.root(t)
			key.elsewhere = &notingKey{memoryKey: &memoryKey{}}
			return s.Restore(t.Context(), root, elsewhere, key.elsewhere)
		}},
		{"resume", true, func(t *testing.T, s *Store, _ *notingKey) error {
			_, err := s.Resume(t.Context(), nil)
			return err
		}},
		{"abort", true, func(t *testing.T, s *Store, _ *notingKey) error {
			_, err := s.Abort(t.Context())
			return err
		}},
		{"under way", false, func(_ *testing.T, s *Store, _ *notingKey) error {
			_, err := s.UnderWay()
			return err
		}},
		{"custody", false, func(_ *testing.T, s *Store, _ *notingKey) error {
			_, err := s.Custody()
			return err
		}},
		{"forget", true, func(_ *testing.T, s *Store, _ *notingKey) error {
			_, err := s.loc.Forget(time.Now())
			return err
		}},
	}
}

// What stands in the place of a file or directory of the store is an error to everything that
// has to do with it, never passed over, and reported by its path.
func TestEveryAct_inTheWay(t *testing.T) {
	inPlace := func(path func(Location, string) string, put func(path string) error) func(*testing.T, Location, string) {
		return func(t *testing.T, loc Location, kid string) {
			p := path(loc, kid)
			if err := os.RemoveAll(p); err != nil {
				t.Fatal(err)
			}
			if err := put(p); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := func(path string) error { return os.WriteFile(path, []byte("strange"), 0o600) }
	dir := func(path string) error { return os.Mkdir(path, 0o700) }
	v1 := func(l Location, _ string) string { return l.v1() }
	config := func(l Location, _ string) string { return l.configFile() }
	names := func(l Location, _ string) string { return l.namesFile() }
	generation := func(l Location, kid string) string { return l.Generation(kid) }
	marker := func(l Location, kid string) string { return l.markerDir(kid) }
	const token = "0011223344556677"
	staged := func(l Location, _ string) string { return l.stagedConfig(token) }
	for _, test := range []struct {
		what  string
		spoil func(*testing.T, Location, string)
		fine  string // what it does not concern, each between commas
		want  error  // what the others say, nil for anything
	}{
		{"a config that is garbage", inPlace(config, file), ",keep,forget,", nil},
		{"a config that is a directory", inPlace(config, dir), ",keep,forget,", durable.ErrUnsafe},
		{"v1 that is a file", inPlace(v1, file), ",custody,", nil},
		{"a generation that is a file", inPlace(generation, file), ",restore,custody,forget,", nil},
		{"names that are a directory", inPlace(names, dir), ",get,peek,answered,list,erase,keep,erase answers,erase all,resume,abort,under way,custody,forget,", nil},
		{"a marker of another kind", inPlace(marker, file), ",get,peek,answered,list,restore,custody,forget,", ErrNewer},
		{"a marker of a newer version", inPlace(marker, func(path string) error {
			if err := dir(path); err != nil {
				return err
			}
			return file(filepath.Join(path, token))
		}), ",get,peek,answered,list,restore,custody,forget,", ErrNewer},
		{"a staged config that is a directory", inPlace(staged, dir), ",get,peek,answered,list,put,erase,keep,erase answers,erase all,rotate,move,restore,under way,custody,forget,", durable.ErrUnsafe},
	} {
		for _, act := range everyAct() {
			s, key := notingStore(t, false)
			test.spoil(t, s.loc, key.root(t).KID())
			err := act.do(t, s, key)
			if fine := strings.Contains(test.fine, ","+act.name+","); fine != (err == nil) {
				t.Errorf("%s: %s says %v", test.what, act.name, err)
			} else if !fine && (test.want != nil && !errors.Is(err, test.want) || errors.Is(err, ErrNotFound)) {
				t.Errorf("%s: %s says %v, want %v", test.what, act.name, err, test.want)
			}
		}
	}
}

// Where a step on the disk fails, whatever is done says so, or has done it all the same. The
// store is whole afterwards, and everything can be done then.
func TestEveryAct_failingDisk(t *testing.T) {
	reached := 0
	for _, act := range everyAct() {
		if !act.writes || act.name == "forget" { // which has no disk but the real one
			continue
		}
		for _, step := range []string{"open", "write", "sync", "close", "rename", "link", "mkdir", "sync directory", "remove"} {
			for after := 0; failing(t, act, step, after); after++ {
				reached++
			}
		}
	}
	t.Logf("%d failing steps", reached)
	if reached < 100 {
		t.Errorf("only %d steps were made to fail", reached)
	}
}

func failing(t *testing.T, a act, step string, after int) (reached bool) {
	t.Helper()
	s, key := notingStore(t, false)
	s.disk = fault{step: step, after: after, err: syscall.EIO, stopped: &reached}.disk()
	err := a.do(t, s, key)
	what := fmt.Sprintf("%s, failing %s %d (%v)", a.name, step, after, err)
	switch {
	case !reached && err != nil:
		t.Errorf("%s: nothing failed", what)
	case err != nil && !errors.Is(err, syscall.EIO):
		t.Errorf("%s: another error", what)
	case reached && err == nil && step != "remove": // an empty directory that is left harms nobody
		t.Errorf("%s: it says nothing", what)
	}
	s.disk = durable.OS{}
	s.rotationTimeout = 20 * time.Millisecond
	wantEntry(t, s, what, "a.example", "s", strings.HasPrefix(a.name, "erase"))
	wantEntry(t, s, what, "b.example", "b", true)
	if _, err := s.Abort(t.Context()); err != nil {
		t.Errorf("%s: then abort says %v", what, err)
	}
	mustPut(t, s, "c.example", "c")
	wantEntry(t, s, what, "c.example", "c", false)
	return reached
}

func wantEntry(t *testing.T, s *Store, what, server, want string, mayBeGone bool) {
	t.Helper()
	if got := secretOf(s, server); got != want && (!mayBeGone || got != ErrNotFound.Error()) {
		t.Errorf("%s: %s is %s", what, server, got)
	}
}
