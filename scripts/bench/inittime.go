package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// initCost is what the initialization of a package costs before main begins.
type initCost struct {
	name          string
	nanoseconds   int64
	bytes, allocs int64
}

// initLine is what the Go run-time prints of each package under GODEBUG=inittrace=1
// (documented in package runtime).
var initLine = regexp.MustCompile(`^init (\S+) @[\d.]+ ms, ([\d.]+) ms clock, (\d+) bytes, (\d+) allocs`)

// initCosts runs o several times and returns the medians for each package, the dearest
// first, with their sum at the end.
func initCosts(ctx context.Context, o *operation) ([]initCost, error) {
	const often = 21
	runs := map[string][]initCost{}
	const all = "all packages"
	for range often {
		cmd, done, err := o.start(ctx)
		if err != nil {
			return nil, err
		}
		cmd.Env = append(cmd.Env, "GODEBUG=inittrace=1")
		var log bytes.Buffer
		cmd.Stderr = &log
		err = cmd.Run()
		done()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o, err)
		}
		sum := initCost{name: all}
		for _, c := range parseInit(log.String()) {
			runs[c.name] = append(runs[c.name], c)
			sum.nanoseconds += c.nanoseconds
			sum.bytes += c.bytes
			sum.allocs += c.allocs
		}
		runs[all] = append(runs[all], sum)
	}
	total := medianCost(runs[all])
	delete(runs, all)
	var costs []initCost
	for run := range maps.Values(runs) {
		costs = append(costs, medianCost(run))
	}
	slices.SortFunc(costs, func(a, b initCost) int {
		return cmp.Or(cmp.Compare(b.nanoseconds, a.nanoseconds), cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.name, b.name))
	})
	return append(costs, total), nil
}

// medianCost takes the median of each figure on its own.
func medianCost(runs []initCost) initCost {
	var nanoseconds, bytes, allocs []int64
	for _, c := range runs {
		nanoseconds, bytes, allocs = append(nanoseconds, c.nanoseconds), append(bytes, c.bytes), append(allocs, c.allocs)
	}
	return initCost{runs[0].name, median(nanoseconds), median(bytes), median(allocs)}
}

func parseInit(text string) []initCost {
	var costs []initCost
	for line := range strings.Lines(text) {
		m := initLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		// The pattern admits no text that these refuse, but for a number too large.
		milliseconds, _ := strconv.ParseFloat(m[2], 64)
		bytes, _ := strconv.ParseInt(m[3], 10, 64)
		allocs, _ := strconv.ParseInt(m[4], 10, 64)
		costs = append(costs, initCost{m[1], int64(milliseconds*1e6 + 0.5), bytes, allocs})
	}
	return costs
}
