package keys

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"regshape/store"
	"regshape/store/process"
)

// quotes reports whether an error holds a word of a text that may be secret. Shorter words
// are the errors' own.
func quotes(err error, text string) bool {
	for _, word := range strings.Fields(text) {
		if len(word) > 24 && strings.Contains(err.Error(), word) {
			return true
		}
	}
	return false
}

// What a cache gives back is what was kept, to the byte, or as good as nothing.
func FuzzParseUnlocked(f *testing.F) {
	k := store.NewRootKey()
	for _, identity := range []string{"", "AGE-SECRET-KEY-1TEST"} {
		text, err := unlocked{Key: k, Identity: identity, Until: time.Now().Add(1000 * time.Hour)}.marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "")
	}
	f.Add("\n\n9223372036854775807\n", "AGE-SECRET-KEY-1")
	f.Add("\n+4102444800\n", " ")
	f.Fuzz(func(t *testing.T, text, rest string) {
		// The second form gets past the key line's checksum.
		for _, text := range []string{text, k.Line() + "\n" + rest} {
			u, err := parseUnlocked(text, k.KID())
			if err != nil {
				if !errors.Is(err, errNotCached) || quotes(err, text) {
					t.Fatalf("%q: %v", text, err)
				}
				continue
			}
			if !u.Key.Equal(k) || !u.Until.After(time.Now()) || !isIdentity(u.Identity) {
				t.Fatalf("%q reads as a key until %v", text, u.Until)
			}
			again, err := u.marshal()
			if err != nil || len(again) >= maxUnlocked {
				t.Fatalf("%q does not fit the cache again: %d bytes, %v", text, len(again), err)
			}
			v, err := parseUnlocked(again, k.KID())
			if err != nil || !v.Key.Equal(u.Key) || v.Identity != u.Identity || !v.Until.Equal(u.Until) {
				t.Fatalf("%q is kept as %q, which reads as something else (%v)", text, again, err)
			}
		}
	})
}

// maxUnlocked is what marshal promises.
const maxUnlocked = 512

// An identity file gives one identity for each of its lines, or an error that quotes none.
func FuzzParseIdentities(f *testing.F) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		id.String(), "# created\n" + id.String() + "\r\n" + hybrid.String(), "AGE-PLUGIN-YUBIKEY-1QQQQQQQQQQQQQQQQQQ",
		"-----BEGIN OPENSSH PRIVATE KEY-----", ageIntro + "-> scrypt AAAA 10\n\n--- x\n", "age1notasecret", "\n\n#\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ids, err := ParseIdentities(data, nil, nil)
		if err != nil {
			if quotes(err, string(data)) || len(ids) > 0 {
				t.Fatalf("%q: %d identities and %v", data, len(ids), err)
			}
			return
		}
		lines := 0
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				lines++
			}
		}
		if len(ids) != lines || lines == 0 {
			t.Fatalf("%q: %d identities of %d lines", data, len(ids), lines)
		}
	})
}

// A recipient is taken as it is spelled, and what is mistyped is not repeated: it may be
// an identity.
func FuzzParseRecipient(f *testing.F) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		id.Recipient().String(), " " + id.Recipient().String() + "\n", strings.ToUpper(id.Recipient().String()), id.String(),
		"age1pq1qqqq", "age1yubikey1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", "ssh-ed25519 AAAA", "age1", "agE1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		way, err := ParseRecipient(text, nil)
		if err != nil {
			if quotes(err, text) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if r, native := way.recipient.(*age.X25519Recipient); native && r.String() != strings.TrimSpace(text) {
			t.Fatalf("%q is taken for %s", text, r)
		}
		if way.kind != typeRecipient && !strings.HasPrefix(way.kind, typePlugin) || fmt.Sprintf("%v %+v %#v", way, way, way) == "" {
			t.Fatalf("%q is a way in of the kind %q", text, way.kind)
		}
		if (Slot{Number: 1, Type: way.kind}).String() == "" || filepath.Base(way.kind) != way.kind {
			t.Fatalf("%q gives a slot's file a name with a directory in it: %q", text, way.kind)
		}
	})
}

// What a program that prints the key has complained about is shown as one line that a
// terminal can take, and not at all where a key is in it, however it comes in pieces.
func FuzzCommandComplaint(f *testing.F) {
	f.Add("usage: x\n", "", "error: no such item\r\n", uint16(3))
	f.Add("", "regshape-key-1 0 0 0", "\x1b[31m", uint16(0))
	f.Add("a\xff", "AGE-Secret-KEY-1", strings.Repeat("x", 5000), uint16(4090))
	line := store.NewRootKey().Line()
	f.Fuzz(func(t *testing.T, before, tag, after string, cut uint16) {
		for _, text := range []string{before + tag + after, before + line + after} {
			whole, pieces := &process.Bounded{Limit: commandError}, &process.Bounded{Limit: commandError}
			at := min(int(cut), len(text))
			for b, parts := range map[*process.Bounded][]string{whole: {text}, pieces: {text[:at], text[at:]}} {
				for _, part := range parts {
					if n, err := b.Write([]byte(part)); n != len(part) || err != nil {
						t.Fatalf("a write of %d bytes: %d, %v", len(part), n, err)
					}
				}
			}
			quoted := quote(whole)
			if quote(pieces) != quoted || len(whole.Data) > commandError {
				t.Fatalf("%q in pieces is quoted as %q, not as %q", text, quote(pieces), quoted)
			}
			if strings.ContainsAny(quoted, "\r\n\x1b\x00") || len([]rune(quoted)) > quotedError+3 {
				t.Fatalf("%q is quoted as %q", text, quoted)
			}
			if strings.Contains(quoted, strings.Fields(line)[2]) || showsKey(quoted) {
				t.Fatalf("%q: a key is quoted", text)
			}
		}
	})
}

// Whatever lies where a key or a slot is: it opens to the store's own key, or not at all.
func FuzzSlotFiles(f *testing.F) {
	loc, err := store.Locate(store.Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	s, err := NewSlots(loc, time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	way, err := ParseRecipient(id.Recipient().String(), nil)
	if err != nil {
		f.Fatal(err)
	}
	slot, err := s.Add(f.Context(), way, "")
	if err != nil {
		f.Fatal(err)
	}
	k := store.NewRootKey()
	if err := s.Stage(f.Context(), k, ""); err != nil {
		f.Fatal(err)
	}
	files := []string{loc.SealedKeyFile(k.KID()), slot.File}
	var good [2][]byte
	for i, path := range files {
		if good[i], err = os.ReadFile(path); err != nil {
			f.Fatal(err)
		}
		f.Add(i == 1, good[i])
		f.Add(i == 1, good[i][:len(good[i])/2])
		f.Add(i == 0, good[i])
	}
	f.Add(true, []byte(ageIntro+"-> scrypt AAAA 10\n\n--- x\n"))
	f.Fuzz(func(t *testing.T, second bool, data []byte) {
		i := 0
		if second {
			i = 1
		}
		if err := os.WriteFile(files[i], data, 0o600); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.WriteFile(files[i], good[i], 0o600); err != nil {
				t.Fatal(err)
			}
		}()
		got, identity, err := ofConfig(s).Open(t.Context(), k.KID(), Opener{Identities: []age.Identity{id}})
		if err != nil {
			if quotes(err, string(data)) || identity != "" {
				t.Fatalf("%q: %v", data, err)
			}
			return
		}
		plain, err := readAgeFile(data)
		if err != nil || !bytes.Equal(plain.data, good[i]) || !got.Equal(k) || identity != s.fresh.identity {
			t.Fatalf("%q opens", data)
		}
	})
}

// A file among the slots has one number and one type, from which its name can be made
// again, or is none.
func FuzzSlotNames(f *testing.F) {
	for _, seed := range []string{"1.passphrase.age", "2.recipient.age", "3.plugin-yubikey.age", "01.recipient.age", "+1.recipient.age", "1.plugin-.age", ".tmp-A", "1.x.age"} {
		f.Add(seed)
	}
	loc, err := store.Locate(store.Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	s := Slots{Location: loc, Recipient: "age1x"}
	if err := os.MkdirAll(s.dir(), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path := filepath.Join(s.dir(), name)
		if filepath.Dir(path) != s.dir() || os.WriteFile(path, nil, 0o600) != nil {
			return // no name of a file
		}
		defer os.Remove(path)
		slots, err := s.List()
		if err != nil || len(slots) > 1 {
			t.Fatalf("%q: %v, %v", name, slots, err)
		}
		for _, slot := range slots {
			if slot.File != path || fmt.Sprintf("%d.%s.age", slot.Number, slot.Type) != filepath.Base(path) || slot.Number < 1 {
				t.Fatalf("%q is listed as %+v", name, slot)
			}
			if firstFree(slots) == slot.Number {
				t.Fatalf("%q: its number is free", name)
			}
		}
	})
}
