package acceptance

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age/plugin"

	"regshape/scripts/testenv"
)

// awaitSlowly is await for what takes a passphrase: a second of work on an idle machine.
func (term *terminal) awaitSlowly(text string) {
	term.t.Helper()
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(10 * time.Millisecond) {
		if strings.Contains(term.Text(), text) {
			return
		}
		select {
		case <-term.Ended():
			term.Await(text)
			return
		default:
		}
	}
	term.t.Fatalf("the terminal never showed %q, only:\n%s", text, term.Text())
}

// answer types a secret at a prompt that comes for the nth time.
func (term *terminal) answer(prompt string, nth int, secret string) {
	term.t.Helper()
	for begin := time.Now(); strings.Count(term.Text(), prompt) < nth; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			term.t.Fatalf("%q was not asked for the %d. time:\n%s", prompt, nth, term.Text())
		}
	}
	term.AwaitEcho(false)
	term.Input(secret)
}

// wantExit checks the exit code, and that the secrets were not echoed.
func (term *terminal) wantExit(code int, secrets ...string) {
	term.t.Helper()
	select {
	case <-term.Ended():
	case <-time.After(time.Minute):
	}
	if got := term.ExitCode(); got != code {
		term.t.Fatalf("exit code %d, want %d:\n%s", got, code, term.Text())
	}
	for _, s := range secrets {
		if strings.Contains(term.Text(), s) {
			term.t.Errorf("the terminal shows a secret:\n%s", term.Text())
		}
	}
}

// runIn runs the front end in a home, with nobody to ask, and returns its standard output.
func runIn(t *testing.T, home string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := testenv.Command(testenv.Environ(home), "regshape", args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("regshape %s: %v\n%s%s", strings.Join(args, " "), err, &out, &errs)
	}
	return out.String()
}

// keyState is what these tests read of key show.
func keyState(t *testing.T, home string) (state struct {
	Source string
	Locked bool
},
) {
	t.Helper()
	if err := json.Unmarshal([]byte(runIn(t, home, "auth", "key", "show", "--json")), &state); err != nil {
		t.Fatal(err)
	}
	return state
}

// The unlocked key is in the kernel keyring: where a container blocks that, this fails.
func TestPassphrasePrompts(t *testing.T) {
	passphrase, home := "canary-"+rand.Text(), t.TempDir()
	t.Cleanup(func() { runIn(t, home, "auth", "lock") })

	term := startTerminal(t, home, "auth", "key", "protect", "--passphrase")
	term.answer("New passphrase: ", 1, passphrase+"\n")
	term.answer("The same again: ", 1, passphrase+"x\n")
	term.wantExit(1, passphrase)
	term.Await("the two passphrases differ")
	term = startTerminal(t, home, "auth", "key", "protect", "--passphrase")
	term.answer("New passphrase: ", 1, "\n")
	term.wantExit(1)
	term.Await("the passphrase is empty")
	term = startTerminal(t, home, "auth", "key", "protect", "--passphrase")
	term.answer("New passphrase: ", 1, "half of it\x03")
	term.wantExit(130, passphrase)
	term.AwaitEcho(true)
	if state := keyState(t, home); state.Source != "file" {
		t.Errorf("the key is in %q by now", state.Source)
	}

	term = startTerminal(t, home, "auth", "key", "protect", "--passphrase")
	term.answer("New passphrase: ", 1, passphrase+"\n")
	term.answer("The same again: ", 1, passphrase+"\n")
	term.wantExit(0, passphrase)
	term.Await("slot 1 (passphrase)")
	term.Await("The store is unlocked until ")
	runIn(t, home, "auth", "lock")

	term = startTerminal(t, home, "auth", "unlock")
	term.answer("Passphrase: ", 1, "wrong\n")
	term.awaitSlowly("The passphrase is wrong, try again.")
	term.answer("Passphrase: ", 2, passphrase+"\n")
	term.wantExit(0, passphrase)
	term.Await("The store is unlocked until ")
	if keyState(t, home).Locked {
		t.Error("the store is locked after unlock")
	}
	runIn(t, home, "auth", "lock")

	term = startTerminal(t, home, "auth", "unlock")
	term.answer("Passphrase: ", 1, "half\x03")
	term.wantExit(130)
	term.AwaitEcho(true)
	term = startTerminal(t, home, "auth", "key", "unprotect")
	term.answer("Passphrase: ", 1, "\x03")
	term.wantExit(130)
	term.AwaitEcho(true)
	if state := keyState(t, home); !state.Locked || state.Source != "slots" {
		t.Errorf("the store is %+v", state)
	}

	// Three tries.
	term = startTerminal(t, home, "auth", "unlock")
	for n := 1; n <= 3; n++ {
		term.answer("Passphrase: ", n, "\n") // nothing is never right, and costs no time
	}
	term.wantExit(1)
	term.Await("Could not unlock the store: the passphrase is wrong")
}

// A backup to the screen, and back from a file, with what was typed.
func TestBackupPrompts(t *testing.T) {
	passphrase, home := "canary-"+rand.Text(), t.TempDir()
	put := testenv.Command(testenv.Environ(home), "docker-credential-regshape", "store")
	put.Stdin = strings.NewReader(`{"ServerURL":"a.example","Username":"a","Secret":"s"}`)
	if out, err := put.CombinedOutput(); err != nil {
		t.Fatalf("store: %v\n%s", err, out)
	}
	term := startTerminal(t, home, "auth", "key", "backup")
	term.answer("New passphrase: ", 1, passphrase+"\n")
	term.answer("The same again: ", 1, passphrase+"\n")
	term.wantExit(0, passphrase, "REGSHAPE-KEY")
	const footer = "-----END AGE ENCRYPTED FILE-----"
	term.Await(footer)
	_, text, _ := strings.Cut(term.Text(), "-----BEGIN")
	text, _, _ = strings.Cut(text, footer)
	backup := filepath.Join(home, "backup.age")
	if err := os.WriteFile(backup, []byte("-----BEGIN"+text+footer+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(home, ".local", "state", "regshape", "key")); err != nil {
		t.Fatal(err)
	}
	term = startTerminal(t, home, "auth", "key", "restore", backup)
	term.answer("Passphrase of the backup: ", 1, "\n")
	term.awaitSlowly("The passphrase is wrong, try again.")
	term.answer("Passphrase of the backup: ", 2, passphrase+"\n")
	term.wantExit(0, passphrase)
	term.Await("It opens 1 login.")
}

// A plugin asks at the terminal, once the store's slots are its own.
func TestPluginPrompts(t *testing.T) {
	home, bin := t.TempDir(), t.TempDir()
	build := testenv.Command(testenv.Go(), "go", "build", "-o", bin, "./store/keys/testdata/age-plugin-regshapetest")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the plugin: %v\n%s", err, out)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Cleanup(func() { runIn(t, home, "auth", "lock") })
	recipient := plugin.EncodeRecipient("regshapetest", nil)
	identity := filepath.Join(home, "identity")
	pin := plugin.EncodeIdentity("regshapetest", []byte("pin"))
	if err := os.WriteFile(identity, []byte(pin+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := runIn(t, home, "auth", "key", "protect", "--recipient", recipient)
	if !strings.Contains(out, "slot 1 (age-plugin-regshapetest)") {
		t.Errorf("protect says:\n%s", out)
	}

	// Without an identity it is tried as it is; with one it asks.
	runIn(t, home, "auth", "lock")
	runIn(t, home, "auth", "unlock")
	runIn(t, home, "auth", "lock")
	term := startTerminal(t, home, "auth", "unlock", "--identity", identity)
	term.answer("age-plugin-regshapetest: PIN", 1, "1234\n")
	term.Await("touch the device")
	term.Await("really [yes/no]: ")
	term.Input("yes\n")
	term.wantExit(0, "1234", "\x1b[31m", pin)
	runIn(t, home, "auth", "lock")

	term = startTerminal(t, home, "auth", "unlock", "--identity", identity)
	term.answer("age-plugin-regshapetest: PIN", 1, "9999\n")
	term.wantExit(1, "9999", "\x07", pin)
	term.Await("age-plugin-regshapetest failed: wrong PIN")
	for key, code := range map[string]int{"\x03": 130, "\x1c": 131} { // Ctrl-C, Ctrl-\
		term = startTerminal(t, home, "auth", "unlock", "--identity", identity)
		term.answer("age-plugin-regshapetest: PIN", 1, "12"+key)
		term.wantExit(code)
		term.AwaitEcho(true)
	}
	if !keyState(t, home).Locked {
		t.Error("the store is unlocked")
	}

	// Nobody to ask; and a plugin that is gone.
	cmd := testenv.Command(testenv.Environ(home), "regshape", "auth", "unlock", "--identity", identity)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "needs a terminal") {
		t.Errorf("without a terminal: %v\n%s", err, out)
	}
	if err := os.Remove(filepath.Join(bin, "age-plugin-regshapetest")); err != nil {
		t.Fatal(err)
	}
	cmd = testenv.Command(testenv.Environ(home), "regshape", "auth", "unlock")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "age-plugin-regshapetest is not on PATH") {
		t.Errorf("without the plugin: %v\n%s", err, out)
	}
}

// The OS keyring, with a real gnome-keyring on a D-Bus session of the test's own.
func TestKeyringCustody(t *testing.T) {
	for _, program := range []string{"dbus-run-session", "gnome-keyring-daemon", "gdbus"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skipf("%v: the OS keyring is not tried", err)
		}
	}
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
			t.Errorf("%q was not said:\n%s", want, out)
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
