package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

// verify does what somebody does who downloaded a release.
func verify(t *testing.T, dir, signers, namespace string) error {
	t.Helper()
	list, err := os.Open(filepath.Join(dir, sums))
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	cmd := testenv.CommandContext(t.Context(), testenv.Environ(t.TempDir()), "ssh-keygen", "-Y", "verify", "-f", signers, "-I", "releases@regshape",
		"-n", namespace, "-s", filepath.Join(dir, sums+".sig"))
	cmd.Stdin = list
	return cmd.Run()
}

// newKey makes a key, and the file that says to trust it.
func newKey(t *testing.T) (key, signers string) {
	t.Helper()
	dir := t.TempDir()
	key, signers = filepath.Join(dir, "key"), filepath.Join(dir, "allowed_signers")
	must(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	write(t, signers, "releases@regshape "+string(public))
	return key, signers
}

func TestSignature(t *testing.T) {
	tool(t, "ssh-keygen")
	key, signers := newKey(t)
	_, strangers := newKey(t)
	out := t.TempDir()
	write(t, filepath.Join(out, "regshape_1"), "the program")
	var said bytes.Buffer
	r := &release{ctx: t.Context(), say: &said, out: out, files: []string{"regshape_1"}}
	if err := r.checksums(); err != nil {
		t.Fatal(err)
	}
	if err := r.sign(key); err != nil {
		t.Fatal(err)
	}
	if err := verify(t, out, signers, namespace); err != nil {
		t.Errorf("the signature: %v", err)
	}
	if verify(t, out, strangers, namespace) == nil {
		t.Error("a stranger's key passes")
	}
	if verify(t, out, signers, "file") == nil {
		t.Error("a signature for another purpose passes")
	}
	list := must(t, "cat", filepath.Join(out, sums))
	write(t, filepath.Join(out, sums), strings.Replace(list, "regshape_1", "regshape_2", 1))
	if verify(t, out, signers, namespace) == nil {
		t.Error("altered checksums pass")
	}
}

func TestNothingIsSignedInSilence(t *testing.T) {
	out := t.TempDir()
	write(t, filepath.Join(out, sums), "")
	var said bytes.Buffer
	r := &release{ctx: t.Context(), say: &said, out: out}
	if err := r.sign(""); err != nil || !strings.Contains(said.String(), "NOT signed") {
		t.Errorf("without a key: %v, said %q", err, said.String())
	}
	said.Reset()
	missing := filepath.Join(out, "no-such-key")
	if err := r.sign(missing); err == nil || !strings.Contains(err.Error(), missing) || said.Len() > 0 {
		t.Errorf("a key that is not there: %v, said %q", err, said.String())
	}
	if _, err := os.Stat(filepath.Join(out, sums+".sig")); err == nil {
		t.Error("there is a signature")
	}
}
