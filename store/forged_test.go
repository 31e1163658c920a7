package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"regshape/store/durable"
)

// ringed is a store's own place, and beside it the OS keyring, which all stores share.
type ringed struct {
	*memoryKey
	ring *memoryKey
}

func (r ringed) Choose(_ Location, source KeySource) (Key, error) {
	if source.Source == SourceKeyring {
		return r.ring, nil
	}
	return r.memoryKey, nil
}

// ringedStore is a store with an entry and without its key in the keyring, where another
// store's key is.
func ringedStore(t *testing.T) (*Store, ringed, RootKey) {
	t.Helper()
	places, other := ringed{&memoryKey{}, &memoryKey{}}, NewRootKey()
	if err := places.ring.Stage(t.Context(), other, ""); err != nil {
		t.Fatal(err)
	}
	loc, err := Locate(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(loc, places)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a.example", "s")
	return reopened(t, s), places, other
}

func reopened(t *testing.T, s *Store) *Store {
	t.Helper()
	again, err := Open(s.loc, s.sources)
	if err != nil {
		t.Fatal(err)
	}
	again.rotationTimeout = 20 * time.Millisecond
	return again
}

// writeConfig is somebody who can write the store's files.
func writeConfig(t *testing.T, path string, c Config) {
	t.Helper()
	data, err := c.marshal()
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A config, or one to be, that calls another store's key in the OS keyring its own does not
// get it removed.
func TestForget_keyOfAnotherStore(t *testing.T) {
	forged := map[string]func(t *testing.T, s *Store, other string){
		"previous": func(t *testing.T, s *Store, other string) {
			c := s.config
			c.Previous = &Pin{Key: KeySource{Source: SourceKeyring}, KID: other, Proof: NewRootKey().vouch(c.KID)}
			writeConfig(t, s.loc.configFile(), c)
			if err := os.Mkdir(s.loc.Generation(other), 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"staged": func(t *testing.T, s *Store, other string) {
			c := s.config
			c.Previous = &Pin{Key: c.Key, KID: c.KID}
			c.Key, c.KID = KeySource{Source: SourceKeyring}, other
			writeConfig(t, s.loc.stagedConfig(oneToken), c)
			if err := mark(s, s.config.KID, oneToken); err != nil {
				t.Fatal(err)
			}
		},
		"staged without a previous key": func(t *testing.T, s *Store, other string) {
			c := s.config
			c.Key, c.KID = KeySource{Source: SourceKeyring}, other
			writeConfig(t, s.loc.stagedConfig(oneToken), c)
		},
	}
	acts := map[string]func(s *Store) error{
		"put":    func(s *Store) error { return s.Put(t.Context(), Credential{ServerURL: "b.example", Username: "u"}) },
		"erase":  func(s *Store) error { _, err := s.Erase(t.Context(), ParseAddress("a.example")); return err },
		"resume": func(s *Store) error { _, err := s.Resume(t.Context(), nil); return err },
		"abort":  func(s *Store) error { _, err := s.Abort(t.Context()); return err },
	}
	for how, forge := range forged {
		for name, act := range acts {
			s, places, other := ringedStore(t)
			own := places.root(t)
			forge(t, s, other.KID())
			if err := act(reopened(t, s)); err != nil && !LeftBehind(err) {
				t.Errorf("%s, %s: %v", how, name, err)
			}
			if k, err := places.ring.Load(t.Context(), other.KID()); err != nil || !k.Equal(other) {
				t.Errorf("%s, %s: another store's key is gone (%v)", how, name, err)
			}
			if custody, err := s.Custody(); err != nil || custody.Source.Source != "memory" {
				t.Errorf("%s, %s: the key is in %v now (%v)", how, name, custody.Source, err)
			}
			if how == "previous" || name != "resume" {
				if k := places.root(t); !k.Equal(own) {
					t.Errorf("%s, %s: the store's own key was changed", how, name)
				}
			}
		}
	}
}

// A key that was the store's own goes from the keyring, also when a later run has to see to
// it, and one of a change that was taken back.
func TestForget_ownKeyInKeyring(t *testing.T) {
	s, places, other := ringedStore(t)
	toRing := Rotation{Source: KeySource{Source: SourceKeyring}, Place: places.ring}
	if err := s.Rotate(t.Context(), toRing); err != nil {
		t.Fatal(err)
	}
	if err := reopened(t, s).Rotate(t.Context(), toRing); err != nil || len(places.ring.keys) != 2 || len(places.keys) != 0 {
		t.Errorf("%v; %d keys in the keyring, %d elsewhere", err, len(places.ring.keys), len(places.keys))
	}
	now := reopened(t, s)
	v, err := now.prepareToRotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to := NewRootKey()
	next := now.config
	next.Previous = &Pin{Key: now.config.Key, KID: now.config.KID, Proof: v.root.vouch(to.KID())}
	next.KID, next.Proof = to.KID(), to.vouch(now.config.KID)
	if err := errors.Join(now.stage(oneToken, next), places.ring.Stage(t.Context(), to, "")); err != nil {
		t.Fatal(err)
	}
	if _, err := reopened(t, s).Abort(t.Context()); err != nil || len(places.ring.keys) != 2 {
		t.Errorf("abort: %v; %d keys in the keyring", err, len(places.ring.keys))
	}
	if err := errors.Join(now.stage(oneToken, next), places.ring.Stage(t.Context(), to, ""),
		now.reseal(t.Context(), v, to, oneToken, nil), now.commit(oneToken, next)); err != nil {
		t.Fatal(err)
	}
	if _, err := reopened(t, s).Resume(t.Context(), nil); err != nil || len(places.ring.keys) != 2 {
		t.Errorf("resume: %v; %d keys in the keyring", err, len(places.ring.keys))
	}
	for _, k := range []RootKey{to, other} {
		if _, err := places.ring.Load(t.Context(), k.KID()); err != nil {
			t.Error(err)
		}
	}
	if got := secretOf(reopened(t, s), "a.example"); got != "s" {
		t.Error(got)
	}
}

// A config to be that somebody else has staged does not take the next key to a place of
// his choice: the user did not name it.
func TestResume_forgedPlace(t *testing.T) {
	for _, source := range []string{SourceFile, SourceKeyring, SourceSlots, SourceCommand, SourceEnvironment} {
		s, places, _ := ringedStore(t)
		own := places.root(t)
		c := s.config
		c.Previous = &Pin{Key: c.Key, KID: c.KID}
		c.Key, c.KID = KeySource{Source: source, Command: []string{"/bin/evil"}}, NewRootKey().KID()
		writeConfig(t, s.loc.stagedConfig(oneToken), c)
		if _, err := reopened(t, s).Resume(t.Context(), nil); err != nil {
			t.Errorf("%s: %v", source, err)
		}
		if custody, err := s.Custody(); err != nil || custody.Source.Source != "memory" || custody.KID != own.KID() {
			t.Errorf("%s: the store has turned to %v (%v)", source, custody, err)
		}
		if len(places.ring.keys) != 1 {
			t.Errorf("%s: %d keys in the keyring", source, len(places.ring.keys))
		}
	}
}

// Forget moves all of a store aside, names what it moved, and leaves the rest.
func TestForget(t *testing.T) {
	l := Location{Data: filepath.Join(t.TempDir(), "[a-b]*", "s")} // a name that a pattern would not match
	l.State, l.Config = filepath.Join(l.Data, "state"), filepath.Join(l.Data, "config")
	const one, two = "00000000000000aa", "00000000000000bb"
	dirs := []string{l.Generation(one), l.Generation(two), filepath.Join(l.v1(), "slots")}
	files := []string{
		l.StagedKeyFile(one), l.StagedKeyFile(two), l.KeyFile(), l.SealedKeyFile(one), l.SealedKeyFile(two),
		l.stagedConfig(one), l.stagedConfig(two), l.configFile(), l.namesFile(),
	}
	rest := []string{filepath.Join(l.State, "other"), filepath.Join(l.v1(), "other.age"), filepath.Join(l.Config, "config.bak")}
	if err := errors.Join(os.MkdirAll(l.State, 0o700), os.MkdirAll(l.Config, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, path := range dirs {
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
	for _, path := range append(slices.Clone(dirs), files...) {
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
	aside := l.Aside()
	slices.Sort(aside)
	if !slices.Equal(aside, want) {
		t.Errorf("aside are %q, want %q", aside, want)
	}
	for _, path := range append(want, rest...) {
		if there, err := durable.Exists(path); !there || err != nil {
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
	if there, err := durable.Exists(l.KeyFile()); !there || err != nil {
		t.Errorf("the key was moved before the generation (%v)", err)
	}
}

// Of three directories one may be missing.
func TestAside_missingDirectory(t *testing.T) {
	dir := t.TempDir()
	l := Location{Data: filepath.Join(dir, "none"), State: filepath.Join(dir, "state"), Config: filepath.Join(dir, "config")}
	path := filepath.Join(l.Config, "old-config.forgotten-x")
	if err := errors.Join(os.Mkdir(l.Config, 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if got := l.Aside(); !slices.Equal(got, []string{path}) {
		t.Errorf("aside are %q, want %q", got, path)
	}
}

// What cannot be looked at is not forgotten.
func TestForget_refuses(t *testing.T) {
	l := Location{Data: t.TempDir()}
	l.Config, l.State = l.Data, filepath.Join(l.Data, "file", "below")
	if err := os.WriteFile(filepath.Join(l.Data, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Forget(time.Now()); err == nil || len(got) != 0 {
		t.Errorf("with a state directory below a file: %q, %v", got, err)
	}
	if durable.ModesMatter {
		l.State = l.Data
		if err := os.Chmod(l.Data, 0o777); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Forget(time.Now()); !errors.Is(err, durable.ErrUnsafe) {
			t.Errorf("of a directory that is open to all: %v", err)
		}
	}
}
