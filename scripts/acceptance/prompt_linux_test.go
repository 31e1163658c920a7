package acceptance

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
	"regshape/scripts/testterminal"
)

// terminal is one of a program of this build.
type terminal struct {
	*testterminal.Terminal
	t *testing.T
}

func startTerminal(t *testing.T, home string, args ...string) *terminal {
	t.Helper()
	return startProgram(t, "regshape", home, args...)
}

func startProgram(t *testing.T, program, home string, args ...string) *terminal {
	t.Helper()
	return &terminal{testterminal.Start(t, testenv.Environ(home), program, args...), t}
}

func TestPrompts(t *testing.T) {
	const secret = "canary-at-the-prompt"
	server := httptest.NewServer(testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: map[string]string{"alice": secret}}))
	defer server.Close()
	host := server.Listener.Addr().String()
	home := t.TempDir()

	term := startTerminal(t, home, "auth", "login", host)
	term.Await("Username for " + host + ": ")
	term.Input("alice\n")
	term.Await("Password for " + host + ": ")
	term.AwaitEcho(false)
	term.Input(secret + "\n")
	if code := term.ExitCode(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, term.Text())
	}
	term.Await("Login Succeeded")
	if strings.Contains(term.Text(), secret) {
		t.Errorf("the terminal shows the password:\n%s", term.Text())
	}

	// The known user name is the default; Ctrl-C at the password gives the echo back.
	term = startTerminal(t, home, "auth", "login", host)
	term.Await("Username for " + host + " (alice): ")
	term.Input("\n")
	term.Await("Password for " + host + ": ")
	term.AwaitEcho(false)
	term.Input("half a pass\x03")
	if code := term.ExitCode(); code != 130 {
		t.Errorf("Ctrl-C at the password: exit code %d, want 130:\n%s", code, term.Text())
	}
	term.AwaitEcho(true)

	for name, keys := range map[string]string{"Ctrl-C": "\x03", "Ctrl-D": "\x04"} {
		term = startTerminal(t, t.TempDir(), "auth", "login", host)
		term.Await("Username for ")
		term.Input(keys)
		want := map[string]int{"Ctrl-C": 130, "Ctrl-D": 1}[name]
		if code := term.ExitCode(); code != want {
			t.Errorf("%s at the user name: exit code %d, want %d:\n%s", name, code, want, term.Text())
		}
	}
}

// However a prompt is ended from outside, the terminal echoes again, and the exit code is
// what shells expect.
func TestPrompt_signals(t *testing.T) {
	const secret = "half a pass"
	home := t.TempDir()
	passphrase := filepath.Join(home, "passphrase")
	if err := os.WriteFile(passphrase, []byte("a long passphrase\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runIn(t, home, "auth", "key", "protect", "--passphrase-file", passphrase)
	runIn(t, home, "auth", "lock")
	for what, prompt := range map[string][]string{
		"Password for ":  {"auth", "login", "r.example", "-u", "alice", "--store", filepath.Join(home, "none")},
		"Passphrase: ":   {"auth", "unlock"},
		"New passphrase": {"auth", "key", "backup", "--store", filepath.Join(home, "other")},
	} {
		if what == "New passphrase" {
			runIn(t, home, "--store", filepath.Join(home, "other"), "auth", "login", "r.example", "-u", "a", "-p", "b", "--skip-verify")
		}
		for _, s := range []struct {
			name string
			send syscall.Signal // 0: key is typed
			key  string
			code int
		}{
			{"Ctrl-C", 0, "\x03", 130},
			{"Ctrl-\\", 0, "\x1c", 131},
			{"SIGHUP", syscall.SIGHUP, "", 129},
			{"SIGINT", syscall.SIGINT, "", 130},
			{"SIGQUIT", syscall.SIGQUIT, "", 131},
			{"SIGTERM", syscall.SIGTERM, "", 143},
		} {
			term := startTerminal(t, home, prompt...)
			term.Await(what)
			term.AwaitEcho(false)
			term.Input(secret + s.key)
			if s.send != 0 {
				time.Sleep(200 * time.Millisecond) // the kernel takes in what was typed by and by
				term.Signal(s.send)
			}
			if code := term.ExitCode(); code != s.code {
				t.Errorf("%s at %q: exit code %d, want %d:\n%s", s.name, what, code, s.code, term.Text())
			}
			term.AwaitEcho(true)
			if text := term.Text(); strings.Contains(text, secret) || strings.Contains(text, "goroutine") {
				t.Errorf("%s at %q: the terminal shows\n%s", s.name, what, text)
			}
		}
	}
}

// Ctrl-Z hands the shell a terminal that echoes, and the prompt that is taken up again
// echoes nothing.
func TestPrompt_stopped(t *testing.T) {
	const secret = "canary-after-the-stop"
	server := httptest.NewServer(testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: map[string]string{"alice": secret}}))
	defer server.Close()
	host := server.Listener.Addr().String()
	script := "set -m; regshape auth login -u alice " + host + "; echo stopped=$?; read line; fg >/dev/null; echo ended=$?"
	term := startProgram(t, "sh", t.TempDir(), "-c", script)
	term.Await("Password for ")
	term.AwaitEcho(false)
	term.Input("\x1a")
	term.Await("stopped=147") // 128 + SIGSTOP
	term.AwaitEcho(true)
	term.Input("\n")
	term.AwaitEcho(false)
	if n := strings.Count(term.Text(), "Password for "); n != 2 {
		t.Errorf("the prompt was shown %d times:\n%s", n, term.Text())
	}
	term.Input(secret + "\n")
	term.Await("ended=0")
	term.Await("Login Succeeded")
	if strings.Contains(term.Text(), secret) {
		t.Errorf("the terminal shows the password:\n%s", term.Text())
	}
	// A process that nobody could continue is not stopped.
	term = startTerminal(t, t.TempDir(), "auth", "login", "-u", "alice", host)
	term.Await("Password for ")
	term.AwaitEcho(false)
	term.Signal(syscall.SIGTSTP)
	time.Sleep(300 * time.Millisecond)
	term.AwaitEcho(false)
	term.Input(secret + "\n")
	if code := term.ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, term.Text())
	}
}

// Ctrl-Z stops what comes after a prompt, too.
func TestPrompt_stoppedAfterwards(t *testing.T) {
	l := httptest.NewUnstartedServer(nil).Listener // accepts connections and never answers
	defer l.Close()
	script := "set -m; regshape auth login -u alice " + l.Addr().String() + "; echo stopped=$?; fg >/dev/null; echo ended=$?"
	term := startProgram(t, "sh", t.TempDir(), "-c", script)
	term.Await("Password for ")
	term.AwaitEcho(false)
	term.Input("secret\n")
	term.AwaitEcho(true)
	time.Sleep(200 * time.Millisecond) // be in the request
	term.Input("\x1a")
	term.Await("stopped=147")
	time.Sleep(200 * time.Millisecond) // be in the request again
	term.Input("\x03")
	term.Await("ended=130")
	if n := strings.Count(term.Text(), "Password for "); n != 1 {
		t.Errorf("the prompt was shown %d times:\n%s", n, term.Text())
	}
}

// Ctrl-C while the registry does not answer ends the login at once.
func TestInterruptedLogin(t *testing.T) {
	l := httptest.NewUnstartedServer(nil).Listener // accepts connections and never answers
	defer l.Close()
	term := startTerminal(t, t.TempDir(), "auth", "login", l.Addr().String(), "-u", "alice")
	term.Await("Password for ")
	term.AwaitEcho(false)
	term.Input("secret\n")
	term.AwaitEcho(true)
	time.Sleep(200 * time.Millisecond) // be in the request
	begin := time.Now()
	term.Input("\x03")
	if code := term.ExitCode(); code != 130 || time.Since(begin) > 2*time.Second {
		t.Errorf("exit code %d after %v, want 130 at once:\n%s", code, time.Since(begin), term.Text())
	}
}

// A helper that waits for its caller says so to a person.
func TestHelperAtATerminal(t *testing.T) {
	term := startProgram(t, "docker-credential-regshape", t.TempDir(), "get")
	term.Await("docker-credential-regshape waits for a server address")
	term.Input("ghcr.io\n\x04")
	if code := term.ExitCode(); code != 1 {
		t.Errorf("exit code %d, want 1:\n%s", code, term.Text())
	}
	term.Await("credentials not found in native keychain")
}
