package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"regshape/scripts/testenv"
)

// harness runs the tests of the one binary that holds every mutant.
type harness struct {
	binary, work string
	copied       map[string]string // what the tests read, from their folder, and where copies of it are
	mutants      int
	skip         *regexp.Regexp
	tests        []testCase
	patience     time.Duration // what a run may take beyond its usual time
}

// testCase is a test as it runs over unchanged code.
type testCase struct {
	name    string
	took    time.Duration
	reached []byte // 1 at the numbers of the mutants that it runs into
}

type verdict int

const (
	survived verdict = iota
	unreached
	killed
	hung // until it was killed
)

// prepare copies what the tests read, and runs each of them alone, which also shows that
// it passes on its own.
func (h *harness) prepare(ctx context.Context, dir string) error {
	if err := h.copy(dir); err != nil {
		return err
	}
	out, _, err := h.run(ctx, time.Minute, "-test.list=.", "MUTANT=0")
	if err != nil {
		return err
	}
	for name := range strings.FieldsSeq(out) {
		if strings.HasPrefix(name, "Benchmark") || h.skip.MatchString(name) {
			continue
		}
		record := filepath.Join(h.work, "reached-"+name)
		if err := os.WriteFile(record, make([]byte, h.mutants+1), 0o600); err != nil {
			return err
		}
		begin := time.Now()
		out, result, err := h.run(ctx, 5*time.Minute, "-test.run="+pattern(name), "MUTANT_RECORD="+record)
		if err != nil {
			return err
		}
		if result != survived {
			return fmt.Errorf("%s does not pass over unchanged code:\n%s", name, out)
		}
		reached, err := os.ReadFile(record)
		if err != nil {
			return err
		}
		h.tests = append(h.tests, testCase{name, time.Since(begin), reached})
	}
	slices.SortFunc(h.tests, func(a, b testCase) int { return cmp.Compare(a.took, b.took) })
	return nil
}

// copy copies the package's testdata and the documents beside the package.
func (h *harness) copy(dir string) error {
	h.copied = map[string]string{}
	if data := filepath.Join(dir, "testdata"); exists(data) {
		h.copied["testdata"] = filepath.Join(h.work, "testdata")
		if err := os.CopyFS(h.copied["testdata"], os.DirFS(data)); err != nil {
			return err
		}
	}
	documents, err := filepath.Glob(filepath.Join(dir, "..", "*.md"))
	for _, path := range documents {
		to := filepath.Join(h.work, filepath.Base(path))
		h.copied[filepath.Join("..", filepath.Base(path))] = to
		data, readErr := os.ReadFile(path)
		err = errors.Join(err, readErr, os.WriteFile(to, data, 0o600))
	}
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func pattern(names ...string) string { return "^(" + strings.Join(names, "|") + ")$" }

// quick is how long the tests of the first run of a mutant take together. Most mutants do
// not outlive it, and starting a process for each test would cost more than the tests.
const quick = 500 * time.Millisecond

// try runs the tests that reach a mutant, the quickest first, until one fails.
func (h *harness) try(ctx context.Context, id int) (verdict, string, error) {
	var batch []string
	var took time.Duration
	reached := false
	for i := 0; i <= len(h.tests); i++ {
		last := i == len(h.tests)
		if !last && h.tests[i].reached[id] == 0 {
			continue
		}
		if len(batch) > 0 && (last || took+h.tests[i].took > quick) {
			limit := h.patience + 4*took
			out, result, err := h.run(ctx, limit, "-test.failfast", "-test.run="+pattern(batch...), fmt.Sprint("MUTANT=", id))
			if err != nil || result != survived {
				return result, out, err
			}
			reached, batch, took = true, nil, 0
		}
		if !last {
			batch = append(batch, h.tests[i].name)
			took += h.tests[i].took
		}
	}
	if !reached {
		return unreached, "", nil
	}
	return survived, "", nil
}

// run starts the binary with flags and variables, in an empty folder: a mutant may take a
// relative path for an absolute one, and must not meet the tree.
func (h *harness) run(ctx context.Context, limit time.Duration, words ...string) (string, verdict, error) {
	home, err := os.MkdirTemp(h.work, "run-")
	if err != nil {
		return "", survived, err
	}
	defer os.RemoveAll(home)
	here := filepath.Join(home, "module", "package")
	if err := os.MkdirAll(here, 0o700); err != nil {
		return "", survived, err
	}
	for name, from := range h.copied {
		if err := os.Symlink(from, filepath.Join(here, name)); err != nil {
			return "", survived, err
		}
	}
	limited, stop := context.WithTimeout(ctx, limit)
	defer stop()
	cmd := testenv.CommandContext(limited, testenv.Environ(home, testenv.GoSettings()...), h.binary)
	cmd.Dir = here
	for _, w := range words {
		if strings.HasPrefix(w, "-") {
			cmd.Args = append(cmd.Args, w)
		} else {
			cmd.Env = append(cmd.Env, w)
		}
	}
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return out.String(), survived, nil
	case ctx.Err() != nil:
		return "", survived, ctx.Err()
	case limited.Err() != nil:
		return out.String(), hung, nil
	case errors.As(err, &exit):
		return out.String(), killed, nil
	}
	return "", survived, err
}
