package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	"regshape/store/durable"
)

func slotsLocation(t *testing.T) store.Location {
	t.Helper()
	loc, err := store.Locate(store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// freshSlots has one slot, for the returned identity. What its tests unlock is in the
// operating system's own cache, and locked again at the end.
func freshSlots(t *testing.T, until time.Time) (Slots, *age.X25519Identity) {
	t.Helper()
	s, err := NewSlots(slotsLocation(t), until)
	if err != nil {
		t.Fatal(err)
	}
	id := newIdentity(t)
	if _, err := s.Add(t.Context(), mustRecipient(t, id.Recipient().String()), ""); err != nil {
		t.Fatal(err)
	}
	return s, id
}

// ofConfig is what another run makes of the config.
func ofConfig(s Slots) Slots {
	return Slots{Location: s.Location, Recipient: s.Recipient, cache: s.cache}
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func mustRecipient(t *testing.T, text string) Recipient {
	t.Helper()
	way, err := ParseRecipient(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return way
}

// stageNew stages a new key.
func stageNew(t *testing.T, s Slots, from string) store.RootKey {
	t.Helper()
	k := store.NewRootKey()
	if err := s.Stage(t.Context(), k, from); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Lock(k.KID()) })
	return k
}

func wantError(t *testing.T, err, want error, words ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

func TestSlots_unlockedAsBefore(t *testing.T) {
	ctx := t.Context()
	until := time.Now().Add(time.Minute)
	s, _ := freshSlots(t, until)
	first := stageNew(t, s, "")
	if k, err := s.Load(ctx, first.KID()); err != nil || !k.Equal(first) {
		t.Fatalf("load of the first key: %v", err)
	}

	later := ofConfig(s)
	second := stageNew(t, later, first.KID())
	got, identity, err := later.Unlocked(second.KID())
	if err != nil || got.Sub(until).Abs() > time.Second || identity != s.fresh.identity {
		t.Errorf("the second key is unlocked until %v (%v), want %v", got, err, until)
	}
	if err := later.Promote(ctx, second.KID()); err != nil {
		t.Error(err)
	}

	if err := later.Lock(second.KID()); err != nil {
		t.Fatal(err)
	}
	if _, err := later.Load(ctx, second.KID()); err != store.ErrLocked { //nolint:errorlint // nothing is to be added
		t.Errorf("load of a locked key: %v", err)
	}
	if err := later.Stage(ctx, store.NewRootKey(), second.KID()); !errors.Is(err, ErrNoIdentity) || errors.Is(err, store.ErrLocked) {
		t.Errorf("stage without an identity at hand: %v", err) // a locked place would be trusted to have taken it
	}
	later.Identity = s.fresh.identity // as a run that has opened a slot
	third := stageNew(t, later, second.KID())
	_, err = later.Load(ctx, third.KID())
	wantError(t, err, store.ErrLocked)

	_, err = later.Load(ctx, store.NewRootKey().KID())
	wantError(t, err, store.ErrNoKey, later.Location.Data)
	_, err = later.Load(ctx, "")
	wantError(t, err, store.ErrNoKey)
}

func TestSlots_pastTime(t *testing.T) {
	s, id := freshSlots(t, time.Time{})
	k := stageNew(t, s, "")
	_, err := s.Load(t.Context(), k.KID())
	wantError(t, err, store.ErrLocked)
	if got, _, err := s.Open(t.Context(), k.KID(), Opener{Identities: []age.Identity{id}}); err != nil || !got.Equal(k) {
		t.Errorf("open: %v", err)
	}
}

// blockedCache is what a container without keyctl has.
type blockedCache struct{}

func (blockedCache) load(string) (unlocked, error) {
	return unlocked{}, fmt.Errorf("%w: why", errCacheBlocked)
}

func (blockedCache) keep(unlocked) error { return fmt.Errorf("%w: why", errCacheBlocked) }

func (blockedCache) forget(string) error { return fmt.Errorf("%w: why", errCacheBlocked) }

func TestSlots_noCache(t *testing.T) {
	s, id := freshSlots(t, time.Now().Add(time.Minute))
	s.cache = blockedCache{}
	k := stageNew(t, s, "")
	_, err := s.Load(t.Context(), k.KID())
	wantError(t, err, store.ErrLocked, "why")
	wantError(t, err, errCacheBlocked)
	open := Opener{Identities: []age.Identity{id}}
	wantError(t, unlockError(s.Unlock(t.Context(), k.KID(), open, time.Minute)), errCacheBlocked, "why")
	if err := s.Discard(t.Context(), k.KID()); err != nil {
		t.Error(err)
	}
}

func TestSlotsStage_nobodyCanOpen(t *testing.T) {
	s, err := NewSlots(slotsLocation(t), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	k := store.NewRootKey()
	wantError(t, s.Stage(t.Context(), k, ""), store.ErrNoKey, "no slot")
	if _, err := os.Stat(s.Location.SealedKeyFile(k.KID())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key is there: %v", err)
	}
	s.Recipient = "age1x"
	if err := s.Stage(t.Context(), k, ""); err == nil {
		t.Error("staged to a damaged recipient")
	}
}

// A recipient that somebody has written into the config gets neither the next key nor a way
// in, whatever slots are there for it: the unlocked identity is another's.
func TestSlotsStage_strangersRecipient(t *testing.T) {
	ctx := t.Context()
	s, _ := freshSlots(t, time.Now().Add(time.Minute))
	first := stageNew(t, s, "")
	stranger := newIdentity(t)
	for what, recipient := range map[string]string{
		"a stranger's":   stranger.Recipient().String(),
		"no recipient":   "age1\x1b]0;x",
		"none":           "",
		"a post-quantum": "age1pq1" + strings.Repeat("q", 100),
	} {
		changed := ofConfig(s)
		changed.Recipient = recipient
		if err := durable.WriteOver(filepath.Join(changed.dir(), "1.passphrase.age"), []byte("junk")); err != nil {
			t.Fatal(err)
		}
		for _, identity := range []string{"", s.fresh.identity} {
			changed.Identity = identity
			k := store.NewRootKey()
			err := changed.Stage(ctx, k, first.KID())
			wantError(t, err, err, s.Recipient, filepath.Join(s.Location.Config, "config"))
			if !errors.As(err, new(*IdentityError)) || strings.ContainsRune(err.Error(), '\x1b') || errors.Is(err, store.ErrLocked) {
				t.Errorf("%s: stage: %v", what, err)
			}
			if _, err := os.Stat(s.Location.SealedKeyFile(k.KID())); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: the next key is there: %v", what, err)
			}
		}
		if _, err := changed.Add(ctx, mustRecipient(t, stranger.Recipient().String()), s.fresh.identity); err == nil {
			t.Errorf("%s: a way in was added", what)
		}
	}
	_, _, err := Slots{Location: s.Location, Recipient: newIdentity(t).Recipient().String()}.Open(ctx, first.KID(), Opener{})
	wantError(t, err, ErrNoSlot, "the config was changed")
}

func TestSlotsDiscard(t *testing.T) {
	ctx := t.Context()
	s, id := freshSlots(t, time.Now().Add(time.Minute))
	one, two := stageNew(t, s, ""), stageNew(t, s, "")
	other := ofConfig(s)
	if err := other.Discard(ctx, store.NewRootKey().KID()); err != nil {
		t.Errorf("discard of an unknown key: %v", err)
	}
	if err := other.Discard(ctx, one.KID()); err != nil {
		t.Fatal(err)
	}
	_, err := other.Load(ctx, one.KID())
	wantError(t, err, store.ErrNoKey)
	if k, err := other.Load(ctx, two.KID()); err != nil || !k.Equal(two) {
		t.Errorf("discard of one took the other: %v", err)
	}
	for range 2 {
		if err := other.Discard(ctx, two.KID()); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(s.Location.SealedKeyFile(""))); err != nil || len(left) != 0 {
		t.Errorf("after the last key there is %v (%v)", left, err)
	}

	// A rotation that another run has taken back begins again.
	three := stageNew(t, s, "")
	if k, _, err := s.Open(ctx, three.KID(), Opener{Identities: []age.Identity{id}}); err != nil || !k.Equal(three) {
		t.Errorf("open after a new beginning: %v", err)
	}
	empty, err := NewSlots(slotsLocation(t), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.Discard(ctx, one.KID()); err != nil {
		t.Errorf("discard where there is no directory: %v", err)
	}
}

// However a run that stages and one that discards the only other key meet, a key that
// was staged can be opened.
func TestSlotsDiscard_besideStage(t *testing.T) {
	ctx, rounds := context.Background(), 30
	if testing.Short() {
		rounds = 10
	}
	for range rounds {
		s, id := freshSlots(t, time.Time{})
		s.cache = blockedCache{}
		old, k := stageNew(t, s, ""), store.NewRootKey()
		later := ofConfig(s)
		later.Identity = s.fresh.identity
		var wg sync.WaitGroup
		var stageErr error
		wg.Go(func() { stageErr = later.Stage(ctx, k, "") })
		wg.Go(func() {
			if err := later.Discard(ctx, old.KID()); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if stageErr != nil {
			wantError(t, stageErr, store.ErrNoKey)
			continue
		}
		if got, _, err := later.Open(ctx, k.KID(), Opener{Identities: []age.Identity{id}}); err != nil || !got.Equal(k) {
			t.Fatalf("a staged key cannot be opened: %v", err)
		}
	}
}

func TestSlots_printNoIdentity(t *testing.T) {
	s, id := freshSlots(t, time.Time{})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{s, Slots{Recipient: s.Recipient, Identity: s.fresh.identity}, Opener{Identities: []age.Identity{id}}} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "SECRET") || strings.Contains(text, s.fresh.identity) {
				t.Errorf("%s of a %T prints the identity", verb, v)
			}
		}
	}
}

// needProgram skips a test where a program is not installed, except on CI.
func needProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("%v: install it to run this test", err)
	}
	return path
}

// The program age opens what is here by hand: a slot gives the identity, the identity
// the key line.
func TestSlots_ageProgram(t *testing.T) {
	program := needProgram(t, "age")
	s, id := freshSlots(t, time.Time{})
	k := stageNew(t, s, "")
	dir := t.TempDir()
	decrypt := func(identity, file string) string {
		t.Helper()
		path := filepath.Join(dir, "identity")
		if err := os.WriteFile(path, []byte(identity), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := testenv.Command(testenv.Environ(dir), program, "-d", "-i", path, file).CombinedOutput()
		if err != nil {
			t.Fatalf("age: %v: %s", err, out)
		}
		return string(out)
	}
	slots, err := s.List()
	if err != nil || len(slots) != 1 {
		t.Fatal(slots, err)
	}
	identity := decrypt(id.String(), slots[0].File)
	if identity != s.fresh.identity+"\n" {
		t.Error("the slot holds something else")
	}
	if line := decrypt(identity, s.Location.SealedKeyFile(k.KID())); line != k.Line()+"\n" {
		t.Error("the key file holds something else")
	}
}
