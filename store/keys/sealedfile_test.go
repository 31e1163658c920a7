package keys

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"regshape/scripts/testenv"
	"regshape/store"
)

func TestBackup(t *testing.T) {
	ctx := t.Context()
	k, id := store.NewRootKey(), newIdentity(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	ways := map[string]Recipient{
		"recipient":  mustRecipient(t, id.Recipient().String()),
		"hybrid":     mustRecipient(t, hybrid.Recipient().String()),
		"passphrase": mustPassphrase(t, "right"),
	}
	o := Opener{Identities: []age.Identity{newIdentity(t), hybrid, id}, Passphrase: answer("right")}
	for name, way := range ways {
		var file bytes.Buffer
		if err := SealBackup(ctx, &file, k, way); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(file.String(), armor.Header+"\n") || strings.Contains(file.String(), k.Line()) {
			t.Errorf("%s: not an age file with armor", name)
		}
		binary, err := readAgeFile(file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		crlf := []byte("\r\n" + strings.ReplaceAll(file.String(), "\n", "\r\n"))
		for _, data := range [][]byte{file.Bytes(), binary.data, crlf} {
			if got, err := OpenBackup(ctx, data, o); err != nil || !got.Equal(k) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err = OpenBackup(ctx, file.Bytes(), Opener{Identities: []age.Identity{newIdentity(t)}, Passphrase: answer("wrong")})
		if name == "passphrase" {
			wantError(t, err, ErrWrongPassphrase)
		} else {
			wantError(t, err, ErrNoSlot, "another age identity")
		}
		_, err = OpenBackup(ctx, file.Bytes(), Opener{})
		if name == "passphrase" {
			wantError(t, err, errCannotAsk)
		} else {
			wantError(t, err, ErrNoSlot, "is needed")
		}
		sample := testenv.NewSample(t, 13)
		for cut := range binary.data {
			if !sample.Take(cut / 16) {
				continue
			}
			if _, err := OpenBackup(ctx, binary.data[:cut], Opener{Identities: o.Identities, Passphrase: answer("right")}); err == nil {
				t.Fatalf("%s: cut at %d it opens", name, cut)
			}
		}
	}
}

func TestBackup_refused(t *testing.T) {
	ctx := t.Context()
	const canary = "CANARY7F3A"
	id := newIdentity(t)
	o := Opener{Identities: []age.Identity{id}}
	k := store.NewRootKey()
	for text, want := range map[string]error{
		"":                                errNotAge,
		canary:                            errNotAge,
		k.Line():                          errNotAge,
		armor.Header + "\n" + canary:      errDamagedAge,
		ageIntro + canary:                 errDamagedAge,
		strings.Repeat("x", maxAgeFile+1): errNotAge,
	} {
		_, err := OpenBackup(ctx, []byte(text), o)
		wantError(t, err, want)
		if err != nil && (strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "REGSHAPE")) {
			t.Errorf("the error quotes the file: %v", err)
		}
	}
	other, err := encrypt(ctx, canary, mustRecipient(t, id.Recipient().String()))
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenBackup(ctx, other, o)
	wantError(t, err, store.ErrKeyDamaged)
	if strings.Contains(err.Error(), canary) {
		t.Errorf("the error quotes the content: %v", err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	wantError(t, SealBackup(done, &bytes.Buffer{}, k, mustPassphrase(t, "p")), context.Canceled)
	wantError(t, SealBackup(ctx, fullDisk{}, k, mustPassphrase(t, "p")), errFull)
}

var errFull = errors.New("no space")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

// The program age opens a backup, and what it encrypts is opened here.
func TestBackup_ageProgram(t *testing.T) {
	program := needProgram(t, "age")
	ctx := t.Context()
	k, id := store.NewRootKey(), newIdentity(t)
	dir := t.TempDir()
	identity, backup := filepath.Join(dir, "identity"), filepath.Join(dir, "backup.age")
	if err := os.WriteFile(identity, []byte(id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := SealBackup(ctx, &file, k, mustRecipient(t, id.Recipient().String())); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(backup, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := testenv.Command(testenv.Environ(dir), program, "-d", "-i", identity, backup).CombinedOutput(); err != nil || string(out) != k.Line()+"\n" {
		t.Errorf("age -d: %v, %d bytes", err, len(out))
	}
	for _, armored := range []string{"-a", ""} {
		words := []string{"-r", id.Recipient().String()}
		if armored != "" {
			words = append(words, armored)
		}
		encrypt := testenv.Command(testenv.Environ(dir), program, words...)
		encrypt.Stdin = strings.NewReader(k.Line() + "\n")
		data, err := encrypt.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := OpenBackup(ctx, data, Opener{Identities: []age.Identity{id}}); err != nil || !got.Equal(k) {
			t.Errorf("what age %s wrote: %v", armored, err)
		}
	}
}

func FuzzReadAgeFile(f *testing.F) {
	f.Add([]byte(ageIntro + "-> scrypt AAAA 18\nAAAA\n--- mac\npayload"))
	f.Add([]byte(ageIntro + "-> X25519 AAAA\nAAAA\n-> scrypt AAAA 10\n\n--- mac\n"))
	f.Add([]byte(armor.Header + "\nAAAA\n" + armor.Footer + "\n"))
	f.Add([]byte("REGSHAPE-KEY-1 x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := readAgeFile(data)
		if err == nil && (file.logN < 0 || file.logN > maxWorkFactor) {
			t.Errorf("work factor %d", file.logN)
		}
		if err != nil && len(data) > 60 && strings.Contains(err.Error(), string(data)) {
			t.Error("the error quotes the file")
		}
	})
}
