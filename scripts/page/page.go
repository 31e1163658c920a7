// Package page keeps in the documents what programs have found out: each table stands
// between two markers, and is written by the run that made it, never by hand.
//
//	<!-- bench:begin -->
//	...
//	<!-- bench:end -->
package page

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Writing reports whether tests and programs are to write their tables: with REGSHAPE_WRITE=1.
func Writing() bool { return os.Getenv("REGSHAPE_WRITE") == "1" }

// Publish is what is done with a table that differs from run to run: it writes it when
// that is asked for. A document without the markers is an error at any time.
func Publish(path, mark, text string) error {
	if Writing() {
		return Write(path, mark, text)
	}
	_, _, err := edit(path, mark, text)
	return err
}

// Write puts text between the markers of a mark in the document at path.
func Write(path, mark, text string) error {
	old, made, err := edit(path, mark, text)
	if err != nil || old == made {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".page-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = tmp.WriteString(made)
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

// Check returns an error where the document has another text between those markers.
func Check(path, mark, text string) error {
	old, made, err := edit(path, mark, text)
	if err == nil && old != made {
		err = fmt.Errorf("%s: between %q stands something else than this run has found", path, mark)
	}
	return err
}

func edit(path, mark, text string) (old, made string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", "", err
	}
	made, err = replace(string(data), mark, text)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return string(data), made, err
}

// replace puts text between the markers, which each stand on a line of their own.
func replace(document, mark, text string) (string, error) {
	begin, end := "<!-- "+mark+":begin -->\n", "<!-- "+mark+":end -->\n"
	head, rest, opened := cutLine(document, begin)
	old, tail, closed := cutLine(rest, end)
	if !opened || !closed || strings.Contains(old, begin) || strings.Contains(tail, begin) || strings.Contains(tail, end) {
		return "", fmt.Errorf("want %q once, and %q once after it", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return head + begin + "\n" + strings.TrimSpace(text) + "\n\n" + end + tail, nil
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

// Thousands writes 10000 as 10,000.
func Thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
