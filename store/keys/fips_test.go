package keys

import (
	"os"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/store"
)

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
	wantError(t, err, ErrFIPS, "--keyring")
	_, err = PassphraseWay("p")
	wantError(t, err, ErrFIPS)
	_, err = RecipientWay("age1", nil)
	wantError(t, err, ErrFIPS)
	_, err = ParseIdentities([]byte("AGE-SECRET-KEY-PQ-1"), nil, nil)
	wantError(t, err, ErrFIPS)
	_, err = OpenBackup(ctx, nil, Opener{})
	wantError(t, err, ErrFIPS)
	wantError(t, SealBackup(ctx, nil, k, Way{}), ErrFIPS)
	s := Slots{Location: loc, Recipient: "age1"}
	wantError(t, s.Stage(ctx, k, ""), ErrFIPS)
	_, err = s.Add(ctx, Way{}, "")
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
