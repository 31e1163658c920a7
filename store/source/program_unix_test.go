//go:build unix

package source

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
	{"too much, and more to do", "trap '' PIPE; yes canary; sleep 60", "printed more than 64 KiB"},
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
	t.Setenv(renewing, "1")
	if _, err := s.start(t.Context(), login, limit); !errors.Is(err, ErrNested) {
		t.Errorf("below another program: %v", err)
	}
	t.Setenv(renewing, "")
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

// Trust and claims go with the last login that needs them.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		home := testenv.Home(t)
		s := sourceIn(t, home)
		programs := map[string]store.Program{}
		for _, name := range []string{"one", "two"} { // never started
			programs[name] = store.Program{Words: []string{filepath.Join(home, name)}}
			if err := os.WriteFile(programs[name].Words[0], nil, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		login := func(registry, program string) (login store.Credential) {
			t.Helper()
			login = store.Credential{ServerURL: registry, Username: "u", Secret: "p"}
			if program != "" {
				login = login.MadeBy(programs[program])
				if err := trust.Add(s.Location(), Program(programs[program])); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Put(t.Context(), login); err != nil {
				t.Fatal(err)
			}
			login.Canonical = registry
			return login
		}
		logout := func(registry string) {
			if erased, err := s.Erase(t.Context(), store.ParseAddress(registry)); !erased || err != nil {
				t.Errorf("logout of %s: %t, %v", registry, erased, err)
			}
		}
		trusts := func(what string, want ...string) {
			t.Helper()
			var got []string
			for _, name := range slices.Sorted(maps.Keys(programs)) {
				if trust.Check(s.Location(), Program(programs[name])) == nil {
					got = append(got, name)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q are trusted, want %q", what, got, want)
			}
		}
		claims := func(what string, want int) (found []string) {
			t.Helper()
			if found, _ = filepath.Glob(filepath.Join(s.Location().State, "renewing-*")); len(found) != want {
				t.Errorf("%s: claims %q", what, found)
			}
			return found
		}

		login("a.example", "one")
		login("b.example", "one")
		login("a.example", "")
		trusts("a login with a password in place of one of two", "one")
		login("a.example/team", "two")
		login("b.example", "two")
		trusts("another program in place of the last", "two")
		logout("a.example/team")
		trusts("a logout of one of two", "two")
		login("b.example", "two")
		trusts("the same program again", "two")
		logout("b.example")
		trusts("a logout of the last")

		s.claim(login("a.example", "one"))
		old := time.Now().Add(-oldClaim)
		for _, claim := range claims("of a renewal that was killed", 1) {
			if err := os.Chtimes(claim, old, old); err != nil {
				t.Fatal(err)
			}
		}
		s.claim(login("a.example", "two"))
		claims("another login", 1)
		logout("a.example")
		claims("a logout during a renewal", 1)

		// A logout that has found no other login waits for its turn at the list.
		login("a.example", "one")
		turn := filepath.Join(os.Getenv("XDG_STATE_HOME"), "regshape", "programs.next")
		if err := os.WriteFile(turn, []byte("another\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var done sync.WaitGroup
		done.Go(func() { logout("a.example") })
		synctest.Wait()
		login("b.example", "one")
		if err := os.Remove(turn); err != nil {
			t.Fatal(err)
		}
		done.Wait()
		trusts("a login during the logout of another", "one")
	})
}
