package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// With -f, strace begins each line with the thread, and cuts a call in two
// ("unfinished", "resumed") when another thread comes between.
var (
	callLine   = regexp.MustCompile(`^(\d+) +\w+\(`)
	openLine   = regexp.MustCompile(`^(\d+) +openat\([^"]*"([^"]*)".* (= \d+|<unfinished \.\.\.>)`)
	resumeLine = regexp.MustCompile(`^(\d+) +<\.\.\. openat resumed>.* = (-?\d+)`)
)

// trace is what a program asked of the kernel.
type trace struct {
	calls  int
	opened []string // paths, in order
}

// traceOften runs o under strace, several times, since Go's scheduler does not make the same
// number of calls each time, and keeps the run with the median of them.
func (o *operation) traceOften(ctx context.Context, dir string) error {
	const often = 5
	var traces []trace
	for range often {
		t, err := o.traceOnce(ctx, dir)
		if err != nil {
			return fmt.Errorf("%s: strace: %w", o, err)
		}
		traces = append(traces, t)
	}
	slices.SortFunc(traces, func(a, b trace) int { return a.calls - b.calls })
	o.trace = traces[often/2]
	return nil
}

func (o operation) traceOnce(ctx context.Context, dir string) (trace, error) {
	if err := o.prepare(ctx); err != nil {
		return trace{}, err
	}
	log := filepath.Join(dir, "strace")
	o.command = append([]string{"strace", "-f", "-o", log}, o.command...)
	if _, err := o.output(ctx); (err != nil) != o.fails {
		return trace{}, fmt.Errorf("unexpected result: %v", err) //nolint:errorlint // err may be nil
	}
	text, err := os.ReadFile(log)
	if err != nil {
		return trace{}, err
	}
	return parseTrace(string(text)), nil
}

// beyond returns which files were opened that an empty program does not open, each once,
// those below dir without the name of the store's folder.
func (t trace) beyond(empty trace, dir string) []string {
	var opened []string
	for _, path := range t.opened {
		if slices.Contains(empty.opened, path) {
			continue
		}
		if rest, ok := strings.CutPrefix(path, dir+"/"); ok {
			_, below, _ := strings.Cut(rest, "/")
			path = "STORE/" + below
		}
		if !slices.Contains(opened, path) {
			opened = append(opened, path)
		}
	}
	return opened
}

func parseTrace(text string) trace {
	var t trace
	waiting := map[string]string{} // thread: path
	for line := range strings.Lines(text) {
		if callLine.MatchString(line) {
			t.calls++
		}
		if m := openLine.FindStringSubmatch(line); m != nil {
			if m[3][0] == '=' {
				t.opened = append(t.opened, m[2])
			} else {
				waiting[m[1]] = m[2]
			}
		}
		if m := resumeLine.FindStringSubmatch(line); m != nil && m[2][0] != '-' {
			t.opened = append(t.opened, waiting[m[1]])
		}
	}
	return t
}
