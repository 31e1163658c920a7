package keys

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"

	"regshape/scripts/testenv"
)

func TestParseRecipient(t *testing.T) {
	const canary = "CANARY7F3A"
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	native := newIdentity(t).Recipient().String()
	for text, want := range map[string]string{
		native:                      "recipient",
		hybrid.Recipient().String(): "recipient",
		"\t" + native + "\r\n":      "recipient",
		plugin.EncodeRecipient("yubi.key", []byte("data")): "plugin-yubi.key",
	} {
		way, err := ParseRecipient(text, nil)
		if err != nil || way.kind != want {
			t.Errorf("%s: %q (%v), want %q", text, way.kind, err, want)
		}
	}
	for text, word := range map[string]string{
		"":                                       "age1",
		canary:                                   "age1",
		"ssh-ed25519 AAAA" + canary:              "age-keygen",
		"ecdsa-sha2-nistp256 AAAA":               "age-keygen",
		newIdentity(t).String():                  "secret",
		strings.ToLower(newIdentity(t).String()): "secret",
		native[:len(native)-1] + "b":             "mistyped",
		"age1pq1" + canary:                       "mistyped",
		"age1x1" + canary:                        "mistyped",
		"age1" + canary:                          "mistyped",
	} {
		_, err := ParseRecipient(text, nil)
		if err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseIdentities(t *testing.T) {
	const canary = "CANARY7F3A"
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	native := newIdentity(t)
	file := "# created: today\r\n\r\n" + native.String() + "\r\n" + hybrid.String() + "\n  " + plugin.EncodeIdentity("x", []byte("data"))
	sealed, err := encrypt(t.Context(), file, mustPassphrase(t, "right"))
	if err != nil {
		t.Fatal(err)
	}
	var armored bytes.Buffer
	w := armor.NewWriter(&armored)
	if _, err := w.Write(sealed); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{"clear": []byte(file), "encrypted": sealed, "with armor": armored.Bytes()} {
		ids, err := ParseIdentities(data, nil, answer("right"))
		if err != nil || len(ids) != 3 {
			t.Fatalf("%s: %d identities (%v)", what, len(ids), err)
		}
		if id, ok := ids[0].(*age.X25519Identity); !ok || id.String() != native.String() {
			t.Errorf("%s: the first is another", what)
		}
		if _, ok := ids[2].(pluginIdentity); !ok {
			t.Errorf("%s: the third is %T", what, ids[2])
		}
	}
	_, err = ParseIdentities(sealed, nil, answer("wrong"))
	wantError(t, err, ErrWrongPassphrase)
	_, err = ParseIdentities(sealed, nil, nil)
	wantError(t, err, errCannotAsk)
	_, err = ParseIdentities(sealed[:len(sealed)-1], nil, answer("right"))
	wantError(t, err, errDamagedAge)
	other, err := encrypt(t.Context(), file, mustRecipient(t, native.Recipient().String()))
	if err != nil {
		t.Fatal(err)
	}
	for text, word := range map[string]string{
		"":                             "no identity",
		"# only\n\n":                   "no identity",
		"\n" + canary:                  "line 2",
		"AGE-SECRET-KEY-1" + canary:    "line 1",
		"AGE-SECRET-KEY-PQ-1" + canary: "line 1",
		"AGE-PLUGIN-X-1" + canary:      "line 1",
		"-----BEGIN OPENSSH PRIVATE KEY-----\n" + canary: "age-keygen",
		string(other):                     "another age identity",
		armor.Header + "\n" + canary:      "damaged",
		strings.Repeat("#", maxAgeFile+1): "larger",
	} {
		_, err := ParseIdentities([]byte(text), nil, answer("right"))
		if err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), canary) {
			t.Errorf("%.40q: %v, want %q", text, err, word)
		}
	}
}

// An identity file as age-keygen writes it.
func TestParseIdentitiesOfKeygen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	if out, err := testenv.Command(testenv.Environ(t.TempDir()), needProgram(t, "age-keygen"), "-o", path).CombinedOutput(); err != nil {
		t.Fatalf("age-keygen: %v: %s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := ParseIdentities(data, nil, nil); err != nil || len(ids) != 1 {
		t.Errorf("%d identities (%v)", len(ids), err)
	}
}
