package acceptance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"regshape/credhelper"
	"regshape/scripts/advice"
	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
)

// tally counts what a group tried.
type tally struct{ runs, looks atomic.Int64 }

// parallel runs a parallel subtest with its own scene.
func (tried *tally) parallel(t *testing.T, name string, part func(s *scene)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		part(newScene(t, tried))
	})
}

// inParts runs parts in parallel, each with its own sample.
func (tried *tally) inParts(t *testing.T, parts ...part) {
	for _, p := range parts {
		tried.parallel(t, p.name, func(s *scene) {
			s.sample = testenv.NewSample(s.t, p.oneIn)
			p.run(s)
		})
	}
}

type part struct {
	name  string
	oneIn int // of how many combinations one is tried
	run   func(s *scene)
}

// inOrder ranges over a map in the order of its keys, as a sample needs.
func inOrder[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

// scene is an empty home, and the secrets that are looked for.
type scene struct {
	t       *testing.T
	tried   *tally
	home    string
	env     []string
	secrets []string
	sample  *testenv.Sample // of what it runs; all of it where that is nil
}

// newHome is a scene whose runs are not counted.
func newHome(t *testing.T) *scene {
	t.Helper()
	return newScene(t, &tally{})
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

// runLimit ends a program that hangs. Nothing here takes a tenth of that.
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
	s.tried.runs.Add(1)
	o := outcome{out: out.String(), err: errs.String(), took: time.Since(begin)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		s.t.Fatalf("%q hangs:\n%s", s.redact(strings.Join(cmd.Args, " ")), s.redact(o.text()))
	case errors.As(err, &exit):
		o.code = exit.ExitCode()
	case err != nil:
		s.t.Fatalf("%q: %v", cmd.Args[0], err)
	}
	program, helper := credhelper.Named(cmd.Args[0], credhelper.Program)
	if missing := advice.Missing(helper, o.out, o.err); o.code > 0 && (helper || program == "regshape") && len(missing) > 0 {
		s.t.Errorf("%q says nothing of what to do: %q", s.redact(strings.Join(cmd.Args, " ")), s.redact(strings.Join(missing, "\n")))
	}
	if strings.Contains(o.err, "goroutine ") {
		s.t.Errorf("%q panics:\n%s", cmd.Args, s.redact(o.err))
	}
	return o
}

// must runs a program that has to succeed.
func (s *scene) must(stdin string, args ...string) outcome {
	s.t.Helper()
	o := s.run(stdin, args...)
	if o.code != 0 {
		s.t.Fatalf("%q: exit code %d:\n%s", s.redact(strings.Join(args, " ")), o.code, s.redact(o.text()))
	}
	return o
}

// silent checks that a text contains none of the secrets.
func (s *scene) silent(what, text string) {
	s.t.Helper()
	s.tried.looks.Add(1)
	if how := canary.Find([]byte(text), s.secrets...); how != "" {
		s.t.Errorf("%s: a secret (%s) in:\n%s", what, how, s.redact(text))
	}
}

// redact hides the secrets in the output of a failed test.
func (s *scene) redact(text string) string { return canary.Redact(text, s.secrets...) }

// path is a path below the home.
func (s *scene) path(parts ...string) string {
	return filepath.Join(append([]string{s.home}, parts...)...)
}

// write creates a file below the home, with its directories.
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

// payload is the input of the helper's store.
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

// read is the text of a file below the home.
func (s *scene) read(name string) string {
	s.t.Helper()
	data, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

// all are the files of a pattern below the home, at least one.
func (s *scene) all(pattern string) []string {
	s.t.Helper()
	found, err := filepath.Glob(s.path(pattern))
	if err != nil || len(found) == 0 {
		s.t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found
}

// damage flips one bit of a file.
func (s *scene) damage(file string) {
	s.t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		data[len(data)/2] ^= 1
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

const (
	entries  = ".local/share/regshape/v1/g-*/[0-9a-v]*"
	stateDir = ".local/state/regshape"
	keyPath  = stateDir + "/key"
)
