// Command mutate checks that the tests notice broken code. It changes package store, and what
// stands below it of files and processes, in one place at a time (a condition negated, a call
// left out, an error dropped, a number off by one) and runs the tests that reach that place.
// A mutant that no test notices has survived: a test is missing, or explained.txt says why
// none is needed.
//
//	go run ./scripts/mutate                  # all, from the top of the tree
//	go run ./scripts/mutate -n 40 -seed 7    # 40 of them, drawn by lot
//	go run ./scripts/mutate -match 'mark:'   # those whose file, function or text matches
//
// A usual run leaves out what is explained; -match tries it, too. With REGSHAPE_WRITE=1 a run
// over all writes the counts into README.md beside this file.
package main

import (
	"cmp"
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
	"sync"
	"syscall"
	"time"

	"regshape/scripts/page"
)

//go:embed explained.txt
var explained string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, store(), os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// options says what to break, and which of it.
type options struct {
	packages  []string // one, and parts of it
	users     []string // packages whose tests notice what those of the packages do not
	skip      *regexp.Regexp
	patience  time.Duration // how much longer than usual tests may take before they are taken to hang
	explained string
	document  string // where the counts of a whole run go; "" for nowhere

	sample int
	seed   uint64
	match  *regexp.Regexp
}

// store has the packages that the command is about. TestTamper would take minutes for each
// mutant that it reaches, and TestStart is about programs that hang.
func store() options {
	return options{
		packages: []string{"./store", "./store/durable", "./store/process"}, users: []string{"./store/source"},
		skip:     regexp.MustCompile("^(TestTamper|TestStart)"),
		patience: 10 * time.Second, explained: explained, document: "scripts/mutate/README.md",
	}
}

func (o options) parse(args []string, stderr io.Writer) (options, error) {
	flags := flag.NewFlagSet("mutate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.sample, "n", 0, "try so many, drawn by lot; 0 tries all")
	flags.Uint64Var(&o.seed, "seed", 1, "which lot")
	match := flags.String("match", "", "only those whose file, function or text matches a regular expression")
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("%q is not a flag", flags.Arg(0))
	}
	if err == nil && *match != "" {
		o.match, err = regexp.Compile(*match)
	}
	return o, err
}

func run(ctx context.Context, o options, args []string, stdout, stderr io.Writer) error {
	o, err := o.parse(args, stderr)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return errors.New("it needs linux, whose build of the packages it changes")
	}
	reasons, err := readExplained(o.explained)
	if err != nil {
		return err
	}
	begin := time.Now()
	s, err := load(ctx, o.packages...)
	if err != nil {
		return err
	}
	if missing := gone(reasons, s.mutants); len(missing) > 0 {
		return fmt.Errorf("explained.txt names what is not in the code:\n%s", strings.Join(missing, "\n"))
	}
	chosen := choose(s.mutants, reasons, o)
	work, err := os.MkdirTemp(fastest(), "regshape-mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	h := &harness{work: work, mutants: len(s.mutants), skip: o.skip, patience: o.patience}
	suites, err := s.compile(ctx, work, o.users)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d mutants; running each test alone, over unchanged code\n", len(s.mutants))
	for _, suite := range suites {
		if err := h.prepare(ctx, suite); err != nil {
			return err
		}
	}
	h.sort()
	fmt.Fprintf(stderr, "%d tests; trying %d mutants\n", len(h.tests), len(chosen))
	results, err := h.tryAll(ctx, chosen, stderr)
	if err != nil {
		return err
	}
	r := report{mutants: s.mutants, tried: chosen, results: results, reasons: reasons}
	fmt.Fprintf(stdout, "%s\n%d tried with %d tests in %s\n", r.text(), len(chosen), len(h.tests), time.Since(begin).Round(time.Second))
	if o.document != "" && o.sample == 0 && o.match == nil {
		if err := page.Publish(o.document, "mutation", "`make mutate`: packages `store`, `store/durable` and `store/process`, one line broken at a time.\n\n"+r.table()); err != nil {
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
func choose(all []mutant, reasons map[string]string, o options) []mutant {
	chosen := slices.DeleteFunc(slices.Clone(all), func(m mutant) bool {
		if o.match != nil {
			return !o.match.MatchString(describe(m))
		}
		return reasons[m.key()] != ""
	})
	lot := rand.New(rand.NewPCG(o.seed, 0))
	lot.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
	if o.sample > 0 && o.sample < len(chosen) {
		chosen = chosen[:o.sample]
	}
	return chosen
}

// fastest is a directory in memory where there is one: the tests sync a great deal.
func fastest() string {
	if exists("/dev/shm") {
		return "/dev/shm"
	}
	return ""
}

func (v verdict) String() string {
	return [...]string{survived: "survived", unreached: "no test reaches it", killed: "killed", hung: "killed when it hung"}[v]
}

func describe(m mutant) string { return fmt.Sprintf("%s:%d: %s", m.file, m.line, m.key()) }

// tryAll tries mutants, two at once.
func (h *harness) tryAll(ctx context.Context, chosen []mutant, progress io.Writer) (map[int]verdict, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		failure error
	)
	results := map[int]verdict{}
	queue := make(chan mutant)
	for range 2 {
		wg.Go(func() {
			for m := range queue {
				result, _, err := h.try(ctx, m.id)
				mu.Lock()
				if err != nil {
					failure = errors.Join(failure, err)
					stop()
				}
				results[m.id] = result
				if result != killed {
					fmt.Fprintf(progress, "%d/%d %s: %s\n", len(results), len(chosen), result, describe(m))
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range chosen {
		if ctx.Err() != nil {
			break
		}
		queue <- m
	}
	close(queue)
	wg.Wait()
	return results, errors.Join(failure, ctx.Err())
}

type report struct {
	mutants, tried []mutant
	results        map[int]verdict
	reasons        map[string]string
}

// unexplained returns what no test has noticed, and no reason is given for.
func (r report) unexplained() []mutant {
	var left []mutant
	for _, m := range r.tried {
		if v := r.results[m.id]; (v == survived || v == unreached) && r.reasons[m.key()] == "" {
			left = append(left, m)
		}
	}
	slices.SortFunc(left, func(a, b mutant) int { return cmp.Compare(a.id, b.id) })
	return left
}

// table writes the counts in Markdown.
func (r report) table() string {
	counts := map[verdict]int{}
	for _, m := range r.tried {
		if r.reasons[m.key()] == "" {
			counts[r.results[m.id]]++
		}
	}
	var b strings.Builder
	b.WriteString("| mutants | killed by a test | killed when they hung | survived | no test reaches | explained |\n| --: | --: | --: | --: | --: | --: |\n")
	fmt.Fprintf(&b, "| %d | %d | %d | %d | %d | %d |\n", len(r.mutants), counts[killed], counts[hung], counts[survived], counts[unreached], len(r.reasons))
	return b.String()
}

// text is the report for a terminal.
func (r report) text() string {
	var b strings.Builder
	for _, m := range r.unexplained() {
		fmt.Fprintf(&b, "%s (%s)\n", describe(m), r.results[m.id])
	}
	for _, m := range r.tried {
		if v := r.results[m.id]; r.reasons[m.key()] != "" && (v == killed || v == hung) {
			fmt.Fprintf(&b, "explained, and yet %s: %s\n", v, describe(m))
		}
	}
	return b.String() + r.table()
}

// readExplained reads the mutants that no test has to kill: lines that each name one, and
// below them, indented, why. Empty lines stand between, and "#" begins a comment.
func readExplained(text string) (map[string]string, error) {
	reasons := map[string]string{}
	var keys []string
	told := false
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || strings.HasPrefix(line, "#"):
			continue
		case trimmed == line:
			if told {
				keys, told = nil, false
			}
			if _, twice := reasons[line]; twice {
				return nil, fmt.Errorf("explained.txt:%d: it stands there twice", i+1)
			}
			keys = append(keys, line)
			reasons[line] = ""
		case len(keys) == 0:
			return nil, fmt.Errorf("explained.txt:%d: a reason without a mutant", i+1)
		default:
			told = true
			for _, key := range keys {
				reasons[key] = strings.TrimSpace(reasons[key] + " " + trimmed)
			}
		}
	}
	for key, reason := range reasons {
		if reason == "" {
			return nil, fmt.Errorf("explained.txt: %s: no reason is given", key)
		}
	}
	return reasons, nil
}

// gone lists what is explained and cannot be found in the code any more.
func gone(reasons map[string]string, mutants []mutant) []string {
	there := map[string]bool{}
	for _, m := range mutants {
		there[m.key()] = true
	}
	var missing []string
	for key := range reasons {
		if !there[key] {
			missing = append(missing, key)
		}
	}
	return missing
}
