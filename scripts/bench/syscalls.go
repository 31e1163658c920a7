package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// With -f, strace begins each line with the thread, and cuts a call in two
// ("unfinished", "resumed") when another thread comes between.
var (
	callLine   = regexp.MustCompile(`^(\d+) +\w+\(`)
	openLine   = regexp.MustCompile(`^(\d+) +openat\([^"]*"([^"]*)".* (= \d+|<unfinished \.\.\.>)`)
	resumeLine = regexp.MustCompile(`^(\d+) +<\.\.\. openat resumed>.* = (-?\d+)`)
)

// trace is what a program asked of the kernel.
type trace struct {
	calls  int
	opened []string // paths, in order
}

// syscalls says in a line of Markdown how many system calls o makes, against
// an empty program, and which files it opens that the empty one does not.
// Without strace it says so.
func syscalls(ctx context.Context, empty, o *operation, dir string) (string, error) {
	base, err := empty.trace(ctx, dir)
	if errors.Is(err, exec.ErrNotFound) {
		return "\n(strace is not installed: system calls not counted)\n", nil
	}
	if err != nil {
		return "", err
	}
	own, err := o.trace(ctx, dir)
	if err != nil {
		return "", err
	}
	var opened []string
	for _, path := range own.opened {
		if slices.Contains(base.opened, path) {
			continue
		}
		if rest, ok := strings.CutPrefix(path, dir+"/"); ok {
			path = "STORE" + rest[strings.Index(rest, "/"):]
		}
		opened = append(opened, "`"+path+"`")
	}
	return fmt.Sprintf("\n%s: %d system calls, an empty program %d; files opened: %s.\n",
		o.name, own.calls, base.calls, strings.Join(opened, ", ")), nil
}

// trace runs o under strace.
func (o operation) trace(ctx context.Context, dir string) (trace, error) {
	log := filepath.Join(dir, "strace")
	o.command = append([]string{"strace", "-f", "-o", log}, o.command...)
	if _, err := o.output(ctx); err != nil {
		return trace{}, fmt.Errorf("strace: %w", err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		return trace{}, err
	}
	return parseTrace(string(text)), nil
}

func parseTrace(text string) trace {
	var t trace
	waiting := map[string]string{} // thread: path
	for line := range strings.Lines(text) {
		if callLine.MatchString(line) {
			t.calls++
		}
		if m := openLine.FindStringSubmatch(line); m != nil {
			if m[3][0] == '=' {
				t.opened = append(t.opened, m[2])
			} else {
				waiting[m[1]] = m[2]
			}
		}
		if m := resumeLine.FindStringSubmatch(line); m != nil && m[2][0] != '-' {
			t.opened = append(t.opened, waiting[m[1]])
		}
	}
	return t
}
