package acceptance

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
	"regshape/scripts/testregistry/canary"
	"regshape/scripts/testterminal"
)

// What the user sees: the link, the code, a line that counts down; a browser opens with the
// link as its one argument and without our password; and docker then gets the login.
func TestDeviceAtATerminal(t *testing.T) {
	issuer, at, registry, err := testregistry.Devices(testregistry.IssuerOptions{Manual: true, Claims: map[string]any{"preferred_username": "alice"}})
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	defer registry.Close()
	home, bin := t.TempDir(), t.TempDir()
	opened := filepath.Join(home, "opened")
	script := "#!/bin/sh\nprintf '%s|' \"$#\" \"$1\" \"$REGSHAPE_PASSWORD\" >'" + opened + ".new' && mv '" + opened + ".new' '" + opened + "'\n"
	if err := os.WriteFile(filepath.Join(bin, "xdg-open"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	host := registry.Listener.Addr().String()
	login := []string{"auth", "login", host, "--device", "--device-issuer", at.URL, "--device-client-id", "cli"}

	env := testenv.Environ(home, "PATH="+bin+":"+os.Getenv("PATH"), "REGSHAPE_PASSWORD=canary-of-the-environment", "TERM=xterm", "DISPLAY=:0")

	// Over SSH nothing opens. Ctrl-C ends it at once and stores nothing.
	term := &terminal{testterminal.Start(t, append(slices.Clone(env), "SSH_CONNECTION=10.0.0.1 1 10.0.0.2 22"), "regshape", login...), t}
	term.Await("Waiting for you to confirm in the browser…")
	begin := time.Now()
	term.Input("\x03")
	if code := term.ExitCode(); code != 130 || time.Since(begin) > 2*time.Second {
		t.Errorf("exit code %d after %v, want 130 at once:\n%s", code, time.Since(begin), term.Text())
	}
	if _, err := os.Stat(opened); err == nil {
		t.Error("a browser was opened over SSH")
	}
	if left, err := filepath.Glob(filepath.Join(home, ".local/share/regshape/v1/g-*/[0-9a-v]*")); err != nil || len(left) > 0 {
		t.Errorf("an interrupted login stored %v, %v", left, err)
	}

	term = &terminal{testterminal.Start(t, env, "regshape", login...), t}
	term.Await(" left")
	code := regexp.MustCompile(`(?m)^  ([A-Z2-7]{4}-[A-Z2-7]{4})\r?$`).FindStringSubmatch(term.Text())
	if code == nil {
		t.Fatalf("no code is shown:\n%s", term.Text())
	}
	link := at.URL + "/activate?user_code=" + code[1]
	term.Await("To log in to " + host + ", open this page on any device:\r\n  " + link)
	term.Await("\r\x1b[K")
	if !issuer.Confirm(code[1]) {
		t.Fatalf("the issuer does not know the code %s", code[1])
	}
	if got := term.ExitCode(); got != 0 {
		t.Fatalf("exit code %d:\n%s", got, term.Text())
	}
	term.Await("Login Succeeded")
	said, err := os.ReadFile(opened)
	if want := "1|" + link + "||"; err != nil || string(said) != want {
		t.Errorf("the browser got %q, %v; want %q", said, err, want)
	}
	if found := canary.Find([]byte(term.Text()), issuer.Secrets()...); found != "" {
		t.Errorf("the terminal shows a secret (%s)", found)
	}
	term = startProgram(t, "docker-credential-regshape", home, "get")
	term.Input(host + "\n\x04")
	if got := term.ExitCode(); got != 0 {
		t.Fatalf("get: exit code %d:\n%s", got, term.Text())
	}
	term.Await(`"Username":"alice"`)
	term.Await(`"Secret":"access-`)
}
