package acceptance

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age/plugin"

	"regshape/scripts/testenv"
)

// The unlocked key is in the kernel keyring, so this fails in a container that blocks keyctl.
func TestPassphrasePrompts(t *testing.T) {
	t.Parallel()
	s, passphrase := newHome(t), "canary-"+rand.Text()
	t.Cleanup(func() { s.must("", "regshape", "auth", "lock") })

	term := s.terminal("regshape", "auth", "key", "protect", "--passphrase")
	term.answer("New passphrase: ", 1, passphrase+"\n")
	term.answer("The same again: ", 1, passphrase+"x\n")
	term.wantExit(1, passphrase)
	term.Await("the two passphrases differ")
	term = s.terminal("regshape", "auth", "key", "protect", "--passphrase")
	term.answer("New passphrase: ", 1, "\n")
	term.wantExit(1)
	term.Await("the passphrase is empty")
	term = s.terminal("regshape", "auth", "key", "protect", "--passphrase")
	term.answer("New passphrase: ", 1, "half of it\x03")
	term.wantExit(130, passphrase)
	term.AwaitEcho(true)
	if state := s.keyState(); state.Source != "file" {
		t.Errorf("the key is in %q, want \"file\"", state.Source)
	}

	term = s.terminal("regshape", "auth", "key", "protect", "--passphrase")
	term.answer("New passphrase: ", 1, passphrase+"\n")
	term.answer("The same again: ", 1, passphrase+"\n")
	term.wantExit(0, passphrase)
	term.Await("slot 1 (passphrase)")
	term.Await("The store is unlocked until ")
	s.must("", "regshape", "auth", "lock")

	term = s.terminal("regshape", "auth", "unlock")
	term.answer("Passphrase: ", 1, "wrong\n")
	term.awaitSlowly("The passphrase is wrong, try again.")
	term.answer("Passphrase: ", 2, passphrase+"\n")
	term.wantExit(0, passphrase)
	term.Await("The store is unlocked until ")
	if s.keyState().Locked {
		t.Error("the store is locked after unlock, want unlocked")
	}
	s.must("", "regshape", "auth", "lock")

	term = s.terminal("regshape", "auth", "unlock")
	term.answer("Passphrase: ", 1, "half\x03")
	term.wantExit(130)
	term.AwaitEcho(true)
	term = s.terminal("regshape", "auth", "key", "unprotect")
	term.answer("Passphrase: ", 1, "\x03")
	term.wantExit(130)
	term.AwaitEcho(true)
	if state := s.keyState(); !state.Locked || state.Source != "slots" {
		t.Errorf("got %+v, want locked slots", state)
	}

	// Three tries.
	term = s.terminal("regshape", "auth", "unlock")
	for n := 1; n <= 3; n++ {
		term.answer("Passphrase: ", n, "\n") // nothing is never right, and costs no time
	}
	term.wantExit(1)
	term.Await("Could not unlock the store: the passphrase is wrong")
}

// A backup printed to the terminal restores from a file with the passphrase that was typed.
func TestBackup_prompts(t *testing.T) {
	t.Parallel()
	s, passphrase := newHome(t), "canary-"+rand.Text()
	s.must(payload("a.example", "a", "s"), "docker-credential-regshape", "store")
	term := s.terminal("regshape", "auth", "key", "backup")
	term.answer("New passphrase: ", 1, passphrase+"\n")
	term.answer("The same again: ", 1, passphrase+"\n")
	term.wantExit(0, passphrase, "REGSHAPE-KEY")
	const footer = "-----END AGE ENCRYPTED FILE-----"
	term.Await(footer)
	_, text, _ := strings.Cut(term.Text(), "-----BEGIN")
	text, _, _ = strings.Cut(text, footer)
	backup := s.write("backup.age", "-----BEGIN"+text+footer+"\n", 0o600)
	if err := os.Remove(s.path(keyPath)); err != nil {
		t.Fatal(err)
	}
	term = s.terminal("regshape", "auth", "key", "restore", backup)
	term.answer("Passphrase of the backup: ", 1, "\n")
	term.awaitSlowly("The passphrase is wrong, try again.")
	term.answer("Passphrase of the backup: ", 2, passphrase+"\n")
	term.wantExit(0, passphrase)
	term.Await("It opens 1 login.")
}

// A plugin prompts at the terminal once the store's slots are plugin slots.
func TestPlugin_prompts(t *testing.T) {
	t.Parallel()
	s, bin := newHome(t), t.TempDir()
	build := testenv.Command(testenv.Go(), "go", "build", "-o", bin, "./store/keys/testdata/age-plugin-regshapetest")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the plugin: %v\n%s", err, out)
	}
	s.env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	t.Cleanup(func() { s.must("", "regshape", "auth", "lock") })
	recipient := plugin.EncodeRecipient("regshapetest", nil)
	pin := plugin.EncodeIdentity("regshapetest", []byte("pin"))
	identity := s.write("identity", pin+"\n", 0o600)
	if o := s.must("", "regshape", "auth", "key", "protect", "--recipient", recipient); !strings.Contains(o.out, "slot 1 (age-plugin-regshapetest)") {
		t.Errorf("got %q, want slot 1 of the plugin", o.out)
	}

	// The default identity of the plugin needs no PIN, this one does. Digits alone could stand
	// in the home's random name, which the terminal shows.
	s.must("", "regshape", "auth", "lock")
	s.must("", "regshape", "auth", "unlock")
	s.must("", "regshape", "auth", "lock")
	term := s.terminal("regshape", "auth", "unlock", "--identity", identity)
	term.answer("age-plugin-regshapetest: PIN", 1, "pin-1234\n")
	term.Await("touch the device")
	term.Await("really [yes/no]: ")
	term.Input("yes\n")
	term.wantExit(0, "pin-1234", "\x1b[31m", pin)
	s.must("", "regshape", "auth", "lock")

	term = s.terminal("regshape", "auth", "unlock", "--identity", identity)
	term.answer("age-plugin-regshapetest: PIN", 1, "pin-9999\n")
	term.wantExit(1, "pin-9999", "\x07", pin)
	term.Await("age-plugin-regshapetest failed: wrong PIN")
	for key, code := range map[string]int{"\x03": 130, "\x1c": 131} { // Ctrl-C, Ctrl-\
		term = s.terminal("regshape", "auth", "unlock", "--identity", identity)
		term.answer("age-plugin-regshapetest: PIN", 1, "12"+key)
		term.wantExit(code)
		term.AwaitEcho(true)
	}
	if !s.keyState().Locked {
		t.Error("the store is unlocked, want locked")
	}

	// No terminal, then no plugin.
	if o := s.run("", "regshape", "auth", "unlock", "--identity", identity); o.code == 0 || !strings.Contains(o.text(), "needs a terminal") {
		t.Errorf("without a terminal: exit code %d:\n%s", o.code, o.text())
	}
	if err := os.Remove(filepath.Join(bin, "age-plugin-regshapetest")); err != nil {
		t.Fatal(err)
	}
	if o := s.run("", "regshape", "auth", "unlock"); o.code == 0 || !strings.Contains(o.text(), "age-plugin-regshapetest is not on PATH") {
		t.Errorf("without the plugin: exit code %d:\n%s", o.code, o.text())
	}
}

// The OS keyring: a real gnome-keyring on a private D-Bus session.
func TestKeyring_custody(t *testing.T) {
	for _, program := range []string{"dbus-run-session", "gnome-keyring-daemon", "gdbus"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("%v: the OS keyring is not tried", err)
		}
	}
	t.Parallel()
	home := t.TempDir()
	env := testenv.Environ(home, "XDG_RUNTIME_DIR="+home,
		"XDG_DATA_HOME="+filepath.Join(home, "data"), "XDG_CONFIG_HOME="+filepath.Join(home, "config"), "XDG_STATE_HOME="+filepath.Join(home, "state"))
	cmd := testenv.Command(env, "dbus-run-session", "--", "bash", "-euo", "pipefail", "-c", keyringScript)
	cmd.Dir = home
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil || time.Since(begin) > time.Minute {
		t.Fatalf("%v after %v:\n%s", err, time.Since(begin), out)
	}
	if strings.Contains(string(out), "REGSHAPE-KEY") {
		t.Errorf("a key was printed:\n%s", out)
	}
	for _, want := range []string{
		"The key is in the OS keyring now (the OS keyring, service regshape, account ",
		"The OS keyring is unlocked, and the key is in it.",
		"Nothing to lock: the key is in the OS keyring",
		"locked:      yes: the OS keyring is locked",
		"a.example: store is locked: the OS keyring is locked: run 'regshape auth unlock'",
		"The key is in a file again",
		"no D-Bus session",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("got:\n%s\nwant %q in it", out, want)
		}
	}
	if data, err := testenv.Command(env, "grep", "-ral", "REGSHAPE-KEY", filepath.Join(home, "data")).Output(); err == nil {
		t.Errorf("the key is in clear in %s", data)
	}
}

const keyringScript = `
trap 'kill $! 2>/dev/null || true' EXIT
mkdir -m 700 -p data config state
# Asking the service itself would have the bus start a daemon of its own, without the keyring.
bus() { gdbus call --session -d org.freedesktop.DBus -o /org/freedesktop/DBus -m "org.freedesktop.DBus.$@"; }
printf secret | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 &
for i in $(seq 300); do [ "$(bus NameHasOwner org.freedesktop.secrets)" = "(true,)" ] && break; sleep 0.1; done
echo '{"ServerURL":"a.example","Username":"a","Secret":"s"}' | docker-credential-regshape store
regshape auth key protect --keyring
! regshape auth key protect --keyring
echo a.example | docker-credential-regshape get
regshape auth key show
regshape auth key rotate
echo a.example | docker-credential-regshape get
regshape auth unlock
regshape auth lock
gdbus call --session -d org.freedesktop.secrets -o /org/freedesktop/secrets -m org.freedesktop.Secret.Service.Lock '[objectpath "/org/freedesktop/secrets/collection/login"]'
regshape auth key show
! echo a.example | docker-credential-regshape get
! regshape auth key unprotect
before=$(bus GetNameOwner org.freedesktop.secrets)
printf secret | gnome-keyring-daemon --replace --unlock --components=secrets >/dev/null 2>&1
for i in $(seq 300); do owner=$(bus GetNameOwner org.freedesktop.secrets) && [ "$owner" != "$before" ] && break; sleep 0.1; done
echo a.example | docker-credential-regshape get
regshape auth key unprotect
echo a.example | docker-credential-regshape get
unset DBUS_SESSION_BUS_ADDRESS
! regshape auth key protect --keyring
`
