package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"regshape/store/durable"
)

// A rotation clears what others that were taken back have left marked, however many, and
// does not begin beside one that is staged.
func TestRotate_besideMarkers(t *testing.T) {
	s, key, kid := markedStore(t, oneToken, twoToken)
	if err := s.Move(t.Context(), here(key.memoryKey)); !errors.Is(err, ErrRotating) {
		t.Errorf("move beside what is staged: %v", err)
	}
	v := view{store: s, names: key.root(t).nameKey(), root: key.root(t)}
	now := *s
	if err := now.transition(t.Context(), v, here(key.memoryKey), NewRootKey()); !errors.Is(err, ErrRotating) {
		t.Errorf("a transition beside what is staged: %v", err)
	}
	if tokens, err := s.underWay(kid); err != nil || len(tokens) != 2 {
		t.Errorf("and the others are now %q (%v)", tokens, err)
	}
	for _, token := range []string{oneToken, twoToken} {
		if err := os.Remove(s.loc.stagedConfig(token)); err != nil {
			t.Fatal(err)
		}
	}
	now = *s
	stopped := false
	now.disk = fault{step: "remove", err: syscall.EIO, stopped: &stopped}.disk()
	if err := now.transition(t.Context(), v, here(key.memoryKey), NewRootKey()); !errors.Is(err, syscall.EIO) {
		t.Errorf("beside markers that cannot be removed: %v", err)
	}
	now = *s
	if err := now.transition(t.Context(), v, here(key.memoryKey), NewRootKey()); err != nil {
		t.Errorf("beside markers of nobody: %v", err)
	}
	settledTree(t, s, key.memoryKey)
}

// A key that was made elsewhere may come a second time, after a try that was cut short when
// its generation was there already.
func TestRotate_keyTriedBefore(t *testing.T) {
	s, key, _ := markedStore(t)
	to := NewRootKey()
	old := s.loc.Generation(to.KID())
	rest := filepath.Join(old, strings.Repeat("0", 32))
	if err := errors.Join(os.Mkdir(old, 0o700), os.WriteFile(rest, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	r := Rotation{Source: key.Default(), Place: key, Key: &to}
	s.disk = strangeDisk{renamed: func(from, to string) error {
		if strings.Contains(to, retiredPrefix) {
			return syscall.EIO
		}
		return os.Rename(from, to)
	}}
	if err := s.Rotate(t.Context(), r); !errors.Is(err, syscall.EIO) {
		t.Errorf("which cannot be taken out of the way: %v", err)
	}
	s.disk = durable.OS{}
	if err := errors.Join(os.MkdirAll(old, 0o700), os.WriteFile(rest, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.Rotate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if there, err := durable.Exists(rest); there || err != nil {
		t.Errorf("what the first try left is in the new generation (%v)", err)
	}
	settledTree(t, s, key.memoryKey)
}

// A rotation that its caller stops copies no further, and leaves the store as it was.
func TestRotate_stopped(t *testing.T) {
	s, key, _ := markedStore(t)
	const entries = 60
	for i := range entries {
		mustPut(t, s, strings.Repeat("x", i+1)+".example", "s")
	}
	before := key.root(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	calls := 0
	r := here(key.memoryKey)
	r.Progress = func(int, int) {
		calls++
		stop()
	}
	if err := s.Rotate(ctx, r); !errors.Is(err, context.Canceled) || calls >= entries || calls == 0 {
		t.Errorf("%v, after %d of %d entries", err, calls, entries)
	}
	if !key.root(t).Equal(before) {
		t.Error("the key was changed")
	}
	settledTree(t, s, key.memoryKey)
}

// A copy that does not read back as what was copied ends the rotation.
func TestRotate_copiesReadBack(t *testing.T) {
	for what, content := range map[string]func(to RootKey, name string) []byte{
		"garbage": func(RootKey, string) []byte { return []byte("garbage") },
		"another": func(to RootKey, name string) []byte {
			sealed, _ := to.sealer().seal(name, []byte(`{"Canonical":"a.example","Secret":"other"}`))
			return sealed
		},
	} {
		s, key, _ := markedStore(t)
		to := NewRootKey()
		s.disk = strangeDisk{renamed: func(from, name string) error {
			if !strings.Contains(name, copiesPrefix) {
				return os.Rename(from, name)
			}
			return errors.Join(os.Remove(from), os.WriteFile(name, content(to, filepath.Base(name)), 0o600))
		}}
		if err := s.Rotate(t.Context(), Rotation{Source: key.Default(), Place: key, Key: &to}); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "a.example") {
			t.Errorf("%s: %v", what, err)
		}
		s.disk = durable.OS{}
		if got := secretOf(s, "a.example"); got != "s" {
			t.Errorf("%s: get says %s", what, got)
		}
		settledTree(t, s, key.memoryKey)
	}
}

// A move that another run takes back says that the key is being changed.
func TestMove_meetsAnother(t *testing.T) {
	s, key := notingStore(t, false)
	place := &notingKey{memoryKey: &memoryKey{}}
	place.note = func(what string) {
		if what != "stage" {
			return
		}
		if _, err := memoryStoreOf(t, s, key).Abort(t.Context()); err != nil {
			t.Error(err)
		}
	}
	key.elsewhere = place
	elsewhere := KeySource{Source: "memory", Command: []string{"elsewhere"}}
	if err := s.Move(t.Context(), Rotation{Source: elsewhere, Place: place}); !errors.Is(err, ErrRotating) {
		t.Errorf("move: %v", err)
	}
	if got := secretOf(s, "a.example"); got != "s" || len(place.keys) != 0 {
		t.Errorf("get says %s, and the new place has %d keys", got, len(place.keys))
	}
	// A move to the same place that is taken back leaves the key in it.
	s, key, kid := markedStore(t)
	next := s.config
	next.Previous = &Pin{Key: next.Key, KID: kid}
	if err := s.stage(oneToken, next); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Abort(t.Context()); !done || err != nil {
		t.Errorf("abort: %t, %v", done, err)
	}
	settledTree(t, s, key.memoryKey)
}

// rotatedAtLoad has another run rotate when the key is asked for first, and returns whether
// it has.
func rotatedAtLoad(t *testing.T, s *Store, key *notingKey) *bool {
	t.Helper()
	other := memoryStoreOf(t, s, key)
	met := false
	key.note = func(what string) {
		if what == "load" && !met {
			met = true
			if err := other.Rotate(t.Context(), Rotation{Source: key.Default(), Place: key}); err != nil {
				t.Error(err)
			}
		}
	}
	return &met
}

// A rotation whose key is changed by another run before it begins goes on from the new one.
func TestRotate_afterAnother(t *testing.T) {
	s, key := notingStore(t, false)
	met := rotatedAtLoad(t, s, key)
	if err := s.Rotate(t.Context(), Rotation{Source: key.Default(), Place: key}); err != nil || !*met {
		t.Errorf("rotate: %v; the other run had rotated: %t", err, *met)
	}
	if got := secretOf(s, "a.example"); got != "s" {
		t.Errorf("get says %s", got)
	}
	settledTree(t, s, key.memoryKey)
}

// A server that repeats a request says "not there" of the rename that it has done.
func TestRotate_renameThatLies(t *testing.T) {
	for _, lies := range []bool{true, false} {
		s, key, kid := markedStore(t)
		s.disk = strangeDisk{renamed: func(from, to string) error {
			if !strings.Contains(from, copiesPrefix) || strings.Contains(to, copiesPrefix) {
				return os.Rename(from, to)
			}
			if lies {
				return errors.Join(os.Rename(from, to), fs.ErrNotExist)
			}
			return fs.ErrNotExist
		}}
		err := s.Rotate(t.Context(), here(key.memoryKey))
		s.disk = durable.OS{}
		custody, custodyErr := s.Custody()
		if (err == nil) != lies || custodyErr != nil || (custody.KID != kid) != lies {
			t.Errorf("lies %t: %v, and the key is %s, was %s", lies, err, custody.KID, kid)
		}
		if got := secretOf(s, "a.example"); got != "s" {
			t.Errorf("get says %s", got)
		}
		settledTree(t, s, key.memoryKey)
	}
}

// What prepares a rotation is of the key that the store has by then.
func TestPrepare_meetsRotation(t *testing.T) {
	s, key := notingStore(t, false)
	met := rotatedAtLoad(t, s, key)
	now := *s
	v, err := now.prepareToRotate(t.Context())
	if err != nil || !*met || v.names.kid != key.root(t).KID() || !v.root.Equal(key.root(t)) {
		t.Errorf("of %q, %v", v.names.kid, err)
	}
}

// Two runs that move the same key to the same place at once keep it in one file there: one of
// them is reported, and what it clears away is not the other's.
func TestMove_atOnce(t *testing.T) {
	for what, to := range map[string][2]KeySource{
		"the same place":   {{Source: "memory"}, {Source: "memory"}},
		"slots of its own": {{Source: SourceSlots, Recipient: "age1a"}, {Source: SourceSlots, Recipient: "age1b"}},
	} {
		s, key := movedStore(t)
		place := func(note func(what string)) Key {
			return &notingKey{memoryKey: key.memoryKey, note: note}
		}
		staging, goOn, ended := make(chan bool), make(chan bool), make(chan error)
		other := memoryStoreOf(t, s, key)
		go func() {
			ended <- other.Move(t.Context(), Rotation{Source: to[0], Place: place(func(what string) {
				if what == "stage" {
					staging <- true
					<-goOn
				}
			})})
		}()
		<-staging
		var otherErr error
		met := false
		s.disk = strangeDisk{renamed: func(from, name string) error {
			if name == s.loc.configFile() {
				met = true
				close(goOn)
				otherErr = <-ended
			}
			return os.Rename(from, name)
		}}
		err := s.Move(t.Context(), Rotation{Source: to[1], Place: place(nil)})
		if !met {
			close(goOn)
			otherErr = <-ended
		}
		if (err == nil) == (otherErr == nil) || !errors.Is(errors.Join(err, otherErr), ErrRotating) {
			t.Errorf("%s: one says %v, the other %v", what, err, otherErr)
		}
		wantMoved(t, what, s, key)
	}
}

// A run that is late with clearing away what it moved leaves the key that was moved back.
func TestMove_movedBack(t *testing.T) {
	s, key := movedStore(t)
	back := Rotation{Source: s.config.Key, Place: key.elsewhere}
	if err := s.Move(t.Context(), here(key.memoryKey)); err != nil {
		t.Fatal(err)
	}
	late := memoryStoreOf(t, s, key)
	finish := func(what string) {
		if _, err := late.finish(t.Context(), ""); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	key.elsewhere.note = func(what string) {
		if what == "load" { // the new key is staged, and looked for there
			finish("while it is moved back")
		}
	}
	err := s.Move(t.Context(), back)
	key.elsewhere.note = nil
	if err != nil {
		t.Error(err)
	}
	finish("after it was moved back")
	wantMoved(t, "moved back", s, key.elsewhere)
}

// movedStore is a store whose key is elsewhere.
func movedStore(t *testing.T) (*Store, *notingKey) {
	t.Helper()
	s, key := notingStore(t, false)
	key.elsewhere = &notingKey{memoryKey: &memoryKey{}}
	source := KeySource{Source: "memory", Command: []string{"elsewhere"}}
	if err := s.Move(t.Context(), Rotation{Source: source, Place: key.elsewhere}); err != nil {
		t.Fatal(err)
	}
	return memoryStoreOf(t, s, key), key
}

// wantMoved fails unless the key is in this place alone, and opens the store.
func wantMoved(t *testing.T, what string, s *Store, place *notingKey) {
	t.Helper()
	if len(place.keys) != 1 || place.elsewhere != nil && len(place.elsewhere.keys) != 0 {
		t.Errorf("%s: the key is in %d places", what, len(place.keys))
	}
	s.disk = durable.OS{}
	if got := secretOf(s, "a.example"); got != "s" {
		t.Errorf("%s: get says %s", what, got)
	}
	settledTree(t, s, place.memoryKey)
}
