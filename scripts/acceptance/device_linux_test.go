package acceptance

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testregistry"
	"regshape/scripts/testregistry/canary"
)

// What the user sees: the link, the code, a line that counts down; a browser opens with the
// link as its one argument and without our password; and docker then gets the login.
func TestDevice_terminal(t *testing.T) {
	t.Parallel()
	issuer, at, registry, err := testregistry.Devices(testregistry.IssuerOptions{Manual: true, Claims: map[string]any{"preferred_username": "alice"}})
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	defer registry.Close()
	s := newHome(t)
	opened := s.path("opened")
	script := "#!/bin/sh\nprintf '%s|' \"$#\" \"$1\" \"$REGSHAPE_PASSWORD\" >'" + opened + ".new' && mv '" + opened + ".new' '" + opened + "'\n"
	s.write("bin/xdg-open", script, 0o700)
	host := registry.Listener.Addr().String()
	login := []string{"auth", "login", host, "--device", "--device-issuer", at.URL, "--device-client-id", "cli"}

	env := []string{"PATH=" + s.path("bin") + ":" + os.Getenv("PATH"), "REGSHAPE_PASSWORD=canary-of-the-environment", "TERM=xterm", "DISPLAY=:0"}

	// Over SSH nothing opens. Ctrl-C ends it at once and stores nothing.
	s.env = append(slices.Clone(env), "SSH_CONNECTION=10.0.0.1 1 10.0.0.2 22")
	term := s.terminal("regshape", login...)
	term.Await("Waiting for you to confirm in the browser…")
	begin := time.Now()
	term.Input("\x03")
	if code := term.ExitCode(); code != 130 || time.Since(begin) > 2*time.Second {
		t.Errorf("exit code %d after %v, want 130 at once:\n%s", code, time.Since(begin), term.Text())
	}
	if _, err := os.Stat(opened); err == nil {
		t.Error("a browser was opened over SSH")
	}
	if left, err := filepath.Glob(s.path(entries)); err != nil || len(left) > 0 {
		t.Errorf("an interrupted login stored %v (%v), want nothing", left, err)
	}

	s.env = env
	term = s.terminal("regshape", login...)
	term.Await(" left")
	code := regexp.MustCompile(`(?m)^  ([A-Z2-7]{4}-[A-Z2-7]{4})\r?$`).FindStringSubmatch(term.Text())
	if code == nil {
		t.Fatalf("no code is shown:\n%s", term.Text())
	}
	link := at.URL + "/activate?user_code=" + code[1]
	term.Await("To log in to " + host + ", open this page on any device:\r\n  " + link)
	if !issuer.Confirm(code[1]) {
		t.Fatalf("the issuer does not know the code %s", code[1])
	}
	term.wantExit(0, issuer.Secrets()...)
	term.Await("\r" + strings.Repeat(" ", 40)) // the line with the time left is gone
	term.Await("Login Succeeded")
	said, err := os.ReadFile(opened)
	if want := "1|" + link + "||"; err != nil || string(said) != want {
		t.Errorf("the browser got %q, %v; want %q", said, err, want)
	}
	if found := canary.Find([]byte(term.Text()), issuer.Secrets()...); found != "" {
		t.Errorf("the terminal shows a secret (%s)", found)
	}
	s.env = nil
	term = s.terminal("docker-credential-regshape", "get")
	term.Input(host + "\n\x04")
	term.wantExit(0)
	term.Await(`"Username":"alice"`)
	term.Await(`"Secret":"access-`)
}
