package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []time.Duration
		want   time.Duration
	}{{nil, 0}, {[]time.Duration{7}, 7}, {[]time.Duration{9, 1, 3}, 3}, {[]time.Duration{4, 3, 2, 1}, 3}} {
		before := slices.Clone(c.values)
		if got := median(c.values); got != c.want || !slices.Equal(before, c.values) {
			t.Errorf("median of %v is %d, want %d", before, got, c.want)
		}
	}
}

func TestEvery(t *testing.T) {
	for _, c := range []struct {
		estimate time.Duration
		rounds   int
		want     int
	}{{5 * time.Millisecond, 100, 1}, {110 * time.Millisecond, 100, 5}, {time.Minute, 100, 34}, {time.Minute, 2, 1}, {time.Minute, 1, 1}} {
		o := operation{estimate: c.estimate}
		got, runs := o.every(c.rounds), 0
		for round := range c.rounds {
			if round%got == 0 {
				runs++
			}
		}
		if got != c.want || runs < min(3, c.rounds) {
			t.Errorf("%v in %d rounds: once in %d, %d times in all; want once in %d", c.estimate, c.rounds, got, runs, c.want)
		}
	}
}

func TestFigures(t *testing.T) {
	for ratio, want := range map[float64]string{1.234: "1.23", 9.994: "9.99", 9.996: "10.0", 99.94: "99.9", 99.96: "100", 2345.6: "2,346"} {
		if got := figure(ratio); got != want {
			t.Errorf("figure(%v) = %s, want %s", ratio, got, want)
		}
	}
	if got, err := parseSizes("1, 50"); err != nil || !slices.Equal(got, []int{1, 50}) {
		t.Errorf("sizes: %v, %v", got, err)
	}
	for _, bad := range []string{"", "0", "1,x"} {
		if got, err := parseSizes(bad); err == nil {
			t.Errorf("sizes %q: %v", bad, got)
		}
	}
}

// sample has made-up figures for the sizes 1 and 100,000: those of get, in milliseconds, and
// an empty program that takes 2.
func sample(own1, ownMost, plain1, plainMost, pass1 int) *results {
	op := func(tool string, a action, size, took int) *operation {
		return &operation{tool: tool, action: a, size: size, times: []time.Duration{time.Duration(took) * time.Millisecond}}
	}
	r := &results{
		empty: op("", "", 0, 2), rounds: 7, binary: 11 << 20,
		operations: []*operation{
			op(ours, actGet, 1, own1), op(ours, actGet, 100000, ownMost),
			op(plaintext, actGet, 1, plain1), op(plaintext, actGet, 100000, plainMost), op(passTool, actGet, 1, pass1),
		},
		notes: []string{"A note."},
	}
	for _, a := range actions()[1:] {
		for _, size := range []int{1, 100000} {
			r.operations = append(r.operations, op(ours, a, size, 6))
		}
	}
	r.operations = append(r.operations, op(ours, actList, listGoal, 130))
	return r
}

func TestReport(t *testing.T) {
	r := sample(3, 3, 4, 500, 90)
	r.find(ours, actStore, 100000).peak = 3 << 20
	r.unlocked = &operation{tool: ours, action: actGet, size: 1, name: unlockedGet, times: r.empty.times}
	report := r.report()
	for _, want := range []string{
		"| `get` | 1 | 1.50 | 2.00 | 45.0 | – | – |\n",
		"| `get` | 100,000 | 1.50 | 250 | – | – | – |\n",
		"| `list` | 10,000 | 65.0 | – | – | – | – |\n",
		"| `store` | 100,000 | 3.00 | – | – | – | 3.0 MiB |\n",
		"| `get`, unlocked with a passphrase | 1 | 1.00 | – | – | – | – |\n",
		"which takes 2.00 ms here: medians of 7 interleaved rounds",
		"\nA note.\n",
		"\nThe times of only 7 rounds prove nothing.\n",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
}

func TestGoals(t *testing.T) {
	large := sample(30, 40, 4, 500, 90)
	large.find(ours, actGet, 1).peak = 11 << 20
	for _, c := range []struct {
		name string
		of   *results
		want []string // in the order of the rows
	}{
		{"all well but list", sample(3, 3, 4, 500, 90), []string{"met", "met", "**missed**", "not measured", "met", "not measured", "**missed**", "met", "not measured", "not measured", "not measured", "met"}},
		{"grows", large, []string{"**missed**", "**missed**", "met", "met", "**missed**", "not measured", "**missed**", "met", "not measured", "not measured", "not measured", "met"}},
	} {
		var got []string
		for line := range strings.Lines(c.of.goals()) {
			if !strings.HasPrefix(line, "|") {
				continue
			}
			cells := strings.Split(strings.TrimSpace(line), " | ")
			got = append(got, strings.TrimSuffix(cells[len(cells)-1], " |"))
		}
		if got = got[2:]; !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
