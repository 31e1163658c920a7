// Command mutate asks whether the tests would notice. It breaks the code of a package in
// one place at a time (a condition negated, a call left out, an error forgotten, a number
// off by one) and runs the tests that reach that place. What no test notices has survived:
// a test is missing, or explained.txt says why none is needed.
//
//	go run ./scripts/mutate                  # all of package store, from the top of the tree
//	go run ./scripts/mutate -n 40 -seed 7    # 40 of them, drawn by lot
//	go run ./scripts/mutate -list            # number and text of each
//	go run ./scripts/mutate -match 'mark:'   # those whose file, function or text matches
//	go run ./scripts/mutate -run 12          # one, with what the tests say
//	go run ./scripts/mutate -write           # also put the counts into README.md beside it
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"regshape/scripts/page"
)

//go:embed explained.txt
var explained string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], explained, os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

type options struct {
	pattern  string
	sample   int
	seed     uint64
	only     int
	match    *regexp.Regexp
	skip     *regexp.Regexp
	workers  int
	patience time.Duration
	list     bool
	all      bool
	write    bool
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.pattern, "package", "./store", "the package to break")
	flags.IntVar(&o.sample, "n", 0, "try so many, drawn by lot; 0 tries all")
	flags.Uint64Var(&o.seed, "seed", 1, "which lot")
	flags.BoolVar(&o.list, "list", false, "only list the mutants")
	flags.IntVar(&o.only, "run", 0, "try this one, and show what the tests say")
	match := flags.String("match", "", "only those whose file, function or text matches a regular expression")
	skip := flags.String("skip", "^TestTamper", "leave out tests whose name matches: these would take minutes for each mutant that they reach")
	flags.IntVar(&o.workers, "workers", 2, "how many to try at once")
	flags.DurationVar(&o.patience, "patience", 10*time.Second, "how much longer than usual tests may take before they are taken to hang")
	flags.BoolVar(&o.all, "explained", false, "try those that are explained, too")
	flags.BoolVar(&o.write, "write", false, "rewrite the counts in scripts/mutate/README.md")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.match, err = regexp.Compile(*match); err != nil {
		return o, fmt.Errorf("-match: %w", err)
	}
	if o.skip, err = regexp.Compile(*skip); err != nil {
		return o, fmt.Errorf("-skip: %w", err)
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%q is no flag", flags.Arg(0))
	case o.workers < 1:
		return o, errors.New("-workers must be 1 or more")
	case o.write && (o.sample > 0 || o.only > 0 || *match != ""):
		return o, errors.New("-write needs a run over all mutants")
	}
	return o, nil
}

func run(ctx context.Context, args []string, explained string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return errors.New("it needs linux, whose build of the package it breaks")
	}
	reasons, err := readExplained(explained)
	if err != nil {
		return err
	}
	begin := time.Now()
	s, err := load(ctx, o.pattern)
	if err != nil {
		return err
	}
	if o.list {
		for _, m := range s.mutants {
			if !o.match.MatchString(describe(m)) {
				continue
			}
			fmt.Fprintf(stdout, "%d\t%s:%d\t%s\n", m.id, m.file, m.line, m.key())
		}
		return nil
	}
	if missing := gone(reasons, s.mutants); len(missing) > 0 {
		return fmt.Errorf("explained.txt names what is not in the code:\n%s", strings.Join(missing, "\n"))
	}
	chosen, err := choose(s.mutants, reasons, o)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(fastest(), "regshape-mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	h := &harness{work: work, mutants: len(s.mutants), skip: o.skip, patience: o.patience}
	if h.binary, err = s.compile(ctx, work); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d mutants; running each test alone, over unchanged code\n", len(s.mutants))
	if err := h.prepare(ctx, s.dir); err != nil {
		return err
	}
	if o.only > 0 {
		result, out, err := h.try(ctx, o.only)
		fmt.Fprintf(stdout, "%s\n%s: %s\n", out, describe(chosen[0]), result)
		return err
	}
	fmt.Fprintf(stderr, "%d tests; trying %d mutants\n", len(h.tests), len(chosen))
	results, err := h.tryAll(ctx, chosen, o.workers, stderr)
	if err != nil {
		return err
	}
	r := report{mutants: s.mutants, tried: chosen, results: results, reasons: reasons, tests: len(h.tests), took: time.Since(begin)}
	fmt.Fprint(stdout, r.text())
	if o.write {
		if err := page.Write("scripts/mutate/README.md", "mutation", "`make mutate`: package `store`, one line broken at a time.\n\n"+r.table()); err != nil {
			return err
		}
	}
	if n := len(r.unexplained()); n > 0 {
		return fmt.Errorf("%d mutants survived and are not explained", n)
	}
	return nil
}

// choose returns the mutants to try. What is explained is not tried unless asked for: it
// would survive all tests there are, the slowest included.
func choose(all []mutant, reasons map[string]string, o options) ([]mutant, error) {
	if o.only > len(all) || o.only < 0 {
		return nil, fmt.Errorf("there are the mutants 1 to %d", len(all))
	}
	if o.only > 0 {
		return all[o.only-1 : o.only], nil
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(m mutant) bool {
		return !o.all && reasons[m.key()] != "" || !o.match.MatchString(describe(m))
	})
	lot := rand.New(rand.NewPCG(o.seed, 0))
	lot.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
	if o.sample > 0 && o.sample < len(chosen) {
		chosen = chosen[:o.sample]
	}
	return chosen, nil
}

// fastest is a folder in memory where there is one: the tests sync a great deal.
func fastest() string {
	if exists("/dev/shm") {
		return "/dev/shm"
	}
	return ""
}
