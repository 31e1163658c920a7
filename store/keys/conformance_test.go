package keys

import (
	"context"
	"crypto/fips140"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"regshape/scripts/testenv"
	"regshape/store"
)

// place is a store.Key as the suite meets it.
type place struct {
	store.Key

	ready  func()                // what a place needs before the first Stage; nil for nothing
	put    func(k store.RootKey) // the user's part of Stage; nil where there is none
	kept   bool                  // Discard leaves the key, which is the user's to remove
	byName bool                  // keys are known by their kid alone
}

// TestConformance runs one suite over all places that a key can be in but the keyring,
// which needs a desktop; see TestKeyring.
func TestConformance(t *testing.T) {
	for name, make := range places() {
		t.Run(name, func(t *testing.T) { testKey(t, make) })
	}
	t.Run("slots", func(t *testing.T) {
		testKey(t, func(t *testing.T) place {
			s, err := NewSlots(testLocation(t), time.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			s.cache = &noted{cache: systemCache()}
			t.Cleanup(func() { s.cache.(*noted).forgetAll(t) })
			return place{Key: s, ready: func() { addRecipient(t, s) }, byName: true}
		})
	})
}

func TestConformance_fips(t *testing.T) {
	if !again(t, "fips", []string{"GODEBUG=fips140=only"}) {
		return
	}
	if !fips140.Enforced() {
		t.Fatal("FIPS mode is off")
	}
	for name, make := range places() {
		t.Run(name, func(t *testing.T) { testKey(t, make) })
	}
}

// places are those that need neither age nor a desktop.
func places() map[string]func(*testing.T) place {
	return map[string]func(*testing.T) place{
		"file": func(t *testing.T) place {
			return place{Key: File{Location: testLocation(t)}}
		},
		"command": func(t *testing.T) place {
			path, put := linesFile(t)
			c, err := ResolveCommand("cat", []string{path})
			if err != nil {
				t.Skip(err)
			}
			return place{Key: c, put: put, kept: true}
		},
		"named": func(t *testing.T) place {
			path, put := linesFile(t)
			return place{Key: Named{Path: path}, put: put, kept: true}
		},
	}
}

// noted leaves nothing in the cache of whoever runs the tests.
type noted struct {
	cache
	mu   sync.Mutex
	kids []string
}

func (n *noted) keep(u unlocked) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kids = append(n.kids, u.Key.KID())
	return n.cache.keep(u)
}

func (n *noted) forgetAll(t *testing.T) {
	for _, kid := range n.kids {
		if err := n.forget(kid); err != nil {
			t.Error(err)
		}
	}
}

// addRecipient gives the slots a way in that nobody will use.
func addRecipient(t *testing.T, s Slots) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	way, err := ParseRecipient(id.Recipient().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(t.Context(), way, ""); err != nil {
		t.Fatal(err)
	}
}

func testLocation(t *testing.T) store.Location {
	t.Helper()
	loc, err := store.Locate(store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// linesFile is a file that a user adds key lines to.
func linesFile(t *testing.T) (path string, put func(store.RootKey)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(path, []byte("# keys of the build machines\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	return path, func(k store.RootKey) {
		mu.Lock()
		defer mu.Unlock()
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err == nil {
			_, err = f.WriteString(k.Line() + "\r\n")
		}
		if err != nil {
			t.Error(err)
			return
		}
		f.Close()
	}
}

// testKey is what every place must do.
func testKey(t *testing.T, make func(*testing.T) place) {
	ctx := context.Background()
	s := &suite{t: t, make: make}
	a, b, c, other := store.NewRootKey(), store.NewRootKey(), store.NewRootKey(), store.NewRootKey()

	p := s.new()
	for _, kid := range []string{"", a.KID()} {
		if _, err := p.Load(ctx, kid); !errors.Is(s.seen(err), store.ErrNoKey) {
			t.Errorf("load of nothing, kid %q: %v", kid, err)
		}
	}
	for name, f := range map[string]func(context.Context, string) error{"promote": p.Promote, "discard": p.Discard} {
		if err := f(ctx, a.KID()); s.seen(err) != nil {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
	if p.put != nil {
		if err := p.Stage(ctx, a, ""); s.seen(err) == nil || !strings.Contains(err.Error(), a.KID()) {
			t.Errorf("stage of a key that the user has not put there: %v", err)
		}
	}

	s.ready(p)
	s.stage(p, a, "")
	s.must("promote", p.Promote(ctx, a.KID()))
	s.has(p, a)
	if p.byName {
		if _, err := p.Load(ctx, ""); !errors.Is(s.seen(err), store.ErrNoKey) {
			t.Errorf("load of no key in particular: %v", err)
		}
	} else {
		if k, err := p.Load(ctx, ""); s.seen(err) != nil || !k.Equal(a) {
			t.Errorf("load of the one that is there: %v", err)
		}
	}
	s.stage(p, b, a.KID())
	s.has(p, a, b)
	s.stage(p, b, a.KID()) // again, as a run that was killed may
	s.stage(p, c, a.KID())
	s.has(p, a, b, c)
	s.hasNot(p, other)
	s.must("promote of what nobody staged", p.Promote(ctx, other.KID()))
	s.has(p, a, b, c)
	s.must("discard of what nobody staged", p.Discard(ctx, other.KID()))
	s.has(p, a, b, c)
	s.must("promote", p.Promote(ctx, b.KID()))
	s.has(p, b, c)
	s.must("promote again", p.Promote(ctx, b.KID()))
	s.has(p, b, c)
	s.must("discard of the one before", p.Discard(ctx, a.KID()))
	s.has(p, b, c)
	s.gone(p, a)
	for range 2 {
		s.must("discard of a staged one", p.Discard(ctx, c.KID()))
		s.has(p, b)
		s.gone(p, c)
	}

	p = s.new()
	s.ready(p)
	s.stage(p, a, "")
	s.must("promote", p.Promote(ctx, a.KID()))
	s.stage(p, b, a.KID())
	for range 2 {
		s.must("discard of the present one", p.Discard(ctx, a.KID()))
		s.has(p, b)
		s.gone(p, a)
	}
	s.must("promote of the other", p.Promote(ctx, b.KID()))
	s.has(p, b)

	p = s.new()
	s.ready(p)
	var many [20]store.RootKey
	var wg sync.WaitGroup
	for i := range many {
		many[i] = store.NewRootKey()
		s.remember(many[i])
		if p.put != nil {
			p.put(many[i])
		}
	}
	for _, k := range many {
		wg.Go(func() {
			if err := p.Stage(ctx, k, ""); err != nil {
				t.Errorf("stage beside others: %v", err)
			}
		})
	}
	wg.Wait()
	s.has(p, many[:]...)
}

type suite struct {
	t    *testing.T
	make func(*testing.T) place
	keys []store.RootKey
}

func (s *suite) new() place { return s.make(s.t) }

func (s *suite) ready(p place) {
	if p.ready != nil {
		p.ready()
	}
}

func (s *suite) remember(k store.RootKey) { s.keys = append(s.keys, k) }

// seen makes sure that an error gives no key away.
func (s *suite) seen(err error) error {
	s.t.Helper()
	if err != nil {
		for _, k := range s.keys {
			if strings.Contains(err.Error(), strings.Fields(k.Line())[2]) {
				s.t.Error("an error holds a key")
			}
		}
	}
	return err
}

func (s *suite) must(what string, err error) {
	s.t.Helper()
	if s.seen(err) != nil {
		s.t.Errorf("%s: %v", what, err)
	}
}

func (s *suite) stage(p place, k store.RootKey, from string) {
	s.t.Helper()
	s.remember(k)
	if p.put != nil {
		p.put(k)
	}
	s.must("stage", p.Stage(context.Background(), k, from))
}

func (s *suite) has(p place, keys ...store.RootKey) {
	s.t.Helper()
	for _, k := range keys {
		if got, err := p.Load(context.Background(), k.KID()); s.seen(err) != nil || !got.Equal(k) {
			s.t.Errorf("load of %s: %v", k.KID(), err)
		}
	}
}

func (s *suite) hasNot(p place, k store.RootKey) {
	s.t.Helper()
	_, err := p.Load(context.Background(), k.KID())
	if !errors.Is(s.seen(err), store.ErrNoKey) && !errors.Is(err, store.ErrWrongKey) {
		s.t.Errorf("load of %s, which is not there: %v", k.KID(), err)
	}
}

func (s *suite) gone(p place, k store.RootKey) {
	s.t.Helper()
	if p.kept {
		s.has(p, k)
		return
	}
	s.hasNot(p, k)
}

// again runs the calling test once more in a process of its own, with this environment
// added and under these words, and reports whether this is that process already.
func again(t *testing.T, mark string, environment []string, words ...string) bool {
	t.Helper()
	if os.Getenv("REGSHAPE_KEYS_AGAIN") == mark {
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	words = append(words, self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=100s")
	env := testenv.Environ(t.TempDir(), append(environment, testenv.Prepared, "REGSHAPE_KEYS_AGAIN="+mark)...)
	cmd := testenv.Command(env, words[0], words[1:]...)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in a process of its own: %v", err)
	}
	return false
}

// requirePrograms skips a test for which the machine lacks something, but never on CI.
func requirePrograms(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("this test needs %s, and CI must have it: %v", p, err)
			}
			t.Skipf("this test needs %s: %v", p, err)
		}
	}
}

// Under fips140=only nothing of age runs, and a key that is unlocked serves on.
func TestFIPS(t *testing.T) {
	const variable = "REGSHAPE_SLOTS_CHILD"
	if os.Getenv(variable) != "fips" {
		env := testenv.Environ(t.TempDir(), testenv.Prepared, variable+"=fips", "GODEBUG=fips140=only")
		cmd := testenv.Command(env, os.Args[0], "-test.run=^TestFIPS$", "-test.v", "-test.timeout=60s")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	ctx, loc, k := t.Context(), slotsLocation(t), store.NewRootKey()
	_, err := NewSlots(loc, time.Now().Add(time.Minute))
	wantError(t, err, ErrFIPS, "FIPS 140 mode")
	_, err = PassphraseRecipient("p")
	wantError(t, err, ErrFIPS)
	_, err = ParseRecipient("age1", nil)
	wantError(t, err, ErrFIPS)
	_, err = ParseIdentities([]byte("AGE-SECRET-KEY-PQ-1"), nil, nil)
	wantError(t, err, ErrFIPS)
	_, err = OpenBackup(ctx, nil, Opener{})
	wantError(t, err, ErrFIPS)
	wantError(t, SealBackup(ctx, nil, k, Recipient{}), ErrFIPS)
	s := Slots{Location: loc, Recipient: "age1"}
	wantError(t, s.Stage(ctx, k, ""), ErrFIPS)
	_, err = s.Add(ctx, Recipient{}, "")
	wantError(t, err, ErrFIPS)
	_, _, err = s.Open(ctx, k.KID(), Opener{})
	wantError(t, err, ErrFIPS)
	wantError(t, unlockError(s.Unlock(ctx, k.KID(), Opener{}, time.Minute)), ErrFIPS)

	if err := systemCache().keep(unlocked{Key: k, Until: time.Now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(ctx, k.KID()); err != nil || !got.Equal(k) {
		t.Errorf("load: %v", err)
	}
	if err := s.Discard(ctx, k.KID()); err != nil {
		t.Error(err)
	}
	_, err = s.Load(ctx, k.KID())
	wantError(t, err, store.ErrNoKey)
}
