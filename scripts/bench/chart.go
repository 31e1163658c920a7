package main

import (
	"fmt"
	"math"
	"strings"
)

// The chart's measures, in pixels. Text is 13 of them high; the widest label on the left is
// "secretservice", and the longest figure on the right "10,000 ×".
const (
	chartWidth = 760
	barsFrom   = 130
	barsTo     = 690
	barHeight  = 18
	barStep    = 24
	groupHead  = 30 // the line that says how many are stored
	groupGap   = 14
	chartTop   = 62 // two lines of title
	chartFoot  = 24 // the scale
)

// chartStyle has the colours for light and for dark pages. Where an SVG file is shown as an
// image it sees the reader's preference, but not the page.
const chartStyle = `
	text { font: 13px system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "DejaVu Sans", Arial, sans-serif; fill: #1f2328 }
	.title { font-size: 16px; font-weight: 600 }
	.group { font-weight: 600 }
	.quiet { fill: #59636e }
	.grid { stroke: #d1d9e0; stroke-width: 1 }
	.bar { fill: #8c959f }
	.own { fill: #0969da }
	@media (prefers-color-scheme: dark) {
		text { fill: #f0f6fc }
		.quiet { fill: #9198a1 }
		.grid { stroke: #3d444d }
		.bar { fill: #656c76 }
		.own { fill: #4493f8 }
	}
`

// chart draws what a get takes with each tool, as an SVG file.
func (r *results) chart() string {
	sizes, tools := r.sizes(actGet), toolNames()
	groupHeight := groupHead + len(tools)*barStep + groupGap
	bottom := chartTop + len(sizes)*groupHeight
	height := bottom + chartFoot
	decades := r.decades()

	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"title\">\n",
		chartWidth, height, chartWidth, height)
	fmt.Fprintf(&b, "<title id=\"title\">%s</title>\n<style>%s</style>\n", r.chartSummary(), chartStyle)
	svgText(&b, 16, 26, "start", "title", "Time of one get")
	svgText(&b, 16, 46, "start", "quiet", "whole process, as a multiple of an empty Go program; logarithmic; shorter is better")
	for i, size := range sizes {
		y := chartTop + i*groupHeight
		for decade := range decades + 1 {
			x := barX(math.Pow10(decade), decades)
			fmt.Fprintf(&b, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", x, y+groupHead-6, x, y+groupHead+len(tools)*barStep)
		}
		noun := "credentials"
		if size == 1 {
			noun = "credential"
		}
		svgText(&b, 16, y+18, "start", "group", thousands(size)+" "+noun)
		for j, tool := range tools {
			r.bar(&b, tool, size, y+groupHead+j*barStep, decades)
		}
	}
	for decade := range decades + 1 {
		svgText(&b, barX(math.Pow10(decade), decades), bottom+8, "middle", "quiet", thousands(int(math.Pow10(decade)))+" ×")
	}
	return b.String() + "</svg>\n"
}

// bar draws one tool's bar and its figure; or says that there is none.
func (r *results) bar(b *strings.Builder, tool string, size, y, decades int) {
	baseline := y + barHeight - 5
	svgText(b, barsFrom-10, baseline, "end", "", tool)
	o := r.find(tool, actGet, size)
	if o == nil {
		svgText(b, barsFrom+8, baseline, "start", "quiet", "not measured")
		return
	}
	class, ratio := "bar", o.ratio(r.empty)
	if tool == ours {
		class = "own"
	}
	end := barX(ratio, decades)
	fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>\n", class, barsFrom, y, end-barsFrom, barHeight)
	svgText(b, end+6, baseline, "start", "", figure(ratio)+" ×")
}

// decades returns up to which power of ten the scale goes: the longest bar ends within it.
func (r *results) decades() int {
	longest := 10.0
	for _, size := range r.sizes(actGet) {
		for _, tool := range toolNames() {
			if o := r.find(tool, actGet, size); o != nil {
				longest = max(longest, o.ratio(r.empty))
			}
		}
	}
	return int(math.Ceil(math.Log10(longest)))
}

// barX is where a ratio lies on the scale, which begins with 1.
func barX(ratio float64, decades int) float64 {
	return barsFrom + (barsTo-barsFrom)*math.Log10(max(ratio, 1))/float64(decades)
}

// chartSummary is the chart for those who cannot see it.
func (r *results) chartSummary() string {
	var said []string
	for _, size := range r.sizes(actGet) {
		for _, tool := range toolNames() {
			if o := r.find(tool, actGet, size); o != nil {
				said = append(said, fmt.Sprintf("%s with %s stored %s", tool, thousands(size), figure(o.ratio(r.empty))))
			}
		}
	}
	return "Time of one get as a multiple of an empty Go program: " + strings.Join(said, ", ")
}

// svgText writes a text, which must hold nothing that XML has a meaning for.
func svgText[T int | float64](b *strings.Builder, x T, y int, anchor, class, text string) {
	fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\" class=\"%s\">%s</text>\n", float64(x), y, anchor, class, text)
}
