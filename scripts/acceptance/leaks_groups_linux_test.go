package acceptance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"regshape/scripts/page"
	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
)

// leakGroup is one way to get at a secret, or at the terminal.
type leakGroup struct {
	name, about string
	run         func(t *testing.T, tried *tally)
}

// tally counts what a group has really tried.
type tally struct{ runs, looks int }

// TestLeak tries every command, its failures, and the attacks of a neighbour, a registry
// and a file, and looks for the secrets wherever they must not be.
func TestLeak(t *testing.T) {
	groups := []leakGroup{
		{"commands", "every command under strace: arguments, environments of children, every write, send and key", leakCommands},
		{"failures", "every command in every broken home, with all traces: its output and log", leakFailures},
		{"typos", "a secret typed in the wrong place of a command line", leakTypos},
		{"addresses", "a password inside an address, wherever an address may stand", leakAddresses},
		{"crash", "a process stopped by a signal: core file, stack trace, limits", leakCrash},
		{"terminal", "hostile text from registries, files, helpers: what reaches the terminal", leakTerminal},
		{"modes", "whatever is made under umask 000 and 077", leakModes},
		{"links", "links, pipes and folders of others in the place of ours", leakLinks},
		{"users", "another user, and root in another's home", leakUsers},
		{"registries", "registries that flood, stall, redirect or point elsewhere", leakRegistries},
		{"files", "config files and helper names made to harm", leakFiles},
		{"path", "programs put into PATH", leakPath},
	}
	rows := make([]string, len(groups))
	t.Cleanup(func() {
		if slices.Contains(rows, "") {
			return // a table of half of it would promise too much
		}
		table := "`go test -run Leak ./scripts/acceptance`\n\n| group | what was tried | runs | looks | leaks |\n| --- | --- | ---: | ---: | ---: |\n" + strings.Join(rows, "")
		if err := page.Publish("scripts/repocheck/README.md", "leaks", table); err != nil {
			t.Error(err)
		}
	})
	for i, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			begin, tried := time.Now(), &tally{}
			g.run(t, tried)
			if tried.runs == 0 || tried.looks == 0 {
				t.Error("nothing was tried")
			}
			t.Logf("%d runs, %d looks, %v", tried.runs, tried.looks, time.Since(begin).Round(time.Millisecond))
			if !t.Failed() {
				rows[i] = fmt.Sprintf("| %s | %s | %d | %d | 0 |\n", g.name, g.about, tried.runs, tried.looks)
			}
		})
	}
}

// scene is a home with nothing in it, and the secrets that are looked for.
type scene struct {
	t       *testing.T
	tried   *tally
	home    string
	env     []string
	secrets []string
}

func newScene(t *testing.T, tried *tally) *scene {
	t.Helper()
	return &scene{t: t, tried: tried, home: t.TempDir(), secrets: []string{"canary-" + rand.Text()}}
}

// secret is the password of the scene.
func (s *scene) secret() string { return s.secrets[0] }

// outcome is how a program ended.
type outcome struct {
	out, err string
	code     int
	took     time.Duration
}

func (o outcome) text() string { return o.out + o.err }

// runLimit ends a program that hangs. Nothing here takes a tenth of it.
const runLimit = 40 * time.Second

// command prepares a program in the scene's home.
func (s *scene) command(ctx context.Context, stdin string, args ...string) *exec.Cmd {
	cmd := testenv.CommandContext(ctx, testenv.Environ(s.home, s.env...), args[0], args[1:]...)
	cmd.Dir = s.home
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = time.Second
	return cmd
}

// run runs a program to its end.
func (s *scene) run(stdin string, args ...string) outcome {
	s.t.Helper()
	return s.finish(func(ctx context.Context) *exec.Cmd { return s.command(ctx, stdin, args...) })
}

func (s *scene) finish(prepare func(context.Context) *exec.Cmd) outcome {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := prepare(ctx)
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err := cmd.Run()
	s.tried.runs++
	o := outcome{out: out.String(), err: errs.String(), took: time.Since(begin)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		s.t.Fatalf("%q hangs:\n%s", canary.Redact(strings.Join(cmd.Args, " "), s.secrets...), canary.Redact(o.text(), s.secrets...))
	case errors.As(err, &exit):
		o.code = exit.ExitCode()
	case err != nil:
		s.t.Fatalf("%q: %v", cmd.Args[0], err)
	}
	if strings.Contains(o.err, "goroutine ") {
		s.t.Errorf("%q panics:\n%s", cmd.Args, canary.Redact(o.err, s.secrets...))
	}
	return o
}

// must runs what has to succeed.
func (s *scene) must(stdin string, args ...string) outcome {
	s.t.Helper()
	o := s.run(stdin, args...)
	if o.code != 0 {
		s.t.Fatalf("%q: exit code %d:\n%s", canary.Redact(strings.Join(args, " "), s.secrets...), o.code, canary.Redact(o.text(), s.secrets...))
	}
	return o
}

// silent looks for the secrets in what was said.
func redacted(text string, secrets []string) string { return canary.Redact(text, secrets...) }

func (s *scene) silent(what, text string) {
	s.t.Helper()
	s.tried.looks++
	if how := canary.Find([]byte(text), s.secrets...); how != "" {
		s.t.Errorf("%s: a secret (%s) in:\n%s", what, how, canary.Redact(text, s.secrets...))
	}
}

// path is a path below the home.
func (s *scene) path(parts ...string) string {
	return filepath.Join(append([]string{s.home}, parts...)...)
}

// write makes a file of a mode below the home and its folders.
func (s *scene) write(name, text string, mode os.FileMode) string {
	s.t.Helper()
	path := s.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		s.t.Fatal(err)
	}
	return path
}

// payload is what a client gives the helper to store.
func payload(server, user, secret string) string {
	text, _ := json.Marshal(map[string]string{"ServerURL": server, "Username": user, "Secret": secret}) // strings always marshal
	return string(text)
}

// one is the only file of a pattern below the home.
func (s *scene) one(pattern string) string {
	s.t.Helper()
	found, err := filepath.Glob(s.path(pattern))
	if err != nil || len(found) != 1 {
		s.t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

const (
	entries  = ".local/share/regshape/v1/g-*/[0-9a-v]*"
	stateDir = ".local/state/regshape"
	keyPath  = stateDir + "/key"
)
