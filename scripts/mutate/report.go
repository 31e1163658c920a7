package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

func (v verdict) String() string {
	return [...]string{survived: "survived", unreached: "no test reaches it", killed: "killed", hung: "killed when it hung"}[v]
}

func describe(m mutant) string { return fmt.Sprintf("%s:%d: %s", m.file, m.line, m.key()) }

// tryAll tries mutants, some at once.
func (h *harness) tryAll(ctx context.Context, chosen []mutant, workers int, progress io.Writer) (map[int]verdict, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		failure error
	)
	results := map[int]verdict{}
	queue := make(chan mutant)
	for range workers {
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
	tests          int
	took           time.Duration
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
	b.WriteString(r.table())
	fmt.Fprintf(&b, "\n%d tried with %d tests in %s\n", len(r.tried), r.tests, r.took.Round(time.Second))
	return b.String()
}
