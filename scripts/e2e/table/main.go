// Table puts the client matrix, as the end-to-end tests have written it, between its
// markers in the README. With -check it only compares, and ends with 1 when they differ.
//
//	go run ./scripts/e2e/table [-check]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	begin = "<!-- matrix:begin -->\n"
	end   = "<!-- matrix:end -->\n"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("table", flag.ContinueOnError)
	readme := flags.String("readme", "README.md", "the `file` with the markers")
	matrix := flags.String("matrix", "bin/e2e/matrix.md", "the `file` that a full run of the tests has written")
	check := flags.Bool("check", false, "compare only; a README without markers passes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	old, err := os.ReadFile(*readme)
	if err != nil {
		return err
	}
	table, err := os.ReadFile(*matrix)
	if err != nil {
		return fmt.Errorf("%w: a full run of the tests writes it: make matrix", err)
	}
	made, err := replace(string(old), string(table))
	switch {
	case errors.Is(err, errNoMarkers) && *check:
		_, err = fmt.Fprintf(stdout, "%s has no markers; nothing to compare\n", *readme)
		return err
	case err != nil:
		return fmt.Errorf("%s: %w", *readme, err)
	case made == string(old):
		return nil
	case *check:
		return fmt.Errorf("%s has another table than these tests: run make matrix", *readme)
	}
	info, err := os.Stat(*readme)
	if err != nil {
		return err
	}
	return os.WriteFile(*readme, []byte(made), info.Mode().Perm())
}

var errNoMarkers = fmt.Errorf("no line %q", strings.TrimSpace(begin))

// replace puts the table between the markers, which each stand on a line of their own.
func replace(text, table string) (string, error) {
	head, rest, ok := cutLine(text, begin)
	if !ok {
		return "", errNoMarkers
	}
	old, tail, ok := cutLine(rest, end)
	if !ok || strings.Contains(old, begin) || strings.Contains(tail, begin) || strings.Contains(tail, end) {
		return "", fmt.Errorf("want %q once, and %q once after it", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return head + begin + "\n" + strings.TrimSpace(table) + "\n\n" + end + tail, nil
}

// cutLine cuts at a whole line, which ends with a line feed.
func cutLine(text, line string) (before, after string, found bool) {
	if after, found = strings.CutPrefix(text, line); found {
		return "", after, true
	}
	before, after, found = strings.Cut(text, "\n"+line)
	if !found {
		return text, "", false
	}
	return before + "\n", after, true
}
