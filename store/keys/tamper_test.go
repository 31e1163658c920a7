package keys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"regshape/scripts/testenv"
	"regshape/store"
)

// TestTamperSlots changes the files of a store with two ways in, one at a time: what opens
// is the store's own key, also through the other way in, and nothing makes a guess at the
// passphrase dearer than age allows or the key appear in an error.
func TestTamperSlots(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: one goroutine does it all, over and over")
	}
	ctx := context.Background()
	s, id := freshSlots(t, time.Time{})
	byPassphrase, err := s.Add(ctx, mustPassphrase(t, "right"), "")
	if err != nil {
		t.Fatal(err)
	}
	k := stageNew(t, s, "")
	slots, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	files := []string{s.Location.SealedKeyFile(k.KID())}
	for _, slot := range slots {
		files = append(files, slot.File)
	}
	ways := map[string]Opener{
		"recipient":  {Identities: []age.Identity{id}},
		"passphrase": {Passphrase: answer("right")},
	}
	opened, refused := 0, 0
	tries := 0
	try := func(what, path string) {
		t.Helper()
		tries++
		for way, o := range ways {
			// A passphrase takes ten times as long as a recipient.
			if rare := tries%29 != 0 && (path != byPassphrase.File || tries%5 != 0); way == "passphrase" && rare && path != "" {
				continue
			}
			got, identity, err := ofConfig(s).Open(ctx, k.KID(), o)
			if err == nil {
				opened++
				if !got.Equal(k) || identity != s.fresh.identity {
					t.Fatalf("%s: %s opens another key", what, way)
				}
				continue
			}
			refused++
			for _, secret := range []string{strings.Fields(k.Line())[2], s.fresh.identity, id.String(), "right"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s: %s: the error holds a secret", what, way)
				}
			}
			// age cannot tell a changed stanza from one for somebody else, so then the
			// error is about all slots.
			if !strings.Contains(err.Error(), path) && !errors.Is(err, ErrNoSlot) && !errors.Is(err, ErrWrongPassphrase) {
				t.Errorf("%s: %s: the error does not name %s: %v", what, way, path, err)
			}
			other := path != files[0] && (path == byPassphrase.File) != (way == "passphrase")
			if other {
				t.Errorf("%s: the way in that is whole does not open: %v", what, err)
			}
		}
	}
	sample := testenv.NewSample(t, 41)
	for i, path := range files {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		put := func(data []byte) {
			t.Helper()
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for bit := range len(good) * 8 {
			if !sample.Take(fmt.Sprint("bit of ", path, bit/64)) {
				continue
			}
			bad := append([]byte(nil), good...)
			bad[bit/8] ^= 1 << (bit % 8)
			put(bad)
			try("a bit flipped", path)
		}
		for n := range good {
			if !sample.Take(fmt.Sprint("end of ", path, n/8)) {
				continue
			}
			put(good[:n])
			try("cut short", path)
		}
		put(append(append([]byte(nil), good...), '\n'))
		try("a byte added", path)
		for j, from := range files {
			data, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			if i != j {
				put(data)
				try("copied over", path)
			}
		}
		put(good)
	}
	before := refused
	try("nothing", "")
	if refused != before {
		t.Error("the files do not open as they were")
	}
	t.Logf("opened to the right key %d times, refused %d times, to another key never", opened, refused)
}

// A key file of another store, or of an earlier key, opens neither this store nor its past.
func TestTamperSlots_exchanged(t *testing.T) {
	ctx := context.Background()
	s, id := freshSlots(t, time.Time{})
	first, second := stageNew(t, s, ""), stageNew(t, s, "")
	o := Opener{Identities: []age.Identity{id}}
	other, err := NewSlots(slotsLocation(t), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Add(ctx, mustRecipient(t, id.Recipient().String()), ""); err != nil {
		t.Fatal(err)
	}
	if err := other.Stage(ctx, second, ""); err != nil {
		t.Fatal(err)
	}
	for what, from := range map[string]string{
		"an earlier key":                        s.Location.SealedKeyFile(first.KID()),
		"the same key under another's identity": other.Location.SealedKeyFile(second.KID()),
	} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Location.SealedKeyFile(second.KID()), data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err = ofConfig(s).Open(ctx, second.KID(), o)
		wantError(t, err, store.ErrWrongKey, s.Location.SealedKeyFile(second.KID()))
		if _, err := ofConfig(s).Load(ctx, second.KID()); !errors.Is(err, store.ErrLocked) {
			t.Errorf("%s: load: %v", what, err)
		}
	}
	// Whoever also puts the other store's slots there still has another identity.
	theirs, err := other.List()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(theirs[0].File)
	if err == nil {
		err = os.WriteFile(ours[0].File, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = ofConfig(s).Open(ctx, second.KID(), o)
	wantError(t, err, ErrNoSlot, "belongs to another store")
}
