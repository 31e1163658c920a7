//go:build unix

package authfile

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const canary = "cAnArY-\"7\"\\zz"

// script makes docker-credential-test, a shell script, and puts it first on PATH.
func script(t *testing.T, body string) (Helper, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "docker-credential-test")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncd '"+dir+"'\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return Helper{Name: "test"}, dir
}

// A helper that keeps one login in a file: what went in comes out, byte for byte.
func TestHelper_roundTrip(t *testing.T) {
	h, dir := script(t, `
case $1 in
store) cat >login;;
get) read -r url; [ -f login ] || { echo 'credentials not found in native keychain'; exit 1; }; echo "$url" >asked; cat login;;
erase) rm login 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; };;
list) read -r unused; [ "$unused" = unused ] || exit 9; [ -f login ] && echo '{"https://r.test":"ann"}' || echo null;;
esac`)
	ctx := t.Context()
	if _, _, err := h.Get(ctx, "r.test"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("get before: %v", err)
	}
	if list, err := h.List(ctx); err != nil || list == nil || len(list) != 0 {
		t.Errorf("list before: %v, %v", list, err)
	}
	for _, secret := range []string{canary, "<>&é\n\t'", strings.Repeat("x", 60<<10), "-"} {
		if err := h.Store(ctx, "r.test", "ann", secret); err != nil {
			t.Fatal(err)
		}
		if user, got, err := h.Get(ctx, "r.test"); user != "ann" || got != secret || err != nil {
			t.Errorf("get: %q, %d bytes, %v", user, len(got), err)
		}
	}
	if asked, err := os.ReadFile(filepath.Join(dir, "asked")); string(asked) != "r.test\n" {
		t.Errorf("asked for %q, %v", asked, err)
	}
	if list, err := h.List(ctx); err != nil || list["https://r.test"] != "ann" {
		t.Errorf("list: %v, %v", list, err)
	}
	if err := h.Erase(ctx, "r.test"); err != nil {
		t.Error(err)
	}
	if err := h.Erase(ctx, "r.test"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("erase again: %v", err)
	}
	if err := h.Store(ctx, "r.test", "ann", "a\xffb"); !errors.Is(err, ErrText) {
		t.Errorf("invalid UTF-8: %v", err)
	}
	if err := h.Store(ctx, "r.test", "ann", canary); err != nil {
		t.Error(err)
	}
}

func TestHelper_failures(t *testing.T) {
	quoted, _ := json.Marshal(canary)
	for _, c := range []struct {
		name, body string
		want       error
		text       string // in the error
	}{
		{"its error line", `echo "no default keyring"; exit 1`, ErrHelperFailed, "docker-credential-test get: failed: exit status 1: no default keyring"},
		{"stderr", `printf 'gpg: \033[31mno key\a\n\342\200\256x\n' >&2; exit 2`, ErrHelperFailed, "exit status 2: gpg: ?[31mno key? ?x"},
		{"both", `echo out; echo err >&2; exit 1`, ErrHelperFailed, "exit status 1: out; err"},
		{"long text", `yes word | head -c 100000; exit 1`, ErrHelperFailed, "word…"},
		{"not found on stderr only", `echo 'credentials not found in native keychain' >&2; exit 1`, ErrHelperFailed, "not found"},
		{"not found", `echo 'credentials not found in native keychain'; echo noise >&2; exit 1`, ErrNoEntry, ""},
		{"killed", `kill -9 $$`, ErrHelperFailed, "signal: killed"},
		{"nothing", `exit 0`, ErrHelperAnswer, ""},
		{"empty login", `echo '{"ServerURL":"r.test","Username":"","Secret":""}'`, ErrNoEntry, ""},
		{"no JSON", `echo hello`, ErrHelperAnswer, ""},
		{"wrong JSON", `echo '{"Username":1}'`, ErrHelperAnswer, ""},
		{"not UTF-8", `printf '{"Username":"a","Secret":"\377"}'`, ErrHelperAnswer, "not UTF-8"},
		{"flood", `trap '' PIPE; while :; do echo "$0$0$0$0$0$0$0$0" || true; done`, ErrHelperAnswer, "more than 1 MiB"},
		{"secret, then failure", `cat login; echo "have cAnArY-\"7\"\\zz" >&2; exit 1`, ErrHelperFailed, "exit status 1"},
		{"secret cut short", `head -c 30 login; sed 's/.*"Secret": *"//; s/"}$//' login >&2; exit 1`, ErrHelperFailed, ""},
		{"not a program", ``, ErrHelperFailed, "cannot be run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, dir := script(t, c.body)
			if err := os.WriteFile(filepath.Join(dir, "login"), []byte(`{"Username":"a","Secret":`+string(quoted)+`}`), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.body == "" {
				if err := os.WriteFile(filepath.Join(dir, "docker-credential-test"), []byte("\x00\x01"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			user, secret, err := h.Get(t.Context(), "r.test")
			if !errors.Is(err, c.want) || user != "" || secret != "" {
				t.Fatalf("%q, %q, %v", user, secret, err)
			}
			text := err.Error()
			if !strings.Contains(text, c.text) || !strings.Contains(text, "docker-credential-test") {
				t.Errorf("says %q, want %q", text, c.text)
			}
			if strings.Contains(text, "cAnArY") || len(text) > 2*maxMessage+200 || strings.ContainsAny(text, "\x1b\n\a") {
				t.Errorf("unsafe: %q", text)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// Whatever form the helper repeats it in, the secret it was given is not in the error.
func TestHelper_storeErrorHidesSecret(t *testing.T) {
	short, _ := script(t, `echo "wrong pin 7q"; exit 1`)
	if err := short.Store(t.Context(), "r.test", "ann", "7q"); err == nil || strings.Contains(err.Error(), "pin") {
		t.Errorf("a secret too short to hide: %v", err)
	}
	for _, body := range []string{
		`cat; exit 1`, `cat >&2; exit 1`, `cat; cat >&2; sleep 60`,
		`sed 's/[{}]//g' ; exit 1`,
		`printf 'bad password: cAnArY-"7"\\zz\n'; exit 1`,
		`printf 'ann:cAnArY-"7"\\zz' | base64 >&2; exit 1`,
	} {
		h, _ := script(t, body)
		h.Timeout = 10 * time.Second
		if strings.HasSuffix(body, "sleep 60") {
			h.Timeout = 300 * time.Millisecond
		}
		err := h.Store(t.Context(), "r.test", "ann", canary)
		if err == nil || strings.Contains(err.Error(), "cAnArY") || strings.Contains(err.Error(), "YW5uOmNB") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestHelper_timeout(t *testing.T) {
	for name, body := range map[string]string{
		"sleeps":                    `sleep 60`,
		"ignores signals":           `trap '' TERM INT HUP; echo busy >&2; while :; do sleep 1; done`,
		"waits for a child":         `sleep 60 & echo $! >child; wait`,
		"a grandchild in a session": `setsid sleep 7 & wait`,
	} {
		t.Run(name, func(t *testing.T) {
			h, dir := script(t, body)
			if _, err := exec.LookPath("setsid"); err != nil && strings.HasPrefix(body, "setsid") {
				t.Skip("setsid is not installed")
			}
			h.Timeout = 300 * time.Millisecond
			start := time.Now()
			_, _, err := h.Get(t.Context(), "r.test")
			if !errors.Is(err, ErrHelperTimeout) || !strings.Contains(err.Error(), "300ms") {
				t.Errorf("got %v, want %v after 300ms", err, ErrHelperTimeout)
			}
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
			if pid, err := os.ReadFile(filepath.Join(dir, "child")); err == nil {
				gone(t, strings.TrimSpace(string(pid)))
			}
		})
	}
}

// gone fails unless the process ended (or waits only to be collected).
func gone(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if syscall.Kill(n, 0) != nil || err == nil && strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %s outlived the time limit", pid)
}

// A daemon that the helper started and that holds its output must cost no more than pipeGrace.
func TestHelper_leavesDaemon(t *testing.T) {
	h, _ := script(t, `echo '{"Username":"ann","Secret":"s"}'; sleep 5 & exit 0`)
	start := time.Now()
	user, secret, err := h.Get(t.Context(), "r.test")
	if user != "ann" || secret != "s" || err != nil || time.Since(start) > 3*time.Second {
		t.Errorf("%q, %q, %v after %v", user, secret, err, time.Since(start))
	}
}

func TestHelper_cancelled(t *testing.T) {
	h, _ := script(t, `sleep 60`)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, _, err := h.Get(ctx, "r.test"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrHelperTimeout) {
		t.Error(err)
	}
}

func TestHelper_environment(t *testing.T) {
	t.Setenv("REGSHAPE_PASSWORD", canary)
	t.Setenv("SEEN", "inherited")
	for name, environ := range map[string][]string{
		"inherited": nil,
		"given":     {"SEEN=given", "REGSHAPE_PASSWORD=" + canary, "PATH=/usr/bin:/bin"},
	} {
		h, dir := script(t, `env >env; echo "$0 $*" >>env; echo '{"Username":"u","Secret":"hidden"}'; printf 'hidden expires\033 soon' >&2`)
		h.Environ = environ
		var warned string
		h.Warn = func(text string) { warned = text }
		if _, _, err := h.Get(t.Context(), "r.test"); err != nil {
			t.Fatal(err)
		}
		env, err := os.ReadFile(filepath.Join(dir, "env"))
		if err != nil || strings.Contains(string(env), "cAnArY") || !strings.Contains(string(env), "SEEN="+name) {
			t.Errorf("%s: %v\n%s", name, err, env)
		}
		if warned != "docker-credential-test: [redacted] expires? soon" {
			t.Errorf("warned %q", warned)
		}
	}
}

func TestHelper_names(t *testing.T) {
	h := Helper{Name: "no-such_helper.v1+x"}
	_, err := h.List(t.Context())
	if !errors.Is(err, ErrNotOnPath) || err.Error() != "docker-credential-no-such_helper.v1+x is not on PATH" {
		t.Error(err)
	}
	// A helper in the present folder is not run, even if PATH asks for it.
	h, dir := script(t, `exit 0`)
	t.Chdir(dir)
	t.Setenv("PATH", ".")
	if err := h.Erase(t.Context(), "r.test"); !errors.Is(err, ErrNotOnPath) {
		t.Error(err)
	}
}
