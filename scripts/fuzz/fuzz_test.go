package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// module makes a module with these files the present directory.
func module(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.test\n\ngo 1.26\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

const (
	good = "package %PKG%\n\nimport \"testing\"\n\nfunc FuzzGood(f *testing.F) { f.Add(1); f.Fuzz(func(t *testing.T, n int) {}) }\n\nfunc TestNot(t *testing.T) {}\n"
	bad  = "package %PKG%\n\nimport \"testing\"\n\nfunc FuzzBad(f *testing.F) { f.Add(\"x\"); f.Fuzz(func(t *testing.T, s string) { t.Error(\"refused: \" + s) }) }\n"
)

func in(pkg, text string) string { return strings.ReplaceAll(text, "%PKG%", pkg) }

// The targets run in turn up to the first that fails, whose output comes last; nothing is
// written then.
func TestStopsAtTheFirstFailure(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds programs with go test -fuzz")
	}
	const readme = "scripts/fuzz/README.md"
	module(t, map[string]string{"a/a_test.go": in("a", good), "b/b_test.go": in("b", bad), "c/c_test.go": in("c", good), readme: "as it was"})
	t.Setenv("REGSHAPE_WRITE", "1")
	var out, progress bytes.Buffer
	err := run(t.Context(), []string{"-time", "10x"}, &out, &progress)
	if err == nil || !strings.Contains(err.Error(), "FuzzBad in example.test/b") {
		t.Errorf("a target fails: %v", err)
	}
	said := progress.String()
	if !strings.Contains(said, "1/3 example.test/a FuzzGood\n2/3 ") || !strings.Contains(said, "refused: x") || strings.Contains(said, "3/3") || out.Len() > 0 {
		t.Errorf("it prints %q and %q", out.String(), said)
	}
	if written, err := os.ReadFile(readme); err != nil || string(written) != "as it was" {
		t.Errorf("%s is now %q (%v)", readme, written, err)
	}
}

func TestTable(t *testing.T) {
	got := table("5m", []result{
		{target: target{pkg: "regshape/a", name: "FuzzA"}, executions: 1200, corpus: 4, found: 1, took: 3 * time.Second},
		{target: target{pkg: "regshape/b", name: "FuzzB"}, executions: 34, corpus: 5, took: 2 * time.Second},
	})
	for _, want := range []string{"FUZZTIME=5m`", "\n| FuzzA | a | 1,200 | 3 | 4 | 1 |\n| FuzzB | b | 34 | 2 | 5 | 0 |\n| **all 2** | | 1,234 | 5 | 9 | 1 |\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
}

func TestNothingToRun(t *testing.T) {
	module(t, map[string]string{"c/c.go": "package c\n"})
	var out, progress bytes.Buffer
	if err := run(t.Context(), nil, &out, &progress); err == nil || !strings.Contains(err.Error(), "no fuzz target") {
		t.Errorf("without a target: %v", err)
	}
	if err := run(t.Context(), []string{"x"}, &out, &progress); err == nil || !strings.Contains(err.Error(), "unknown argument") {
		t.Errorf("with an argument: %v", err)
	}
}

func TestParseProgress(t *testing.T) {
	out := "fuzz: elapsed: 0s, gathering baseline coverage: 4/4 completed, now fuzzing with 2 workers\n" +
		"fuzz: elapsed: 3s, execs: 5 (1/sec), new interesting: 0 (total: 4)\n" +
		"fuzz: elapsed: 1m0s, execs: 1234567 (20576/sec), new interesting: 12 (total: 16)\nPASS\n"
	r, err := parseProgress(out)
	if err != nil || r.executions != 1234567 || r.found != 12 || r.corpus != 16 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := parseProgress("PASS\n"); err == nil {
		t.Error("a run without executions passes")
	}
}
