package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

func TestPassphrase(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second of scrypt twice, and ten times that under the race detector")
	}
	const passphrase = "correct horse battery staple"
	way, err := PassphraseRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSlots(slotsLocation(t), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	slot, err := s.Add(t.Context(), way, "")
	if err != nil {
		t.Fatal(err)
	}
	if f, err := readSlot(slot); err != nil || f.file.logN != 18 {
		t.Fatalf("got work factor %d (%v), want 18", f.file.logN, err)
	}
	k := stageNew(t, s, "")
	got, _, err := s.Open(t.Context(), k.KID(), Opener{Passphrase: answer(passphrase)})
	if err != nil || !got.Equal(k) {
		t.Errorf("open: %v", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(verb, way); strings.Contains(text, "correct") || strings.Contains(text, "99, 111") || strings.Contains(text, "0x63") {
			t.Errorf("%s prints the passphrase: %s", verb, text)
		}
	}
}

// The library opens a slot on its own.
func TestPassphrase_library(t *testing.T) {
	s, _ := freshSlots(t, time.Time{})
	slot, err := s.Add(t.Context(), mustPassphrase(t, "right"), "")
	if err != nil {
		t.Fatal(err)
	}
	f, err := readSlot(slot)
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.NewScryptIdentity("right")
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(f.file.data), id)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != s.fresh.identity+"\n" {
		t.Errorf("the slot holds something else (%v)", err)
	}
}

func TestPassphrase_empty(t *testing.T) {
	if _, err := PassphraseRecipient(""); err == nil {
		t.Error("an empty passphrase is taken")
	}
}

func TestScryptWork(t *testing.T) {
	for header, want := range map[string]int{
		"-> X25519 a\nbody\n--- mac\n":                         0,
		"-> scrypt salt 18\nbody\n--- mac\npayload":            18,
		"-> grease- scrypt 9\n\n-> X25519 a\n\n--- mac\n":      0,
		"-> scrypt salt 20\nbody\n--- mac\n":                   20,
		"-> scrypt salt 21\nbody\n--- mac\n":                   -1,
		"-> scrypt salt 22\nbody\n--- mac\n":                   -1,
		"-> scrypt salt 99999999999999999999\nbody\n--- mac\n": -1,
		"-> scrypt salt 0\nbody\n--- mac\n":                    -1,
		"-> scrypt salt -5\nbody\n--- mac\n":                   -1,
		"-> scrypt 18\nbody\n--- mac\n":                        -1,
		"-> scrypt salt 18\nbody\n":                            -1,
		"-> scrypt salt 18\n\n-> scrypt salt 10\n\n--- mac\n":  -1,
		"-> scrypt salt 18\n\n-> X25519 salt\n\n--- mac\n":     -1,
		"--- mac\n": -1,
		"":          -1,
	} {
		got, err := scryptWork([]byte(ageIntro + header))
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("%q: %d (%v), want %d", header, got, err, want)
		}
		if err != nil && !errors.Is(err, errDamagedAge) && !strings.Contains(err.Error(), "more than 2^20 is refused") {
			t.Errorf("%q: %v", header, err)
		}
	}
}
