package main

import (
	"fmt"
	"slices"
	"strings"
)

// enoughRounds is from when on medians hardly move from run to run on a quiet machine.
const enoughRounds = 30

// goals says in a table which of the project's goals this run has met. A missed one is no
// failure of the run: other machines are others, and it is people who judge.
func (r *results) goals() string {
	var b strings.Builder
	b.WriteString("| goal | measured | |\n| --- | --- | --- |\n")
	row := func(goal, measured string, met bool) {
		verdict := "**missed**"
		switch {
		case measured == "":
			measured, verdict = notMeasured, "not measured"
		case met:
			verdict = "met"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", goal, measured, verdict)
	}
	times := func(ratio float64) string { return figure(ratio) + " ×" }
	sizes := r.sizes(actGet)

	dearest := r.highest(actGet)
	row("`get` takes at most 2.0 × an empty Go program", times(dearest), dearest <= 2)
	flat, spread := "", 0.0
	if len(sizes) > 1 {
		spread = r.spread()
		flat = fmt.Sprintf("%.1f %% apart", 100*spread)
	}
	row(fmt.Sprintf("`get` takes the same time with %s and with %s stored, within 10 %%", thousands(sizes[0]), thousands(sizes[len(sizes)-1])),
		flat, spread <= 0.1)
	for _, peer := range []struct {
		tool string
		want float64
	}{{passTool, 15}, {secretsvc, 6}} {
		measured, least := "", r.leastGain(peer.tool)
		if least > 0 {
			measured = times(least)
		}
		row(fmt.Sprintf("`get` is at least %.0f × faster than docker-credential-%s", peer.want, peer.tool), measured, least >= peer.want)
	}
	listed, ratio := "", 0.0
	if o := r.find(ours, actList, listGoal); o != nil {
		ratio = o.ratio(r.empty)
		listed = times(ratio)
	}
	row(fmt.Sprintf("`list` of %s takes at most 60 × an empty Go program", thousands(listGoal)), listed, ratio <= 60)
	dearest = r.highest(actStore)
	row("`store`, on the disk when it returns, takes at most 3.0 ×", times(dearest), dearest <= 3)
	mebibytes := float64(r.binary) / (1 << 20)
	row("the program is at most 12 MiB", fmt.Sprintf("%.1f MiB", mebibytes), mebibytes <= 12)
	if r.rounds < enoughRounds {
		fmt.Fprintf(&b, "\nFrom %d rounds nothing follows about the times.\n", r.rounds)
	}
	return b.String()
}

// highest is the highest ratio of an action of regshape, over all sizes.
func (r *results) highest(a action) float64 {
	var highest float64
	for _, size := range r.sizes(a) {
		highest = max(highest, r.find(ours, a, size).ratio(r.empty))
	}
	return highest
}

// spread is how far the medians of get lie apart over all sizes, as a part of the lowest.
func (r *results) spread() float64 {
	var ratios []float64
	for _, size := range r.sizes(actGet) {
		ratios = append(ratios, r.find(ours, actGet, size).ratio(r.empty))
	}
	return slices.Max(ratios)/slices.Min(ratios) - 1
}

// leastGain is how many times longer than regshape a tool takes for get, where it is least;
// 0 where it was not measured.
func (r *results) leastGain(tool string) float64 {
	var least float64
	for _, size := range r.sizes(actGet) {
		theirs := r.find(tool, actGet, size)
		if theirs == nil {
			continue
		}
		if gain := theirs.ratio(r.find(ours, actGet, size)); least == 0 || gain < least {
			least = gain
		}
	}
	return least
}
