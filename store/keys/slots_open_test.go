package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"regshape/store"
	"regshape/store/durable"
)

// testWork is a work factor for tests that are not about its cost.
const testWork = 10

func mustPassphrase(t *testing.T, passphrase string) Recipient {
	t.Helper()
	way, err := passphraseRecipient(passphrase, testWork)
	if err != nil {
		t.Fatal(err)
	}
	return way
}

func answer(text string) func() (string, error) { return func() (string, error) { return text, nil } }

func TestUnlock(t *testing.T) {
	ctx := t.Context()
	s, id := freshSlots(t, time.Time{})
	k := stageNew(t, s, "")
	later := ofConfig(s)
	if _, err := later.Unlock(ctx, k.KID(), Opener{Identities: []age.Identity{id}}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, err := later.Load(ctx, k.KID()); err != nil || !got.Equal(k) {
		t.Errorf("load: %v", err)
	}
	if err := later.Lock(k.KID()); err != nil {
		t.Fatal(err)
	}
	if _, err := later.Unlock(ctx, k.KID(), Opener{Identities: []age.Identity{id}}, 0); err == nil {
		t.Error("unlocked until now")
	}
}

func TestOpenOrder(t *testing.T) {
	ctx := t.Context()
	s, id := freshSlots(t, time.Time{})
	k := stageNew(t, s, "")
	asked := 0
	ask := func() (string, error) { asked++; return "correct horse", nil }
	open := func(o Opener) error {
		t.Helper()
		got, identity, err := s.Open(ctx, k.KID(), o)
		if err == nil && (!got.Equal(k) || identity != s.fresh.identity) {
			t.Error("opened something else")
		}
		return err
	}
	wantError(t, open(Opener{Passphrase: ask}), ErrNoSlot, "slot 1 (recipient)")
	for _, passphrase := range []string{"another", "correct horse"} {
		if _, err := s.Add(ctx, mustPassphrase(t, passphrase), ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(Opener{Identities: []age.Identity{newIdentity(t), id}, Passphrase: ask}); err != nil || asked != 0 {
		t.Errorf("by identity: %v, asked %d times", err, asked)
	}
	if err := open(Opener{Identities: []age.Identity{newIdentity(t)}, Passphrase: ask}); err != nil || asked != 1 {
		t.Errorf("by passphrase: %v, asked %d times", err, asked)
	}
	wantError(t, open(Opener{Passphrase: answer("wrong canary")}), ErrWrongPassphrase)
	wantError(t, open(Opener{Passphrase: answer("")}), ErrWrongPassphrase)
	wantError(t, open(Opener{}), ErrNoSlot, "no terminal", "slot 2 (passphrase)")
	stop := errors.New("stopped")
	wantError(t, open(Opener{Passphrase: func() (string, error) { return "", stop }}), stop)
	_, _, err := s.Open(ctx, store.NewRootKey().KID(), Opener{Passphrase: ask})
	wantError(t, err, store.ErrNoKey)
	if asked != 1 {
		t.Error("asked for a key that is not there")
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	_, _, err = s.Open(done, k.KID(), Opener{Identities: []age.Identity{newIdentity(t)}})
	wantError(t, err, context.Canceled)
}

func TestOpenDamaged(t *testing.T) {
	ctx := t.Context()
	s, id := freshSlots(t, time.Time{})
	k := stageNew(t, s, "")
	if _, err := s.Add(ctx, mustPassphrase(t, "p"), ""); err != nil {
		t.Fatal(err)
	}
	slots, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(slots[0].File)
	if err != nil {
		t.Fatal(err)
	}
	const canary = "CANARY-7f3a"
	stranger, err := encrypt(ctx, newIdentity(t).String()+"\n", mustRecipient(t, id.Recipient().String()))
	if err != nil {
		t.Fatal(err)
	}
	nonsense, err := encrypt(ctx, canary, mustRecipient(t, id.Recipient().String()))
	if err != nil {
		t.Fatal(err)
	}
	var reported []string
	o := Opener{
		Identities: []age.Identity{id}, Passphrase: answer("wrong"),
		UI: &PluginUI{Display: func(text string) { reported = append(reported, text) }},
	}
	for what, data := range map[string][]byte{
		"empty":             {},
		"a secret":          []byte(canary),
		"a secret inside":   []byte(ageIntro + canary + "\n--- x\n"),
		"no closing line":   []byte(ageIntro + "-> X25519 " + canary),
		"cut in the header": good[:40],
		"cut at the end":    good[:len(good)-1],
		"a changed bit":     append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1),
		"another store's":   stranger,
		"nonsense":          nonsense,
		"a passphrase's":    []byte(ageIntro + "-> scrypt " + canary + " 10\n" + canary + "\n--- x\n"),
	} {
		reported = nil
		if err := os.WriteFile(slots[0].File, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Open(ctx, k.KID(), o)
		wantError(t, err, ErrWrongPassphrase, slots[0].File)
		if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error quotes the file: %v", what, err)
		}
		if len(reported) != 1 || !strings.Contains(reported[0], slots[0].File) {
			t.Errorf("%s: before the passphrase was said %q", what, reported)
		}
	}
	o.Passphrase = answer("p") // a damaged slot does not keep the others from opening
	if got, _, err := s.Open(ctx, k.KID(), o); err != nil || !got.Equal(k) {
		t.Errorf("by the other slot: %v", err)
	}

	if err := os.WriteFile(slots[0].File, good, 0o600); err != nil {
		t.Fatal(err)
	}
	path := s.Location.SealedKeyFile(k.KID())
	sealed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ownWay := mustRecipient(t, s.Recipient)
	swapped, err := encrypt(ctx, store.NewRootKey().Line(), ownWay)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct {
		data []byte
		want error
	}{
		{sealed[:len(sealed)-1], errDamagedAge},
		{[]byte(k.Line()), errNotAge},
		{swapped, store.ErrWrongKey},
		{stranger, store.ErrWrongKey},
	} {
		if err := os.WriteFile(path, bad.data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Open(ctx, k.KID(), o)
		wantError(t, err, bad.want, path)
	}
}

func TestOpenRefusesUnsafeFiles(t *testing.T) {
	s, id := freshSlots(t, time.Time{})
	k := stageNew(t, s, "")
	slots, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(slots[0].File); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(s.Location.SealedKeyFile(k.KID()), slots[0].File); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	_, _, err = s.Open(t.Context(), k.KID(), Opener{Identities: []age.Identity{id}})
	wantError(t, err, ErrNoSlot, slots[0].File)
}

func unlockError(_ time.Time, err error) error { return err }

// Slots that others have put there cost no more than a moment, and hide none that is cheap.
func TestOpen_slotsThatKeepBusy(t *testing.T) {
	s, _ := freshSlots(t, time.Time{})
	k := stageNew(t, s, "")
	plant := func(name string, logN int) {
		t.Helper()
		text := fmt.Sprintf("%s-> scrypt AAAAAAAAAAAAAAAAAAAAAA %d\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n--- x\n", ageIntro, logN)
		if err := durable.WriteOver(filepath.Join(s.dir(), name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	plant("2.passphrase.age", 22)
	_, _, err := s.Open(t.Context(), k.KID(), Opener{Passphrase: func() (string, error) {
		t.Error("asked for a passphrase that no slot may take")
		return "p", nil
	}})
	wantError(t, err, ErrNoSlot, "2^22, and more than 2^20 is refused", "2.passphrase.age")

	for n := range 20 {
		plant(fmt.Sprintf("%d.passphrase.age", n+2), workFactor)
	}
	slot, err := s.Add(t.Context(), mustPassphrase(t, "p"), "")
	if err != nil || slot.Number != 22 {
		t.Fatal(slot, err)
	}
	if got, _, err := s.Open(t.Context(), k.KID(), Opener{Passphrase: answer("p")}); err != nil || !got.Equal(k) {
		t.Errorf("by the slot after them: %v", err)
	}
	_, _, err = s.Open(t.Context(), k.KID(), Opener{Passphrase: answer("wrong")})
	wantError(t, err, ErrWrongPassphrase, "not tried, since the slots before it take too long")
}
