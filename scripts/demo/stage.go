package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
)

// commandTime is what one command may take; podman's first run on a slow disk
// takes a few seconds.
const commandTime = time.Minute

// exe is what a program's file name ends in.
var exe = map[bool]string{true: ".exe"}[runtime.GOOS == "windows"]

// stage is where the demo plays: a registry, a temporary HOME, and a place to
// write to.
type stage struct {
	ctx            context.Context
	out            io.Writer
	bin            string
	home           string
	env            []string
	host, password string
	master         string // of a program's secrets
	steps          int
	missing        map[string]string // client -> why it is left out, or ""
	served         []string          // clients that got the image
}

func newStage(ctx context.Context, out io.Writer, bin, host, password, master string) (*stage, error) {
	// A short name: podman refuses a run directory whose path is over 50 characters.
	home, err := os.MkdirTemp("", "demo-")
	if err != nil {
		return nil, err
	}
	s := &stage{ctx: ctx, out: out, bin: bin, home: home, host: host, password: password, master: master, missing: map[string]string{}}
	s.env = testenv.Environ(home,
		"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"TMPDIR="+filepath.Join(home, "tmp"))
	for _, dir := range []string{"run", "tmp"} {
		if err == nil {
			err = os.Mkdir(filepath.Join(home, dir), 0o700)
		}
	}
	if err == nil {
		err = s.configure()
	}
	if err != nil {
		_ = os.RemoveAll(home) // the error that counts is the first
		return nil, err
	}
	return s, nil
}

// clear removes the HOME and what podman left running in it.
func (s *stage) clear() error {
	if s.missing["podman"] == "" && os.Getuid() != 0 && len(s.served) > 0 {
		// Without root, podman leaves a process that holds its user namespace, until this.
		s.ctx = context.WithoutCancel(s.ctx)
		s.try("", "podman", "system", "migrate")
		// It also leaves directories that even their owner may not write to.
		_ = filepath.WalkDir(s.home, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				err = os.Chmod(path, 0o700)
			}
			return err
		}) // what this misses, the removal below reports
	}
	if err := os.RemoveAll(s.home); err != nil {
		return fmt.Errorf("remove the temporary HOME: %w", err)
	}
	return nil
}

func (s *stage) write(name, content string) error {
	file := filepath.Join(s.home, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(content), 0o600)
}

// say prints one line. Nothing is shown that holds the password, and the HOME is ~.
func (s *stage) say(format string, args ...any) {
	text := canary.Redact(fmt.Sprintf(format, args...), s.password)
	// In a table's cell, what ~ is shorter by becomes space, or the columns would shift.
	cell := regexp.MustCompile(regexp.QuoteMeta(s.home) + `(\S*  )`)
	text = cell.ReplaceAllString(text, "~${1}"+strings.Repeat(" ", len(s.home)-1))
	fmt.Fprintln(s.out, strings.ReplaceAll(text, s.home, "~"))
}

func (s *stage) heading(format string, args ...any) {
	s.steps++
	s.say("\n%d. "+format, append([]any{s.steps}, args...)...)
}

func (s *stage) command(name string, args ...string) {
	s.say("   $ %s", strings.Join(append([]string{name}, args...), " "))
}

func (s *stage) output(text string) {
	if text = strings.TrimSpace(text); text != "" {
		s.say("     %s", strings.ReplaceAll(text, "\n", "\n     "))
	}
}

// result is what a command of the demo did.
type result struct {
	line           string
	stdout, stderr string
	err            error
	s              *stage
}

// try runs a command with the demo's environment and nothing of the caller's.
func (s *stage) try(stdin, name string, args ...string) result {
	ctx, cancel := context.WithTimeout(s.ctx, commandTime)
	defer cancel()
	program := name
	if strings.Contains(name, "regshape") {
		program = filepath.Join(s.bin, name+exe)
	}
	c := testenv.CommandContext(ctx, s.env, program, args...)
	c.Dir, c.WaitDelay = s.home, time.Second
	c.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return result{
		line: strings.Join(append([]string{name}, args...), " "), err: err,
		stdout: stdout.String(), stderr: stderr.String(), s: s,
	}
}

// show prints a command of regshape, runs it and prints what it says; failing is an error.
func (s *stage) show(stdin string, args ...string) (string, error) {
	s.command("regshape", args...)
	got := s.try(stdin, "regshape", args...)
	if got.err != nil {
		return "", got.failure()
	}
	s.output(got.stdout)
	s.output(got.stderr)
	return got.stdout, nil
}

// failure is the error of a command that did not do what it should, with what it
// said.
func (r result) failure() error {
	said := strings.Join(strings.Fields(r.stdout+" "+r.stderr), " ")
	return fmt.Errorf("%s: %w: %s", r.line, r.err, canary.Redact(said, r.s.password))
}

// unauthorized says whether a client was refused for want of a login.
func (r result) unauthorized() bool {
	said := strings.ToLower(r.stdout + r.stderr)
	return strings.Contains(said, "unauthorized") || strings.Contains(said, "authentication required") ||
		strings.Contains(said, "no basic auth credentials")
}
