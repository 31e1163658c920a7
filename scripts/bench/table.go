package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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

// rewrite puts report between the two marks in the file at path.
func rewrite(path, report string) error {
	const begin, end = "<!-- bench:begin -->\n", "<!-- bench:end -->"
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, found := bytes.Cut(text, []byte(begin))
	_, tail, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return fmt.Errorf("%s has no %s … %s", path, strings.TrimSpace(begin), end)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".bench-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = fmt.Fprintf(tmp, "%s%s%s%s%s", head, begin, report, end, tail)
	for _, step := range []func() error{func() error { return tmp.Chmod(info.Mode().Perm()) }, tmp.Close} {
		if stepErr := step(); err == nil {
			err = stepErr
		}
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
