package main

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// table writes the report in Markdown. The first operation is the yardstick.
func table(operations []*operation, rounds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| run | × empty | median | peak memory |\n| --- | --: | --: | --: |\n")
	unit := operations[0].median()
	for _, o := range operations {
		memory := "–"
		if o.peak > 0 {
			memory = fmt.Sprintf("%.1f MiB", float64(o.peak)/(1<<20))
		}
		fmt.Fprintf(&b, "| %s | %.2f | %.2f ms | %s |\n", o.name, float64(o.median())/float64(unit),
			float64(o.median())/float64(time.Millisecond), memory)
	}
	fmt.Fprintf(&b, "\nWhole processes, medians of %d interleaved rounds; %s/%s, %s, %d CPUs. The ratios carry over to another machine, the times do not.\n",
		rounds, runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.NumCPU())
	return b.String()
}

// thousands writes 10000 as 10,000.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
