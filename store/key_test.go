package store

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"regshape/store/durable"
)

// A config that names a place which is not known is an error wherever it is met.
func TestOpen_unknownPlace(t *testing.T) {
	s, key := notingStore(t, false)
	unknown := errors.New("unknown place")
	key.refuse["choose"] = unknown
	if _, err := Open(s.loc, key); !errors.Is(err, unknown) || !strings.Contains(err.Error(), s.loc.configFile()) {
		t.Errorf("open: %v", err)
	}
	// The config names another key than the one that was read.
	other := s.config
	other.KID = NewRootKey().KID()
	data, err := other.marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := durable.Publish(durable.OS{}, s.loc.configFile(), data); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Custody(); !errors.Is(err, unknown) {
		t.Errorf("custody: %v", err)
	}
	if got := secretOf(s, "none.example"); got != unknown.Error() {
		t.Errorf("get: %s", got)
	}
	if _, _, err := s.List(t.Context()); !errors.Is(err, unknown) {
		t.Errorf("list: %v", err)
	}
}

// The generation is looked at before anything in it is, also by the names file alone.
func TestGet_unsafeGeneration(t *testing.T) {
	s, key := notingStore(t, false)
	generation := s.loc.Generation(s.config.KID)
	if err := os.Chmod(generation, 0o707); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), ParseAddress("a.example")); durable.ModesMatter && !errors.Is(err, durable.ErrUnsafe) {
		t.Errorf("open to others: %v", err)
	}
	if err := os.Rename(generation, s.loc.Generation("00000000000000aa")); err != nil {
		t.Fatal(err)
	}
	key.locked = true
	if _, err := s.Get(t.Context(), ParseAddress("none.example")); !errors.Is(err, ErrWrongKey) {
		t.Errorf("gone, and another is there: %v", err)
	}
}

// A key that costs nothing is asked for at once, and another store's is distinguished from a
// missing entry.
func TestGet_cheapKey(t *testing.T) {
	s, key := notingStore(t, false)
	key.cheap = true
	if got := secretOf(s, "none.example"); got != ErrNotFound.Error() {
		t.Errorf("get of what is not there: %s", got)
	}
	root := key.root(t)
	stranger := NewRootKey()
	key.load = func(string) (RootKey, error) { return stranger, nil }
	if _, err := s.Get(t.Context(), ParseAddress("a.example")); !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), stranger.KID()) {
		t.Errorf("get with another store's key: %v", err)
	}
	if got := secretOf(s, "none.example"); got != ErrNotFound.Error() {
		t.Errorf("the names file knows better: %s", got)
	}
	if err := s.disk.Remove(s.loc.namesFile()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), ParseAddress("none.example")); !errors.Is(err, ErrWrongKey) {
		t.Errorf("without names: %v", err)
	}
	if _, err := s.RootKey(t.Context()); !errors.Is(err, ErrWrongKey) {
		t.Errorf("root key: %v", err)
	}
	// Without a config the names file tells whose key it is.
	key.cheap, key.load = false, nil
	mustPut(t, s, "b.example", "b")
	key.load = func(string) (RootKey, error) { return stranger, nil }
	if err := s.disk.Remove(s.loc.configFile()); err != nil {
		t.Fatal(err)
	}
	unpinned := memoryStoreOf(t, s, key)
	if _, err := unpinned.Get(t.Context(), ParseAddress("a.example")); !errors.Is(err, ErrWrongKey) || !strings.Contains(err.Error(), s.loc.namesFile()) {
		t.Errorf("without a config: %v", err)
	}
	if _, _, err := unpinned.List(t.Context()); !errors.Is(err, ErrWrongKey) {
		t.Errorf("list without a config: %v", err)
	}
	key.load = nil
	if k, err := s.RootKey(t.Context()); err != nil || !k.Equal(root) {
		t.Errorf("root key: %v", err)
	}
}

// notingKey tells what it is asked for, and can refuse it.
type notingKey struct {
	*memoryKey
	note   func(what string)
	refuse map[string]error
	load   func(kid string) (RootKey, error) // in place of the memory's, unless nil
	cheap  bool
	// The place that a source with a command names, unless nil.
	elsewhere *notingKey
}

func (n *notingKey) did(what string) error {
	if n.note != nil {
		n.note(what)
	}
	return n.refuse[what]
}

func (n *notingKey) Choose(_ Location, source KeySource) (Key, error) {
	if n.elsewhere != nil && source.Command != nil {
		return n.elsewhere, n.elsewhere.did("choose")
	}
	return n, n.did("choose")
}

func (n *notingKey) Load(ctx context.Context, kid string) (RootKey, error) {
	if err := n.did("load"); err != nil {
		return RootKey{}, err
	}
	if n.load != nil {
		return n.load(kid)
	}
	return n.memoryKey.Load(ctx, kid)
}

func (n *notingKey) Stage(ctx context.Context, k RootKey, from string) error {
	if err := n.did("stage"); err != nil {
		return err
	}
	return n.memoryKey.Stage(ctx, k, from)
}

func (n *notingKey) Promote(ctx context.Context, kid string) error {
	if err := n.did("promote"); err != nil {
		return err
	}
	return n.memoryKey.Promote(ctx, kid)
}

func (n *notingKey) Discard(ctx context.Context, kid string) error {
	if err := n.did("discard"); err != nil {
		return err
	}
	return n.memoryKey.Discard(ctx, kid)
}

func (n *notingKey) Cheap() bool { return n.cheap }

// notingStore is a store, with one entry unless it is to be empty, whose key's place
// refuses what the test says later.
func notingStore(t *testing.T, empty bool) (*Store, *notingKey) {
	t.Helper()
	key := &notingKey{memoryKey: &memoryKey{}, refuse: map[string]error{}}
	loc, err := Locate(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(loc, key)
	if err != nil {
		t.Fatal(err)
	}
	if empty {
		return s, key
	}
	mustPut(t, s, "a.example", "s")
	if s, err = Open(loc, key); err != nil { // as a later run does
		t.Fatal(err)
	}
	return s, key
}

func TestFirstKey_refused(t *testing.T) {
	for _, what := range []string{"load", "stage", "promote"} {
		s, key := notingStore(t, true)
		key.refuse[what] = syscall.EIO
		if err := s.Put(t.Context(), Credential{ServerURL: "a", Username: "u"}); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s refused: %v", what, err)
		}
		delete(key.refuse, what)
		mustPut(t, s, "a", "s")
		if got := secretOf(s, "a"); got != "s" {
			t.Errorf("%s refused once: then get says %s", what, got)
		}
		settledTree(t, s, key.memoryKey)
	}
	// A key that the config does not come to pin is forgotten.
	s, key := notingStore(t, true)
	stopped := false
	s.disk = fault{step: "link", err: syscall.EIO, stopped: &stopped}.disk()
	if err := s.Put(t.Context(), Credential{ServerURL: "a", Username: "u"}); !errors.Is(err, syscall.EIO) || len(key.keys) != 0 {
		t.Errorf("without a config: %v, and %d keys", err, len(key.keys))
	}
}

func TestRotate_refused(t *testing.T) {
	for _, what := range []string{"stage", "load", "promote", "discard"} {
		s, key := notingStore(t, false)
		before := key.root(t)
		place := &notingKey{memoryKey: key.memoryKey, refuse: map[string]error{what: syscall.EIO}}
		r := Rotation{Source: KeySource{Source: "memory"}, Place: place}
		turned := what == "promote" || what == "discard"
		if turned { // the store asks its sources for the place
			key.refuse[what] = syscall.EIO
		}
		err := s.Rotate(t.Context(), r)
		custody, custodyErr := s.Custody()
		if !errors.Is(err, syscall.EIO) || LeftBehind(err) != turned || custodyErr != nil || (custody.KID == before.KID()) == turned {
			t.Errorf("%s refused: %v, and the key is %s (%v)", what, err, custody.KID, custodyErr)
		}
		if what == "discard" && !strings.Contains(err.Error(), before.KID()) {
			t.Errorf("which key is left behind is not said: %v", err)
		}
		if got := secretOf(s, "a.example"); got != "s" {
			t.Errorf("%s refused: get says %s", what, got)
		}
		clear(key.refuse)
		if _, err := s.Resume(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		settledTree(t, s, key.memoryKey)
	}
}

// A new key is only trusted when it can be read back, or is locked.
func TestRotate_newKeyReadBack(t *testing.T) {
	for _, test := range []struct {
		load func(string) (RootKey, error)
		want error
	}{
		{func(string) (RootKey, error) { return NewRootKey(), nil }, ErrWrongKey},
		{func(string) (RootKey, error) { return RootKey{}, ErrNoKey }, ErrNoKey},
		{func(string) (RootKey, error) { return RootKey{}, ErrLocked }, nil},
	} {
		s, key := notingStore(t, false)
		err := s.Rotate(t.Context(), Rotation{
			Source: KeySource{Source: "memory"},
			Place:  &notingKey{memoryKey: key.memoryKey, load: test.load},
		})
		if test.want == nil && err != nil || !errors.Is(err, test.want) {
			t.Errorf("rotate: %v, want %v", err, test.want)
		}
		settledTree(t, s, key.memoryKey)
		if got := secretOf(s, "a.example"); got != "s" {
			t.Errorf("get says %s", got)
		}
	}
}

func TestRestore_refused(t *testing.T) {
	elsewhere := KeySource{Source: "memory", Command: []string{"elsewhere"}}
	for _, what := range []string{"stage", "promote"} {
		for _, source := range []KeySource{{Source: "memory"}, elsewhere} {
			for _, config := range []bool{true, false} {
				s, key := notingStore(t, false)
				root := key.root(t)
				place := key
				if source.Command != nil {
					place = &notingKey{memoryKey: &memoryKey{}, refuse: map[string]error{}}
					key.elsewhere = place
				}
				if !config {
					if err := s.disk.Remove(s.loc.configFile()); err != nil {
						t.Fatal(err)
					}
				}
				place.refuse[what] = syscall.EIO
				if err := s.Restore(t.Context(), root, source, place); !errors.Is(err, syscall.EIO) {
					t.Errorf("%s refused, to %v, config %t: %v", what, source, config, err)
				}
				clear(place.refuse)
				if err := s.Restore(t.Context(), root, source, place); err != nil {
					t.Errorf("once more, to %v, config %t: %v", source, config, err)
				}
				if got := secretOf(s, "a.example"); got != "s" {
					t.Errorf("%s refused, to %v, config %t: get says %s", what, source, config, got)
				}
			}
		}
	}
}

// A place that does not take the new key, because it is locked, is not turned to: nobody
// would have that key.
func TestRotate_lockedPlaceRefusesTheKey(t *testing.T) {
	s, key := notingStore(t, false)
	before := key.root(t)
	place := &notingKey{memoryKey: &memoryKey{}, refuse: map[string]error{"stage": ErrLocked}}
	if err := s.Rotate(t.Context(), Rotation{Source: KeySource{Source: "memory", Command: []string{"x"}}, Place: place}); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want %v", err, ErrLocked)
	}
	if custody, err := s.Custody(); err != nil || custody.KID != before.KID() {
		t.Errorf("the store has turned to %s (%v)", custody.KID, err)
	}
	if got := secretOf(s, "a.example"); got != "s" {
		t.Error(got)
	}
}

func TestRootKey_equal(t *testing.T) {
	one, other := NewRootKey(), NewRootKey()
	again, err := ParseKeyLine(one.Line())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what       string
		one, other RootKey
		want       bool
	}{
		{"itself", one, one, true},
		{"its copy", one, again, true},
		{"another key", one, other, false},
		{"no key", one, RootKey{}, false},
		{"a key, of no key,", RootKey{}, one, false},
		{"no key, of no key,", RootKey{}, RootKey{}, true},
	} {
		if got := test.one.Equal(test.other); got != test.want {
			t.Errorf("%s is equal: %t, want %t", test.what, got, test.want)
		}
	}
}

// The proof is part of the format.
func TestRootKey_vouch(t *testing.T) {
	k := NewRootKey()
	const kid = "0011223344556677"
	want, err := hkdf.Key(sha256.New, k.key.secret.b[:], nil, "regshape/v1/turn/"+kid, 16)
	if err != nil {
		t.Fatal(err)
	}
	if got := k.vouch(kid); got != hex.EncodeToString(want) {
		t.Errorf("the proof is %s, want %x", got, want)
	}
}
