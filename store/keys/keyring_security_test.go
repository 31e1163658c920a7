//go:build unix

package keys

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/store"
)

// fakeSecurity stands for security(1), which only macOS has: it keeps items in files, and
// notes with what environment and arguments it was started.
const fakeSecurity = `#!/bin/sh
env >>"$0.env"
echo "$@" >>"$0.args"
test -e "$0.locked" && { echo 'User interaction is not allowed.' >&2; exit 36; }
test -e "$0.hangs" && exec sleep 60
missing() { echo 'security: The specified item could not be found in the keychain.' >&2; exit 44; }
case $1 in
-i) read -r line; set -- $line; printf '%s\n' "$8" >"$0.item-$6" ;;
find-generic-password) cat "$0.item-$5" 2>/dev/null || missing ;;
delete-generic-password) rm "$0.item-$5" 2>/dev/null || missing ;;
*) exit 2 ;;
esac
`

func fakeKeychain(t *testing.T) keychain {
	t.Helper()
	program := filepath.Join(t.TempDir(), "security")
	if err := os.WriteFile(program, []byte(fakeSecurity), 0o700); err != nil {
		t.Fatal(err)
	}
	return keychain{program}
}

func TestKeychain(t *testing.T) {
	testKey(t, func(t *testing.T) place { return place{Key: Keyring{fakeKeychain(t)}, byName: true} })
}

func TestKeychain_items(t *testing.T) {
	ctx, k := t.Context(), fakeKeychain(t)
	for _, value := range []string{"one line", "several\nlines\n", ""} {
		if err := k.set(ctx, "a", value); err != nil {
			t.Fatal(err)
		}
		if got, err := k.get(ctx, "a"); err != nil || got != value {
			t.Errorf("%q: %q (%v)", value, got, err)
		}
	}
	for text, want := range map[string]string{"go-keyring-encoded:6162": "ab", "plain": "plain"} { // as others write them
		if err := os.WriteFile(k.program+".item-a", []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := k.get(ctx, "a"); err != nil || got != want {
			t.Errorf("%s: %q (%v)", text, got, err)
		}
	}
	if err := os.WriteFile(k.program+".item-a", []byte("go-keyring-base64:=secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := k.get(ctx, "a"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a damaged item: %v", err)
	}
	if err := k.set(ctx, "a", strings.Repeat("x", maxKeychainLine)); err == nil {
		t.Error("an item that the program would cut was given to it")
	}
	if err := k.unlock(ctx); err != nil {
		t.Errorf("unlock: %v", err)
	}
}

// The program sees neither the secrets of the environment, nor the key in its arguments.
func TestKeychain_environment(t *testing.T) {
	const canary = "canary-of-the-environment"
	for _, name := range []string{"REGSHAPE_PASSWORD", "DOCKER_AUTH_CONFIG"} {
		t.Setenv(name, canary)
	}
	t.Setenv("REGSHAPE_TEST_KEPT", "kept")
	k := fakeKeychain(t)
	ring, key := Keyring{k}, store.NewRootKey()
	if err := errors.Join(ring.Stage(t.Context(), key, ""), ring.Available(t.Context()), ring.Unlock(t.Context()), ring.Discard(t.Context(), key.KID())); err != nil {
		t.Fatal(err)
	}
	environment, err := os.ReadFile(k.program + ".env")
	if err != nil || strings.Contains(string(environment), canary) || strings.Count(string(environment), "REGSHAPE_TEST_KEPT=kept") != 5 {
		t.Errorf("the environment of the program (%v):\n%s", err, environment)
	}
	arguments, err := os.ReadFile(k.program + ".args")
	if err != nil || strings.Contains(string(arguments), keychainBase64) || strings.Contains(string(arguments), "REGSHAPE-KEY") {
		t.Errorf("the arguments of the program (%v):\n%s", err, arguments)
	}
	if os.Getenv("REGSHAPE_PASSWORD") != canary {
		t.Error("the variable is gone for regshape, too")
	}
}

func TestKeychain_lockedAndSlow(t *testing.T) {
	k := fakeKeychain(t)
	if err := os.WriteFile(k.program+".hangs", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	_, err := Keyring{limitedRing{k, 300 * time.Millisecond}}.Load(t.Context(), store.NewRootKey().KID())
	wantError(t, err, store.ErrLocked, "did not answer within 0.3 s")
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := os.WriteFile(k.program+".locked", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Keyring{k}.Load(t.Context(), store.NewRootKey().KID())
	wantError(t, err, store.ErrLocked, "security unlock-keychain")
	_, err = keychain{filepath.Join(t.TempDir(), "none")}.get(t.Context(), "a")
	if err == nil || errors.Is(err, errNoItem) || errors.Is(err, store.ErrLocked) {
		t.Errorf("without the program: %v", err)
	}
}
