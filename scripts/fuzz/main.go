// Command fuzz runs every fuzz target of the tree for a while, one after the other, and
// says how much each has tried. The first one that fails ends it: its output, which names
// the input that was kept, comes last, and the exit status is 1.
//
//	go run ./scripts/fuzz                  # from the top of the tree, 30 s for each
//	go run ./scripts/fuzz -time 20000x     # so many inputs for each
//
// With REGSHAPE_WRITE=1 it also writes the table into README.md beside this file.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"regshape/scripts/page"
	"regshape/scripts/testenv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	flags.SetOutput(stderr)
	budget := flags.String("time", "30s", "how long each target runs, or with x at its end how many inputs it gets; as go test -fuzztime")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	work, err := os.MkdirTemp("", "regshape-fuzz-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	targets, err := list(ctx, work)
	if err != nil {
		return err
	}
	cache, err := testenv.CommandContext(ctx, testenv.Go(), "go", "env", "GOCACHE").Output()
	if err != nil {
		return err
	}
	found := filepath.Join(strings.TrimSpace(string(cache)), "fuzz") // where go test keeps inputs, too
	var results []result
	for i, t := range targets {
		fmt.Fprintf(stderr, "%d/%d %s %s\n", i+1, len(targets), t.pkg, t.name)
		r, output, err := t.fuzz(ctx, *budget, found)
		if err != nil {
			_, _ = stderr.Write(output)
			return fmt.Errorf("%s in %s: %w", t.name, t.pkg, err)
		}
		results = append(results, r)
	}
	report := table(*budget, results)
	if _, err := io.WriteString(stdout, report); err != nil {
		return err
	}
	return page.Publish("scripts/fuzz/README.md", "fuzz", report)
}

// target is one fuzz target, and the test program that has it.
type target struct{ pkg, dir, program, name string }

// result is what a run of one has done.
type result struct {
	target
	executions, corpus, found int // corpus: the inputs that each reach other code; found: those of this run
	took                      time.Duration
}

// list finds all targets below the present directory, and builds into work the test programs
// that have them, each once: linking takes longer than a short run.
func list(ctx context.Context, work string) ([]target, error) {
	out, err := testenv.CommandContext(ctx, testenv.Go(), "go", "list", "-f", "{{.ImportPath}}\t{{.Dir}}", "./...").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w\n%s", err, out)
	}
	var targets []target
	for line := range strings.Lines(string(out)) {
		t := target{program: filepath.Join(work, fmt.Sprint(len(targets)))}
		t.pkg, t.dir, _ = strings.Cut(strings.TrimSpace(line), "\t")
		if has, err := t.fuzzed(); err != nil || !has {
			if err != nil {
				return nil, err
			}
			continue
		}
		if out, err := t.command(ctx, "go", "test", "-c", "-fuzz", "^Fuzz", "-o", t.program, t.pkg).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the tests of %s: %w\n%s", t.pkg, err, out)
		}
		names, err := t.command(ctx, t.program, "-test.list", "^Fuzz").Output()
		if err != nil {
			return nil, fmt.Errorf("list the targets of %s: %w", t.pkg, err)
		}
		for _, t.name = range strings.Fields(string(names)) {
			targets = append(targets, t)
		}
	}
	if len(targets) == 0 {
		return nil, errors.New("there is no fuzz target here: run it from the top of the tree")
	}
	return targets, nil
}

// fuzzed reports whether the package may have targets.
func (t target) fuzzed() (bool, error) {
	files, err := filepath.Glob(filepath.Join(t.dir, "*_test.go"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || bytes.Contains(text, []byte("\nfunc Fuzz")) {
			return err == nil, err
		}
	}
	return false, err
}

// command runs where go test runs the tests of the package.
func (t target) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := testenv.CommandContext(ctx, testenv.Go(), name, args...)
	cmd.Dir = t.dir
	return cmd
}

// fuzz runs a target as go test does, and returns what it printed, too.
func (t target) fuzz(ctx context.Context, budget, found string) (result, []byte, error) {
	begun := time.Now()
	out, err := t.command(ctx, t.program, "-test.paniconexit0", "-test.run", "^$", "-test.fuzz", "^"+t.name+"$", "-test.fuzztime", budget,
		// The default, a minute, can be spent on making one input shorter.
		"-test.fuzzminimizetime", "2s", "-test.fuzzcachedir", filepath.Join(found, t.pkg)).CombinedOutput()
	if err != nil {
		return result{}, out, err
	}
	r, err := parseProgress(string(out))
	r.target, r.took = t, time.Since(begun)
	return r, out, err
}

// progress is a line of go test's; the last one has the sums.
var progress = regexp.MustCompile(`(?m)^fuzz: elapsed: \S+, execs: (\d+) \(\d+/sec\), new interesting: (\d+) \(total: (\d+)\)$`)

func parseProgress(out string) (result, error) {
	lines := progress.FindAllStringSubmatch(strings.ReplaceAll(out, "\r\n", "\n"), -1)
	if len(lines) == 0 {
		return result{}, errors.New("go test says nothing of executions")
	}
	var n [3]int
	for i, digits := range lines[len(lines)-1][1:] {
		var err error
		if n[i], err = strconv.Atoi(digits); err != nil {
			return result{}, fmt.Errorf("read the number of executions: %w", err)
		}
	}
	return result{executions: n[0], found: n[1], corpus: n[2]}, nil
}

// table writes the report in Markdown.
func table(budget string, results []result) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "`REGSHAPE_WRITE=1 make fuzz FUZZTIME=%s`; no input failed.\n\n", budget)
	fmt.Fprintf(&b, "| target | package | executions | seconds | inputs kept as different | new ones |\n| --- | --- | --: | --: | --: | --: |\n")
	var sum result
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d |\n", r.name, strings.TrimPrefix(r.pkg, "regshape/"),
			page.Thousands(r.executions), int(r.took.Seconds()), r.corpus, r.found)
		sum.executions += r.executions
		sum.took += r.took
		sum.corpus += r.corpus
		sum.found += r.found
	}
	fmt.Fprintf(&b, "| **all %d** | | %s | %d | %d | %d |\n", len(results),
		page.Thousands(sum.executions), int(sum.took.Seconds()), sum.corpus, sum.found)
	return b.String()
}
