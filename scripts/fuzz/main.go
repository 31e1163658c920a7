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
	"os/signal"
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
	targets, err := list(ctx)
	if err != nil {
		return err
	}
	var results []result
	for i, t := range targets {
		fmt.Fprintf(stderr, "%d/%d %s %s\n", i+1, len(targets), t.pkg, t.name)
		r, output, err := t.fuzz(ctx, *budget)
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

// target is one fuzz target.
type target struct{ pkg, name string }

// result is what a run of one has done.
type result struct {
	target
	executions, corpus, found int // corpus: the inputs that each reach other code; found: those of this run
	took                      time.Duration
}

// list asks go test for all targets below the present directory.
func list(ctx context.Context) ([]target, error) {
	out, err := testenv.CommandContext(ctx, testenv.Go(), "go", "test", "-list", "^Fuzz", "./...").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("list the targets: %w\n%s", err, out)
	}
	targets := parseList(string(out))
	if len(targets) == 0 {
		return nil, errors.New("there is no fuzz target here: run it from the top of the tree")
	}
	return targets, nil
}

// parseList reads the names of targets, which come before the line of their package.
func parseList(out string) []target {
	var targets []target
	var names []string
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		switch {
		case len(words) == 1 && strings.HasPrefix(words[0], "Fuzz"):
			names = append(names, words[0])
		case len(words) >= 2 && words[0] == "ok":
			for _, name := range names {
				targets = append(targets, target{words[1], name})
			}
			names = nil
		}
	}
	return targets
}

// fuzz runs a target and returns what go test printed, too.
func (t target) fuzz(ctx context.Context, budget string) (result, []byte, error) {
	begun := time.Now()
	cmd := testenv.CommandContext(ctx, testenv.Go(), "go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", budget,
		// The default, a minute, can be spent on making one input shorter.
		"-fuzzminimizetime", "2s", t.pkg)
	out, err := cmd.CombinedOutput()
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
