package main

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"regshape/scripts/page"
)

const (
	notMeasured = "–"
	unknown     = -1.0 // in the place of a figure
	mebibyte    = 1 << 20
	// enoughRounds is from when on medians hardly move from run to run on a quiet machine.
	enoughRounds = 30
)

// results is what a run of the benchmark measured.
type results struct {
	empty      *operation
	operations []*operation // of all tools
	unlocked   *operation   // nil where it was not measured
	program    *byProgram   // likewise
	rounds     int
	binary     int64    // bytes of the stripped program
	notes      []string // what was not measured, and why
}

// find returns the operation, or nil where it was not measured.
func (r *results) find(tool string, a action, size int) *operation {
	i := slices.IndexFunc(r.operations, func(o *operation) bool {
		return o.tool == tool && o.action == a && o.size == size
	})
	if i < 0 {
		return nil
	}
	return r.operations[i]
}

// own returns the measured runs of one action of regshape, the smallest store first.
func (r *results) own(a action) []*operation {
	var found []*operation
	for _, o := range r.operations {
		if o.tool == ours && o.action == a {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b *operation) int { return cmp.Compare(a.size, b.size) })
	return found
}

// report writes the results in Markdown.
func (r *results) report() string { return r.goals() + "\n" + r.comparison() }

// goals compares this run with the project's goals. A missed one does not fail the run:
// other machines differ, and people judge.
func (r *results) goals() string {
	var b strings.Builder
	b.WriteString("| goal | measured | |\n| --- | --- | --- |\n")
	row := func(goal string, measured float64, unit string, met bool) {
		switch {
		case measured == unknown:
			fmt.Fprintf(&b, "| %s | %s | not measured |\n", goal, notMeasured)
		case met:
			fmt.Fprintf(&b, "| %s | %s %s | met |\n", goal, figure(measured), unit)
		default:
			fmt.Fprintf(&b, "| %s | %s %s | **missed** |\n", goal, figure(measured), unit)
		}
	}
	most := func(goal string, measured, limit float64, unit string) { row(goal, measured, unit, measured <= limit) }
	var gets, stores, peaks []float64
	for _, o := range r.own(actGet) {
		gets = append(gets, o.ratio(r.empty))
		if o.peak > 0 {
			peaks = append(peaks, float64(o.peak)/mebibyte)
		}
	}
	pods := []float64{unknown}
	for _, o := range r.own(actKubelet) {
		pods = append(pods, o.ratio(r.find(ours, actGet, o.size)))
	}
	for _, o := range r.own(actStore) {
		stores = append(stores, o.ratio(r.empty))
	}
	most("`get` takes at most 2.0 × an empty Go program", slices.Max(gets), 2, "×")
	if get := r.own(actGet); len(get) > 1 {
		most(fmt.Sprintf("`get` takes the same time with %s and with %s stored, within 10 %%", page.Thousands(get[0].size), page.Thousands(get[len(get)-1].size)),
			100*(slices.Max(gets)/slices.Min(gets)-1), 10, "% apart")
	}
	most("an answer for the kubelet takes at most 1.1 × `get`", slices.Max(pods), 1.1, "×")
	most("`get` takes at most 15 MiB of memory", slices.Max(append(peaks, unknown)), 15, "MiB")
	for _, peer := range []struct {
		tool string
		want float64
	}{{passTool, 15}, {secretsvc, 6}} {
		least := r.leastGain(peer.tool)
		row(fmt.Sprintf("`get` is at least %.0f × faster than docker-credential-%s", peer.want, peer.tool), least, "×", least >= peer.want)
	}
	listed := unknown
	if o := r.find(ours, actList, listGoal); o != nil {
		listed = o.ratio(r.empty)
	}
	most(fmt.Sprintf("`list` of %s takes at most 60 × an empty Go program", page.Thousands(listGoal)), listed, 60, "×")
	most("`store`, on the disk when it returns, takes at most 3.0 ×", slices.Max(stores), 3, "×")
	program := [3]float64{unknown, unknown, unknown}
	if p := r.program; p != nil {
		program = [3]float64{p.get.ratio(r.own(actGet)[0]), p.miss.ratio(r.own(actMiss)[0]), p.renewal.ratio(p.maker)}
	}
	most("`get` of a good secret of a program takes at most 1.05 × that of a password", program[0], 1.05, "×")
	most(fmt.Sprintf("`get-miss` takes at most 1.5 × as long with %d patterns", patterns), program[1], 1.5, "×")
	most(fmt.Sprintf("%d `get` at once after a secret's end take at most 1.2 × as long as its program, which is started once", crowd), program[2], 1.2, "×")
	most("the program is at most 12 MiB", float64(r.binary)/mebibyte, 12, "MiB")
	if r.rounds < enoughRounds {
		fmt.Fprintf(&b, "\nThe times of only %d rounds prove nothing.\n", r.rounds)
	}
	return b.String()
}

// leastGain is how many times longer than regshape a tool takes for get, where it is least;
// unknown where it was not measured.
func (r *results) leastGain(tool string) float64 {
	least := unknown
	for _, o := range r.own(actGet) {
		theirs := r.find(tool, actGet, o.size)
		if theirs == nil {
			continue
		}
		if gain := theirs.ratio(o); least == unknown || gain < least {
			least = gain
		}
	}
	return least
}

// comparison is the table of the tools beside each other.
func (r *results) comparison() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| run | stored | %s | memory of regshape |\n| --- | --: |%s\n", strings.Join(toolNames(), " | "), strings.Repeat(" --: |", len(toolNames())+1))
	row := func(name string, own *operation) {
		fmt.Fprintf(&b, "| %s | %s |", name, page.Thousands(own.size))
		for _, tool := range toolNames() {
			o := own
			if tool != ours {
				o = r.find(tool, own.action, own.size)
			}
			if o == nil || own.name != "" && tool != ours {
				b.WriteString(" " + notMeasured + " |")
			} else {
				b.WriteString(" " + figure(o.ratio(r.empty)) + " |")
			}
		}
		memory := notMeasured
		if own.peak > 0 {
			memory = fmt.Sprintf("%.1f MiB", float64(own.peak)/mebibyte)
		}
		b.WriteString(" " + memory + " |\n")
	}
	for _, a := range actions() {
		for _, o := range r.own(a) {
			row("`"+string(a)+"`", o)
		}
	}
	if r.unlocked != nil {
		row(r.unlocked.name, r.unlocked)
	}
	if r.program != nil {
		row(r.program.get.name, r.program.get)
		row(r.program.miss.name, r.program.miss)
	}
	fmt.Fprintf(&b, "\nTimes of whole processes as multiples of an empty Go program, which takes %.2f ms here: medians of %d interleaved rounds"+
		" (of fewer where a run takes long); %s/%s, %s, %d CPUs.\n",
		float64(median(r.empty.times))/float64(time.Millisecond), r.rounds, runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.NumCPU())
	for _, note := range r.notes {
		fmt.Fprintf(&b, "%s\n", note)
	}
	return b.String()
}

// figure writes a figure with as many digits as it deserves.
func figure(n float64) string {
	switch {
	case n < 9.995:
		return fmt.Sprintf("%.2f", n)
	case n < 99.95:
		return fmt.Sprintf("%.1f", n)
	}
	return page.Thousands(int(n + 0.5))
}
