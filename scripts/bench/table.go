package main

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const notMeasured = "–"

// report writes all that was found in Markdown.
func (r *results) report() string {
	return r.goals() + "\n" + r.comparison() + "\n" + r.usage() + "\n" + r.initTable()
}

// comparison is the table of the tools beside each other.
func (r *results) comparison() string {
	var b strings.Builder
	b.WriteString("| run | stored | " + strings.Join(toolNames(), " | ") + " |\n| --- | --: |" + strings.Repeat(" --: |", len(toolNames())) + "\n")
	for _, a := range actions() {
		for _, size := range r.sizes(a) {
			fmt.Fprintf(&b, "| `%s` | %s |", a, thousands(size))
			for _, tool := range toolNames() {
				b.WriteString(" " + r.cell(r.find(tool, a, size)) + " |")
			}
			b.WriteString("\n")
		}
	}
	if r.unlocked != nil {
		fmt.Fprintf(&b, "| %s | %s | %s |%s\n", r.unlocked, thousands(r.unlocked.size), r.cell(r.unlocked),
			strings.Repeat(" "+notMeasured+" |", len(toolNames())-1))
	}
	fmt.Fprintf(&b, "\nTimes of whole processes as multiples of an empty Go program, which takes %.2f ms here: medians of %d interleaved rounds"+
		" (of fewer where a run takes long); %s/%s, %s, %d CPUs. The ratios carry over to another machine, the times do not.\n",
		milliseconds(r.empty), r.rounds, runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.NumCPU())
	for _, note := range r.notes {
		fmt.Fprintf(&b, "%s\n", note)
	}
	return b.String()
}

func (r *results) cell(o *operation) string {
	if o == nil {
		return notMeasured
	}
	return figure(o.ratio(r.empty))
}

// usage is the table of what regshape itself takes: for all that does not grow with the
// store, of the largest one.
func (r *results) usage() string {
	var b strings.Builder
	b.WriteString("| regshape | stored | peak memory | minor faults | system calls | files opened |\n| --- | --: | --: | --: | --: | --: |\n")
	row := func(name, size string, o *operation) {
		memory, faults, calls, files := notMeasured, notMeasured, notMeasured, notMeasured
		if o.peak > 0 {
			memory = fmt.Sprintf("%.1f MiB", float64(o.peak)/(1<<20))
		}
		if len(o.faults) > 0 {
			faults = thousands(int(median(o.faults)))
		}
		if o.trace.calls > 0 {
			calls, files = thousands(o.trace.calls), thousands(len(o.trace.beyond(r.empty.trace, r.dir)))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", name, size, memory, faults, calls, files)
	}
	row("an empty Go program", "", r.empty)
	for _, o := range r.examined() {
		row("`"+string(o.action)+"`", thousands(o.size), o)
	}
	fmt.Fprintf(&b, "\nFiles are counted that an empty program does not open. The program is %.1f MiB, stripped.", float64(r.binary)/(1<<20))
	if get := r.largest(actGet); r.traced {
		fmt.Fprintf(&b, " `get` opens `%s`.", strings.Join(get.trace.beyond(r.empty.trace, r.dir), "`, `"))
	} else {
		b.WriteString(" System calls were not counted: strace is not installed.")
	}
	return b.String() + "\n"
}

// largest returns an action of regshape on the largest store.
func (r *results) largest(a action) *operation {
	sizes := r.sizes(a)
	return r.find(ours, a, sizes[len(sizes)-1])
}

// examined returns what the table of usage shows.
func (r *results) examined() []*operation {
	var shown []*operation
	for _, a := range actions() {
		if a != actList {
			shown = append(shown, r.largest(a))
			continue
		}
		for _, size := range r.sizes(a) {
			shown = append(shown, r.find(ours, a, size))
		}
	}
	return shown
}

// initTable is about the packages that cost most before main begins.
func (r *results) initTable() string {
	const most = 6
	var b strings.Builder
	b.WriteString("| before `main` | time | memory | allocations |\n| --- | --: | --: | --: |\n")
	packages, total := r.inits[:len(r.inits)-1], r.inits[len(r.inits)-1]
	row := func(name string, c initCost) {
		fmt.Fprintf(&b, "| %s | %.0f µs | %.1f KiB | %s |\n", name, float64(c.nanoseconds)/1e3, float64(c.bytes)/1024, thousands(int(c.allocs)))
	}
	for _, c := range packages[:min(most, len(packages))] {
		row("`"+c.name+"`", c)
	}
	row(fmt.Sprintf("all %d packages", len(packages)), total)
	return b.String() + "\nThe packages of `get` that take longest to initialize, medians of 21 runs with `GODEBUG=inittrace=1`.\n"
}

func milliseconds(o *operation) float64 { return float64(median(o.times)) / float64(time.Millisecond) }

// figure writes a ratio with as many digits as it deserves.
func figure(ratio float64) string {
	switch {
	case ratio < 9.995:
		return fmt.Sprintf("%.2f", ratio)
	case ratio < 99.95:
		return fmt.Sprintf("%.1f", ratio)
	}
	return thousands(int(ratio + 0.5))
}

// thousands writes 10000 as 10,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
