package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestSealedFileRefusesEveryChange(t *testing.T) {
	root := NewRootKey()
	name := root.nameKey().name("ghcr.io")
	sealed, err := root.sealer().seal(name, []byte(`{"Secret":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := root.sealer().open(nil, name, sealed); err != nil || string(bytes.TrimSpace(got)) != `{"Secret":"x"}` {
		t.Fatalf("open: %q, %v", got, err)
	}
	for bit := range len(sealed) * 8 {
		changed := bytes.Clone(sealed)
		changed[bit/8] ^= 1 << (bit % 8)
		if _, err := root.sealer().open(nil, name, changed); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
	}
	for n := range sealed {
		if _, err := root.sealer().open(nil, name, sealed[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := root.sealer().open(nil, name, append(bytes.Clone(sealed), 0)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte more: %v", err)
	}
	if _, err := root.sealer().open(nil, root.nameKey().name("quay.io"), sealed); !errors.Is(err, ErrDamaged) {
		t.Errorf("under another name: %v", err)
	}
	if _, err := NewRootKey().sealer().open(nil, name, sealed); !errors.Is(err, ErrDamaged) {
		t.Errorf("under another key: %v", err)
	}
}

func TestSealedSizeHidesTheSecretsLength(t *testing.T) {
	root := NewRootKey()
	sizes := map[int]int{1: 1024, 1023: 1024, 1024: 1024, 1025: 2048, 2048: 2048}
	for length, padded := range sizes {
		sealed, err := root.sealer().seal("n", []byte(strings.Repeat("x", length)))
		if err != nil || len(sealed) != headerSize+sealExtra+padded {
			t.Errorf("%d bytes are sealed in %d (%v), want %d", length, len(sealed), err, headerSize+sealExtra+padded)
		}
	}
}

// Vectors computed once with another implementation (Python's hmac and hashlib), so that
// the derivations cannot drift.
func TestDerivations(t *testing.T) {
	var secret [keySize]byte
	for i := range secret {
		secret[i] = byte(i)
	}
	root := rootKeyOf(secret)
	if got := root.KID(); got != vectorKID {
		t.Errorf("kid %s, want %s", got, vectorKID)
	}
	if got := root.nameKey().name("ghcr.io"); got != vectorName {
		t.Errorf("entry name %s, want %s", got, vectorName)
	}
	if got := fmt.Sprintf("%x", root.derivation().derive("regshape/v1/cred/"+vectorName)); got != vectorCredKey {
		t.Errorf("entry key %s, want %s", got, vectorCredKey)
	}
	if got := root.Line(); got != vectorLine {
		t.Errorf("key line %s, want %s", got, vectorLine)
	}
}

func TestKeyLine(t *testing.T) {
	root := NewRootKey()
	line := root.Line()
	if got, err := ParseKeyLine("  " + line + "\r\n"); err != nil || got != root {
		t.Fatalf("round trip: %v", err)
	}
	fields := strings.Fields(line)
	other := strings.Fields(NewRootKey().Line())
	for _, bad := range []string{
		"", "x", line + " x", strings.Replace(line, "KEY-1", "KEY-2", 1), line[:len(line)-1],
		strings.Join([]string{fields[0], other[1], fields[2], fields[3]}, " "),
		strings.Join([]string{fields[0], fields[1], other[2], fields[3]}, " "),
		taggedLine(keyTag, other[1], root.secret[:]),
		taggedLine(keyTag, fields[1], root.secret[:20]),
		taggedLine(keyTag, "short", root.secret[:]),
		root.nameKey().line(),
	} {
		_, err := ParseKeyLine(bad)
		if !errors.Is(err, ErrKeyDamaged) {
			t.Errorf("ParseKeyLine of a bad line: %v", err)
		}
		if err != nil && strings.Contains(err.Error(), fields[2]) {
			t.Errorf("the error holds the key: %v", err)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	root := NewRootKey()
	encoded := strings.Fields(root.Line())[2]
	c := Credential{ServerURL: "h", Username: "u", Secret: "canary-1", Renew: &Renewal{Token: "canary-2"}}
	for _, v := range []any{root, &root, root.nameKey(), c, &c, *c.Renew, c.Renew} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			got := fmt.Sprintf(verb, v)
			if strings.Contains(got, "canary") || strings.Contains(got, encoded) || strings.Contains(got, fmt.Sprint(root.secret[0])+" "+fmt.Sprint(root.secret[1])) {
				t.Errorf("%s of %T shows a secret: %s", verb, v, got)
			}
		}
	}
}

func FuzzParseKeyLine(f *testing.F) {
	f.Add(NewRootKey().Line())
	f.Add("REGSHAPE-KEY-1 0 0 0")
	f.Fuzz(func(t *testing.T, line string) {
		if k, err := ParseKeyLine(line); err == nil && k.Line() != strings.Join(strings.Fields(line), " ") {
			t.Fatalf("a key line was read that is not written: %q", line)
		}
	})
}
