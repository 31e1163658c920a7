package keys

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
)

func TestSlots_addAndRemove(t *testing.T) {
	ctx := t.Context()
	s, id := freshSlots(t, time.Now().Add(time.Minute))
	k := stageNew(t, s, "")
	_, identity, err := s.Unlocked(k.KID())
	if err != nil {
		t.Fatal(err)
	}
	later := ofConfig(s)
	other := newIdentity(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for _, recipient := range []string{other.Recipient().String(), " " + hybrid.Recipient().String() + "\n"} {
		if _, err := later.Add(ctx, mustRecipient(t, recipient), identity); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []age.Identity{id, other, hybrid} {
		if got, found, err := later.Open(ctx, k.KID(), Opener{Identities: []age.Identity{id}}); err != nil || !got.Equal(k) || found != identity {
			t.Errorf("open: %v", err)
		}
	}

	if err := later.Remove(2); err != nil {
		t.Fatal(err)
	}
	_, _, err = later.Open(ctx, k.KID(), Opener{Identities: []age.Identity{other}})
	wantError(t, err, ErrNoSlot, "slot 1 (recipient), slot 3 (recipient)")
	if err := later.Remove(2); err == nil || !strings.Contains(err.Error(), "no slot 2") {
		t.Errorf("remove again: %v", err)
	}
	again, err := later.Add(ctx, mustRecipient(t, other.Recipient().String()), identity)
	if err != nil || again.Number != 2 || again.Type != "recipient" || filepath.Base(again.File) != "2.recipient.age" {
		t.Errorf("add takes %v (%v)", again, err)
	}
	if info, err := os.Stat(again.File); err != nil || os.PathSeparator == '/' && info.Mode().Perm() != 0o600 {
		t.Errorf("the slot has mode %v (%v)", info.Mode(), err)
	}
	for _, n := range []int{1, 3} {
		if err := later.Remove(n); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, later.Remove(2), errLastSlot)
	if left, err := os.ReadDir(later.dir()); err != nil || len(left) != 1 {
		t.Errorf("left are %v (%v)", left, err)
	}
}

func TestSlotsAdd_anotherIdentity(t *testing.T) {
	s, id := freshSlots(t, time.Time{})
	for _, identity := range []string{"", id.String(), "AGE-SECRET-KEY-1CANARY"} {
		_, err := ofConfig(s).Add(t.Context(), mustRecipient(t, id.Recipient().String()), identity)
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("add: %v", err)
		}
	}
	if _, err := s.Add(t.Context(), Recipient{}, ""); err == nil {
		t.Error("added a slot for nobody")
	}
}

func TestSlotsList_otherFiles(t *testing.T) {
	s, _ := freshSlots(t, time.Time{})
	for _, name := range []string{"2.plugin-a.b.age", "10.passphrase.age", "01.recipient.age", "0.recipient.age", "-1.recipient.age", "x.recipient.age", "3.plugin-.age", "4.tpm.age", "5.recipient", ".tmp-X"} {
		if err := os.WriteFile(filepath.Join(s.dir(), name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slots, err := s.List()
	var got []string
	for _, slot := range slots {
		got = append(got, slot.String())
	}
	want := []string{"slot 1 (recipient)", "slot 2 (age-plugin-a.b)", "slot 10 (passphrase)"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("list: %v (%v), want %v", got, err, want)
	}
}

func TestSlotsAdd_atOnce(t *testing.T) {
	s, id := freshSlots(t, time.Time{})
	way := mustRecipient(t, id.Recipient().String())
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			way := way
			if i%2 == 0 { // the type alone decides the name
				way.kind = typePlugin + "x"
			}
			if _, err := s.Add(t.Context(), way, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	slots, err := s.List()
	if err != nil || len(slots) != 13 {
		t.Fatalf("%d slots (%v)", len(slots), err)
	}
	for i := range slots[1:] {
		if slots[i].Number == slots[i+1].Number {
			t.Errorf("two slots have number %d", slots[i].Number)
		}
	}
}

func TestSlotsRemove_atOnce(t *testing.T) {
	for range 20 {
		s, id := freshSlots(t, time.Time{})
		if _, err := s.Add(t.Context(), mustRecipient(t, id.Recipient().String()), ""); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, n := range []int{1, 2} {
			wg.Go(func() { _ = s.Remove(n) })
		}
		wg.Wait()
		if slots, err := s.List(); err != nil || len(slots) == 0 {
			t.Fatalf("no slot is left (%v)", err)
		}
	}
}
