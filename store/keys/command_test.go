//go:build unix

package keys

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/store"
)

// shell is a command that runs a script. $0 is a directory for it.
func shell(t *testing.T, script string) (Command, string) {
	t.Helper()
	dir := t.TempDir()
	c, err := ResolveCommand("sh", []string{"-c", script, dir})
	if err != nil {
		t.Fatal(err)
	}
	return c, dir
}

func TestCommand(t *testing.T) {
	ctx := context.Background()
	a, b := store.NewRootKey(), store.NewRootKey()
	t.Setenv("A", a.Line())
	t.Setenv("B", b.Line())
	t.Setenv("REGSHAPE_PASSWORD", "canary-password")
	t.Setenv("DOCKER_AUTH_CONFIG", "canary-logins")
	canary := strings.Fields(a.Line())[2]
	for _, c := range []struct {
		script string
		want   error  // nil for any
		text   string // part of the error; "" for success
		not    string // no part of the error
	}{
		{script: `echo "$A"`},
		{script: `echo '# two'; echo; echo "$B"; printf %s "$A"`},
		{script: `echo "$A"; cat; echo "# stdin is empty"`},
		{script: `env | grep -q canary || echo "$A"`},
		{script: `echo warning >&2; echo "$A"`},
		{`true`, store.ErrNoKey, "printed no key line", "kid"},
		{`echo "$B"`, store.ErrWrongKey, b.KID(), strings.Fields(b.Line())[2]},
		{`echo "$A"; echo "canary"`, store.ErrKeyDamaged, "line 2 of", "canary"},
		{`echo "$A" | cut -c1-70`, store.ErrKeyDamaged, "", canary[:20]},
		{`echo first >&2; printf 'no such \033[31mitem\007\n\n' >&2; exit 3`, nil, "(exit status 3): no such ?[31mitem?", "first"},
		{`exit 7`, nil, "(exit status 7)", "): "},
		{`kill -TERM $$`, nil, "terminated", ""},
		{`echo "bad: $A" >&2; exit 1`, nil, "(exit status 1)", "bad"},
		{`echo "bad: $A" | tr A-Z a-z >&2; exit 1`, nil, "(exit status 1)", "bad"},
		{`echo "$A" >&2; echo bad >&2; exit 1`, nil, "(exit status 1)", "bad"},
		{`printf 'bad REGSHAPE\000-KEY\n' >&2; exit 1`, nil, "(exit status 1)", "bad"},
		{`echo "bad: age-secret-key-1X" >&2; exit 1`, nil, "(exit status 1)", "bad"},
		{`head -c 9000 /dev/zero | tr '\0' x >&2; exit 1`, nil, "(exit status 1)", "xx"},
		{`head -c 900 /dev/zero | tr '\0' x >&2; exit 1`, nil, strings.Repeat("x", quotedError-1) + "…", strings.Repeat("x", quotedError)},
		{`yes`, nil, "printed more than 64 KiB", "signal"},
	} {
		cmd, _ := shell(t, c.script)
		k, err := cmd.Load(ctx, a.KID())
		wanted := err == nil && k.Equal(a)
		if c.text != "" || c.want != nil {
			wanted = err != nil && (c.want == nil || errors.Is(err, c.want)) && strings.Contains(err.Error(), c.text) &&
				(c.not == "" || !strings.Contains(err.Error(), c.not))
		}
		if !wanted {
			t.Errorf("%s: %v", c.script, err)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error holds the key", c.script)
		}
	}
}

func TestCommand_missing(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file",
		plain:                      "permission denied",
		dir:                        "permission denied",
	} {
		if _, err := (Command{Words: []string{path}, typed: true}).Load(context.Background(), ""); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := (Command{}).Load(context.Background(), ""); err == nil {
		t.Error("an empty command runs")
	}
}

func TestResolveCommand(t *testing.T) {
	c, err := ResolveCommand("sh", []string{"-c", "x y"})
	if err != nil || !filepath.IsAbs(c.Words[0]) || len(c.Words) != 3 || c.Words[2] != "x y" {
		t.Errorf("sh: %q, %v", c.Words, err)
	}
	if _, err := ResolveCommand("regshape-no-such-program", nil); err == nil {
		t.Error("a program that is not there is found")
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("here", []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", ".")
	if _, err := ResolveCommand("here", nil); err == nil || !strings.Contains(err.Error(), "current directory") {
		t.Errorf("a program in the current directory: %v", err)
	}
	if c, err := ResolveCommand("./here", nil); err != nil || !filepath.IsAbs(c.Words[0]) {
		t.Errorf("a program by its relative path: %q, %v", c.Words, err)
	}
}

// A child that keeps the output open does not keep the key.
func TestCommand_leavesChild(t *testing.T) {
	t.Parallel()
	k := store.NewRootKey()
	c, dir := shell(t, `sleep 20 & echo $! >"$0/pid"; echo `+k.Line())
	begun := time.Now()
	got, err := c.Load(context.Background(), k.KID())
	if took := time.Since(begun); err != nil || !got.Equal(k) || took > 5*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	if pid := childOf(t, dir); syscall.Kill(pid, 0) != nil {
		t.Error("what the program has left running was killed")
	} else if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// A program that takes too long ends with all that it has started.
func TestCommand_timeout(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	c, dir := shell(t, `sleep 60 & echo $! >"$0/pid"; sleep 60`)
	begun := time.Now()
	_, err := c.Load(ctx, "")
	if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	pid := childOf(t, dir)
	for range 50 {
		if !running(pid) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %d is still there", pid)
}

func childOf(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// running is false also for what is dead and was not waited for by its new parent yet.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(status), ") Z ")
}
