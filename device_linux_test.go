package main

import (
	"crypto/rand"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
	"regshape/scripts/testregistry/canary"
	"regshape/scripts/testterminal"
)

// devices starts an issuer, and a registry whose token server takes the issuer's access
// tokens as passwords, and nothing else.
func devices(opts testregistry.IssuerOptions) (issuer *testregistry.Issuer, at *httptest.Server, registry *httptest.Server, err error) {
	issuer = testregistry.NewIssuer(opts)
	at = httptest.NewServer(issuer)
	password := rand.Text()
	tokens, err := testregistry.NewTokenServer(testregistry.TokenOptions{
		Users: map[string]string{"alice": password}, Before: issuer.Admits("alice", password),
	})
	if err != nil {
		return nil, nil, nil, err
	}
	realm := httptest.NewServer(tokens)
	registry = httptest.NewServer(testregistry.New(testregistry.Options{Auth: testregistry.Bearer, Realm: realm.URL, Tokens: tokens}))
	at.Config.RegisterOnShutdown(realm.Close)
	return issuer, at, registry, nil
}

// kinds are the issuers of the scripts.
var kinds = map[string]testregistry.IssuerOptions{
	"plain":        {ClientID: "cli", Claims: map[string]any{"preferred_username": "alice"}},
	"rotating":     {ClientID: "cli", Rotate: true, Claims: map[string]any{"email": "alice@example.com"}},
	"norefresh":    {ClientID: "cli", NoRefresh: true},
	"norevocation": {ClientID: "cli", NoRevocation: true},
	"revocation-broken": {
		ClientID: "cli", RevokeStatus: 400, Claims: map[string]any{"preferred_username": "alice"},
	},
	"short":   {ClientID: "cli", TokenLife: 2},
	"denied":  {ClientID: "cli", Polls: []string{"access_denied"}},
	"expired": {ClientID: "cli", Polls: []string{"expired_token"}},
	"shaky":   {ClientID: "cli", Polls: []string{"drop", "unavailable"}},
	"garbage": {ClientID: "cli", Polls: []string{"garbage"}},
}

// Each script has an issuer of its own: "issuer KIND" starts it with a registry and sets
// ISSUER and REGISTRY; "issuer stop" ends it; "issuer live N" counts its refresh tokens;
// "issuer secrets FOLDER…" looks for everything it gave out in the last output and below
// the folders.
func TestDeviceScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script/device",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("HOME", home)
			e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, "run")) // else podman's file in /run is looked at
			e.Setenv("NO_PROXY", "127.0.0.1,localhost")
			e.Setenv("GORACE", os.Getenv("GORACE"))
			e.Values["device"] = &stage{}
			return os.Mkdir(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": cmdCode, "issuer": cmdIssuer, "chmod": cmdChmod},
	})
}

// stage is what a script has started.
type stage struct {
	issuer *testregistry.Issuer
	server *httptest.Server
}

func cmdIssuer(ts *testscript.TestScript, neg bool, args []string) {
	s, _ := ts.Value("device").(*stage)
	if neg || len(args) == 0 {
		ts.Fatalf("usage: issuer KIND | stop | live N | secrets [FOLDER…]")
	}
	switch args[0] {
	case "stop":
		s.server.Close()
	case "live":
		if got := s.issuer.Live(); len(args) != 2 || args[1] != string(rune('0'+got)) {
			ts.Fatalf("%d live refresh tokens, want %v", got, args[1:])
		}
	case "secrets":
		secrets := s.issuer.Secrets()
		look := func(where string, data []byte) {
			if found := canary.Find(data, secrets...); found != "" {
				ts.Fatalf("%s holds a secret (%s)", where, found)
			}
		}
		look("stdout", []byte(ts.ReadFile("stdout")))
		look("stderr", []byte(ts.ReadFile("stderr")))
		for _, folder := range args[1:] {
			ts.Check(filepath.WalkDir(ts.MkAbs(folder), func(path string, d fs.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				data, err := os.ReadFile(path)
				look(path, data)
				return err
			}))
		}
	default:
		opts, ok := kinds[args[0]]
		if !ok {
			ts.Fatalf("no issuer of kind %q", args[0])
		}
		issuer, at, registry, err := devices(opts)
		ts.Check(err)
		ts.Defer(at.Close)
		ts.Defer(registry.Close)
		s.issuer, s.server = issuer, at
		ts.Setenv("ISSUER", at.URL)
		ts.Setenv("REGISTRY", registry.Listener.Addr().String())
	}
}

// What the user sees: the link, the code, a line that counts down; a browser opens with the
// link as its one argument and without our password; and docker then gets the login.
func TestDeviceAtATerminal(t *testing.T) {
	issuer, at, registry, err := devices(testregistry.IssuerOptions{Manual: true, Claims: map[string]any{"preferred_username": "alice"}})
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
