package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseTrace(t *testing.T) {
	got := parseTrace(`10 openat(AT_FDCWD, "/a", O_RDONLY) = 3
10 openat(AT_FDCWD, "/missing", O_RDONLY) = -1 ENOENT (No such file or directory)
10 openat(AT_FDCWD, "/b", O_RDONLY <unfinished ...>
11 openat(AT_FDCWD, "/gone", O_RDONLY <unfinished ...>
11 <... openat resumed>) = -1 ENOENT (No such file or directory)
10 <... openat resumed>)             = 4
10 +++ exited with 0 +++
`)
	if got.calls != 4 || !slices.Equal(got.opened, []string{"/a", "/b"}) {
		t.Errorf("got %+v", got)
	}
	got.opened = append(got.opened, "/tmp/x/store-1/config", "/tmp/x/store-1/config", "/tmp/xy")
	beyond := got.beyond(trace{opened: []string{"/a"}}, "/tmp/x")
	if want := []string{"/b", "STORE/config", "/tmp/xy"}; !slices.Equal(beyond, want) {
		t.Errorf("beyond the empty program it opens %q, want %q", beyond, want)
	}
}

func TestParseInit(t *testing.T) {
	got := parseInit(`init internal/bytealg @0.008 ms, 0 ms clock, 0 bytes, 0 allocs
init runtime @0.059 ms, 0.11 ms clock, 0 bytes, 0 allocs
something else
init example.com/a/b @12 ms, 1.5 ms clock, 2048 bytes, 17 allocs
`)
	want := []initCost{{name: "internal/bytealg"}, {name: "runtime", nanoseconds: 110_000}, {"example.com/a/b", 1_500_000, 2048, 17}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []int
		want   int
	}{{nil, 0}, {[]int{7}, 7}, {[]int{9, 1, 3}, 3}, {[]int{4, 3, 2, 1}, 3}} {
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
	for n, want := range map[int]string{1: "1", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %s", n, got)
		}
	}
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
		empty: op("", "", 0, 2), rounds: 7, dir: "/tmp/x", binary: 11 << 20,
		operations: []*operation{
			op(ours, actGet, 1, own1), op(ours, actGet, 100000, ownMost),
			op(plaintext, actGet, 1, plain1), op(plaintext, actGet, 100000, plainMost), op(passTool, actGet, 1, pass1),
		},
		inits: []initCost{{"a/b", 2000, 1024, 3}, {"c", 1000, 512, 0}, {"all packages", 3100, 2048, 5}},
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
	r.find(ours, actStore, 100000).faults = []int64{5, 1234, 2000}
	r.find(ours, actStore, 100000).trace = trace{calls: 300, opened: []string{"/a"}}
	report := r.report()
	for _, want := range []string{
		"| `get` | 1 | 1.50 | 2.00 | 45.0 | – |\n",
		"| `get` | 100,000 | 1.50 | 250 | – | – |\n",
		"| `list` | 10,000 | 65.0 | – | – | – |\n",
		"| `store` | 100,000 | 3.0 MiB | 1,234 | 300 | 1 |\n",
		"| `a/b` | 2 µs | 1.0 KiB | 3 |\n| `c` | 1 µs | 0.5 KiB | 0 |\n| all 2 packages | 3 µs | 2.0 KiB | 5 |\n",
		"which takes 2.00 ms here: medians of 7 interleaved rounds",
		"\nA note.\n",
		"\nFrom 7 rounds nothing follows about the times.\n",
		"strace is not installed",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		name string
		of   *results
		want []string // in the order of the rows
	}{
		{"all well but list", sample(3, 3, 4, 500, 90), []string{"met", "met", "met", "not measured", "**missed**", "met", "met"}},
		{"grows", sample(30, 40, 4, 500, 90), []string{"**missed**", "**missed**", "**missed**", "not measured", "**missed**", "met", "met"}},
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

// The chart is XML, says each figure, and has bars in the order of their ratios.
func TestChart(t *testing.T) {
	r := sample(3, 3, 4, 500, 90)
	chart := r.chart()
	if again := r.chart(); again != chart {
		t.Error("the same figures make another chart")
	}
	widths := map[string]bool{}
	var texts []string
	d := xml.NewDecoder(strings.NewReader(chart))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			for _, a := range token.Attr {
				if token.Name.Local == "rect" && a.Name.Local == "width" {
					widths[a.Value] = true
				}
			}
		case xml.CharData:
			texts = append(texts, string(token))
		}
	}
	for _, want := range []string{"regshape", "plaintext", "secretservice", "1 credential", "100,000 credentials", "1.50 ×", "250 ×", "not measured", "1,000 ×"} {
		if !slices.Contains(texts, want) {
			t.Errorf("the chart does not say %q", want)
		}
	}
	if len(widths) != 4 { // regshape's two are equal
		t.Errorf("the bars have %d widths", len(widths))
	}
	if one, hundred, thousand := barX(1, 3), barX(100, 3), barX(1000, 3); one != barsFrom || thousand != barsTo || math.Abs(hundred-one-2*(thousand-hundred)) > 0.01 {
		t.Errorf("the scale is not logarithmic: %v, %v, %v", one, hundred, thousand)
	}
}
