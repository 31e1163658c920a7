//go:build unix

package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/trust"
)

// programs are what a login may name by mistake or malice. Each is started with 2 s to end.
var programs = []struct {
	name, script string
	want         string // the secret, or a part of the error
}{
	{"a secret", "echo tok", "tok"},
	{"an object", `echo '{"Username":"u","Secret":"tok"}'`, "tok"},
	{"its home, PATH and registry", `[ "$PWD" = "$HOME" ] && [ "$PATH" = /usr/bin:/bin ] && echo "$REGSHAPE_REGISTRY"`, "r.example"},
	{"no secrets of ours", `env | grep -q canary || echo tok`, "tok"},
	{"no standard input", `read -r line || echo tok`, "tok"},
	{"no terminal", `(exec </dev/tty) 2>/dev/null || echo tok`, "tok"},
	{"its arguments", `[ "$1" = "two words" ] && echo tok`, "tok"},
	{"what it leaves behind", "sleep 60 & echo tok", "tok"},
	{"a secret on standard error", "echo canary >&2; exit 3", "exit status 3"},
	{"nothing", "exit 0", errEmpty.Error()},
	{"lines", "echo canary; echo canary", errLines.Error()},
	{"too much", "yes canary", "printed more than 64 KiB"},
	{"hanging", "sleep 60", "did not end within 2s"},
	{"hanging with children", "sleep 60 | sleep 60", "did not end within 2s"},
	{"deaf", "trap '' TERM INT HUP; while :; do sleep 1; done", "did not end within 2s"},
	{"killed", "kill -9 $$", "signal: killed"},
	{"ended", `echo '{"Username":"u","Secret":"canary","ExpiresAt":"2020-01-01T00:00:00Z"}'`, errEnded.Error()},
}

func sourceIn(t *testing.T, home string) Source {
	t.Helper()
	loc, err := store.Locate(store.Options{Dir: filepath.Join(home, "store")})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := store.Open(loc, keys.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	return New(opened, func(err error) { t.Error(err) })
}

func TestStart(t *testing.T) {
	home := testenv.Home(t)
	for _, name := range []string{"REGSHAPE_PASSWORD", "DOCKER_AUTH_CONFIG"} {
		t.Setenv(name, "canary")
	}
	s := sourceIn(t, home)
	loc := s.Location()
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			path := filepath.Join(home, "maker")
			if err := os.WriteFile(path, []byte("#!/bin/sh\n"+p.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			login := store.Credential{ServerURL: "r.example", Canonical: "r.example", Username: "alice"}.MadeBy(store.Program{
				Words: []string{path, "two words"}, Path: "/usr/bin:/bin",
			})
			if err := trust.Add(loc, Program(*login.Program)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			a, err := s.start(t.Context(), login, 2*time.Second)
			got := a.secret
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, p.want) || (err != nil) == (a.secret != "") || strings.Contains(got, "canary") {
				t.Errorf("got %q, want %q", got, p.want)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestStart_refused(t *testing.T) {
	home := testenv.Home(t)
	s := sourceIn(t, home)
	loc := s.Location()
	path := filepath.Join(home, "maker")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ntouch '"+home+"/started'\necho tok\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	login := store.Credential{ServerURL: "r.example", Canonical: "r.example", Username: "alice"}.MadeBy(store.Program{Words: []string{path}})
	if _, err := s.start(t.Context(), login, limit); !errors.Is(err, store.ErrUntrusted) {
		t.Errorf("without trust: %v", err)
	}
	if err := trust.Add(loc, Program(*login.Program)); err != nil {
		t.Fatal(err)
	}
	t.Setenv(nested, "1")
	if _, err := s.start(t.Context(), login, limit); !errors.Is(err, ErrNested) {
		t.Errorf("below another program: %v", err)
	}
	t.Setenv(nested, "")
	if err := os.Chmod(path, 0o722); err != nil {
		t.Fatal(err)
	}
	if _, err := s.start(t.Context(), login, limit); err == nil || !strings.Contains(err.Error(), "other users could replace") {
		t.Errorf("a program that others may write: %v", err)
	}
	if _, err := os.Stat(home + "/started"); err == nil {
		t.Error("it was started")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.start(t.Context(), login, limit); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("a program that is none: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.start(t.Context(), login, limit); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing program: %v", err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho tok\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Run("no home", func(t *testing.T) {
		t.Setenv("HOME", filepath.Join(home, "none"))
		if a, err := s.start(t.Context(), login, limit); a.secret != "tok" {
			t.Errorf("got %v", err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := os.WriteFile(path, []byte("#!/bin/sh\nsleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.start(ctx, login, limit); !errors.Is(err, context.Canceled) {
		t.Errorf("Ctrl-C: %v", err)
	}
}

// A helper is asked for the address, and knows how to say that it has none.
func TestStart_helper(t *testing.T) {
	home := testenv.Home(t)
	s := sourceIn(t, home)
	loc := s.Location()
	path := filepath.Join(home, "docker-credential-maker")
	script := `#!/bin/sh
read -r server
case $1-$server in
get-r.example) printf '{"ServerURL":"%s","Username":"AWS","Secret":"tok"}' "$server" ;;
*) echo "credentials not found in native keychain"; exit 1 ;;
esac
`
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	p := store.Program{Words: []string{path, "get"}, Helper: true, Path: "/usr/bin:/bin"}
	if err := trust.Add(loc, Program(p)); err != nil {
		t.Fatal(err)
	}
	for canonical, want := range map[string]error{"r.example": nil, "other.example": store.ErrNotFound} {
		a, err := s.start(t.Context(), store.Credential{ServerURL: canonical, Canonical: canonical}.MadeBy(p), limit)
		if !errors.Is(err, want) || err == nil && (a.username != "AWS" || a.secret != "tok") {
			t.Errorf("%s: %+v (%v), want %v", canonical, a, err, want)
		}
	}
}
