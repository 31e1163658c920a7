package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module makes a module with these files the present folder.
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

func TestRunsEveryTarget(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds programs with go test -fuzz")
	}
	module(t, map[string]string{
		"a/a_test.go": in("a", good), "b/b_test.go": in("b", good), "c/c.go": "package c\n",
		"scripts/fuzz/README.md": "# x\n\n<!-- fuzz:begin -->\nold\n<!-- fuzz:end -->\n",
	})
	var out, progress bytes.Buffer
	if err := run(t.Context(), []string{"-time", "300x", "-write"}, &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	for _, want := range []string{"| FuzzGood | example.test/a | 3", "| FuzzGood | example.test/b | 3", "| **all 2** | | 6", "-time 300x"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	written, err := os.ReadFile("scripts/fuzz/README.md")
	if err != nil || !strings.Contains(string(written), out.String()) || strings.Contains(string(written), "old") {
		t.Errorf("scripts/fuzz/README.md is now %q (%v)", written, err)
	}
}

func TestStopsAtTheFirstFailure(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds programs with go test -fuzz")
	}
	module(t, map[string]string{"a/a_test.go": in("a", bad), "b/b_test.go": in("b", good), "scripts/fuzz/README.md": "as it was"})
	var out, progress bytes.Buffer
	err := run(t.Context(), []string{"-time", "10x", "-write"}, &out, &progress)
	if err == nil || !strings.Contains(err.Error(), "FuzzBad in example.test/a") {
		t.Errorf("a target fails: %v", err)
	}
	if !strings.Contains(progress.String(), "refused: x") || strings.Contains(progress.String(), "FuzzGood") || out.Len() > 0 {
		t.Errorf("it prints %q and %q", out.String(), progress.String())
	}
	if written, err := os.ReadFile("scripts/fuzz/README.md"); err != nil || string(written) != "as it was" {
		t.Errorf("scripts/fuzz/README.md is now %q (%v)", written, err)
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
	if thousands(r.executions) != "1,234,567" || thousands(12) != "12" {
		t.Errorf("%s, %s", thousands(r.executions), thousands(12))
	}
	if _, err := parseProgress("PASS\n"); err == nil {
		t.Error("a run without executions passes")
	}
}
