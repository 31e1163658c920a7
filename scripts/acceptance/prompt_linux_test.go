package acceptance

import (
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/scripts/testregistry"
)

func TestPrompt_login(t *testing.T) {
	t.Parallel()
	const secret = "canary-at-the-prompt"
	server := httptest.NewServer(testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: map[string]string{"alice": secret}}))
	defer server.Close()
	host := server.Listener.Addr().String()
	s := newHome(t)

	term := s.terminal("regshape", "auth", "login", host)
	term.Await("Username for " + host + ": ")
	term.Input("alice\n")
	term.Await("Password for " + host + ": ")
	term.AwaitEcho(false)
	term.Input(secret + "\n")
	term.wantExit(0, secret)
	term.Await("Login Succeeded")

	// The known user name is the default; Ctrl-C at the password restores the echo.
	term = s.terminal("regshape", "auth", "login", host)
	term.Await("Username for " + host + " (alice): ")
	term.Input("\n")
	term.Await("Password for " + host + ": ")
	term.AwaitEcho(false)
	term.Input("half a pass\x03")
	term.wantExit(130)
	term.AwaitEcho(true)

	for keys, code := range map[string]int{"\x03": 130, "\x04": 1} { // Ctrl-C, Ctrl-D
		term = newHome(t).terminal("regshape", "auth", "login", host)
		term.Await("Username for ")
		term.Input(keys)
		term.wantExit(code)
	}
}

// Who logs in before the tools use regshape is told so, at a terminal only.
func TestPrompt_beforeSetup(t *testing.T) {
	t.Parallel()
	s := newHome(t)
	s.write("bin/docker", "#!/bin/sh\n", 0o700)
	s.env = []string{"PATH=" + s.path("bin") + ":" + os.Getenv("PATH")}
	hint := func() bool {
		term := s.terminal("regshape", "auth", "login", "r.example", "-u", "alice", "--skip-verify")
		term.Await("Password for ")
		term.AwaitEcho(false)
		term.Input("canary-at-the-prompt\n")
		term.wantExit(0)
		return strings.Contains(term.Text(), "do not use regshape yet and will not find this login; to change that: regshape auth setup\r\n")
	}
	if !hint() {
		t.Error("no word about setup before it")
	}
	if o := s.must("secret", "regshape", "auth", "login", "r.example", "-u", "alice", "--password-stdin", "--skip-verify"); strings.Contains(o.text(), "setup") {
		t.Errorf("a script is told %q", o.text())
	}
	auth := s.write(".config/containers/auth.json", `{"credHelpers":{"r.example":"regshape"}}`, 0o600)
	if hint() {
		t.Error("a word about setup, and podman finds the login")
	}
	if err := os.Remove(auth); err != nil {
		t.Fatal(err)
	}
	s.must("", "regshape", "auth", "setup", "--docker")
	if hint() {
		t.Error("a word about setup after it")
	}
}

// Standard input at a terminal is asked for without echo, and what is typed is cleaned and
// checked as what is given.
func TestPrompt_text(t *testing.T) {
	t.Parallel()
	const secret = "canary-at-the-prompt"
	server := httptest.NewServer(testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: map[string]string{"alice": secret}}))
	defer server.Close()
	host := server.Listener.Addr().String()
	for _, c := range []struct {
		command, username, password string
		code                        int
		says                        string
	}{
		{"login -p -", "", secret, 0, "Login Succeeded"},
		{"status --password-stdin", "", secret, 0, "verified"},
		{"login -p -", "", "", 1, "no password on standard input"},
		{"login", " alice\t", secret, 0, "alice for "},
		{"login", "alice", secret + " ", 1, "the password begins or ends with a blank"},
		{"login", "alice", "caf\xe9", 1, "the password is not valid UTF-8"},
		{"login", "caf\xe9", secret, 1, "the user name is not valid UTF-8"},
	} {
		words := append([]string{"auth", "--timeout=9s"}, strings.Fields(c.command)...)
		if c.username == "" {
			words = append(words, "-u", "alice")
		}
		term := newHome(t).terminal("regshape", append(words, host)...)
		if c.username != "" {
			term.Await("Username for " + host + ": ")
			term.Input(c.username + "\n")
		}
		term.Await("Password for " + host + ": ")
		term.AwaitEcho(false)
		term.Input(c.password + "\n")
		term.wantExit(c.code, secret)
		term.Await(c.says)
	}
}

// Whatever ends a prompt, the terminal echoes again, and the exit code is what shells expect.
func TestPrompt_signals(t *testing.T) {
	t.Parallel()
	const secret = "half a pass"
	for what, prompt := range map[string][]string{
		"Password for ":  {"auth", "login", "r.example", "-u", "alice"},
		"Passphrase: ":   {"auth", "unlock"},
		"New passphrase": {"auth", "key", "backup"},
	} {
		for _, end := range []struct {
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
			t.Run(what+end.name, func(t *testing.T) {
				t.Parallel()
				if end.send != 0 && signal.Ignored(end.send) {
					t.Skipf("%s is ignored here, as below nohup", end.name)
				}
				s := newHome(t)
				switch what {
				case "Passphrase: ":
					passphrase := s.write("passphrase", "a long passphrase\n", 0o600)
					s.must("", "regshape", "auth", "key", "protect", "--passphrase-file", passphrase)
					s.must("", "regshape", "auth", "lock")
				case "New passphrase":
					s.must("", "regshape", "auth", "login", "r.example", "-u", "a", "-p", "b", "--skip-verify")
				}
				term := s.terminal("regshape", prompt...)
				term.Await(what)
				term.AwaitEcho(false)
				term.Input(secret + end.key)
				if end.send != 0 {
					time.Sleep(200 * time.Millisecond) // the kernel takes in what was typed by and by
					term.Signal(end.send)
				}
				term.wantExit(end.code, secret, "goroutine")
				term.AwaitEcho(true)
			})
		}
	}
}

// After Ctrl-Z the shell has a terminal that echoes, and the prompt that continues does not
// echo.
func TestPrompt_stopped(t *testing.T) {
	t.Parallel()
	const secret = "canary-after-the-stop"
	server := httptest.NewServer(testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: map[string]string{"alice": secret}}))
	defer server.Close()
	host := server.Listener.Addr().String()
	script := "set -m; regshape auth login -u alice " + host + "; echo stopped=$?; read line; fg >/dev/null; echo ended=$?"
	term := newHome(t).terminal("sh", "-c", script)
	term.Await("Password for ")
	term.AwaitEcho(false)
	term.Input("\x1a")
	term.Await("stopped=147") // 128 + SIGSTOP
	term.AwaitEcho(true)
	term.Input("\n")
	term.answer("Password for ", 2, secret+"\n")
	term.Await("ended=0")
	if n := strings.Count(term.Text(), "Password for "); n != 2 {
		t.Errorf("the prompt was shown %d times, want 2:\n%s", n, term.Text())
	}
	term.Await("Login Succeeded")
	if strings.Contains(term.Text(), secret) {
		t.Errorf("the terminal shows the password:\n%s", term.Text())
	}
	// A process without job control is not stopped.
	term = newHome(t).terminal("regshape", "auth", "login", "-u", "alice", host)
	term.Await("Password for ")
	term.AwaitEcho(false)
	term.Signal(syscall.SIGTSTP)
	time.Sleep(300 * time.Millisecond)
	term.AwaitEcho(false)
	term.Input(secret + "\n")
	term.wantExit(0, secret)
}

// Ctrl-Z stops what comes after a prompt, too.
func TestPrompt_stoppedAfterwards(t *testing.T) {
	t.Parallel()
	l := httptest.NewUnstartedServer(nil).Listener // accepts connections and never answers
	defer l.Close()
	script := "set -m; regshape auth login -u alice " + l.Addr().String() + "; echo stopped=$?; fg >/dev/null; echo ended=$?"
	term := newHome(t).terminal("sh", "-c", script)
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
		t.Errorf("the prompt was shown %d times, want 1:\n%s", n, term.Text())
	}
}

// Ctrl-C ends a login at once while the registry does not answer.
func TestPrompt_interruptedAfterwards(t *testing.T) {
	t.Parallel()
	l := httptest.NewUnstartedServer(nil).Listener // accepts connections and never answers
	defer l.Close()
	term := newHome(t).terminal("regshape", "auth", "login", l.Addr().String(), "-u", "alice")
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

// A helper that reads from a terminal prints what it waits for.
func TestPrompt_helper(t *testing.T) {
	t.Parallel()
	term := newHome(t).terminal("docker-credential-regshape", "get")
	term.Await("docker-credential-regshape waits for a server address")
	term.Input("ghcr.io\n\x04")
	term.wantExit(1)
	term.Await("credentials not found in native keychain")
}
