package main

import (
	"net/http/httptest"
	"strings"
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
