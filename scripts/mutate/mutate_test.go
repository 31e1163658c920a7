package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// inToy makes the packages in testdata a module of their own, and the working directory.
func inToy(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("mutants run on linux alone")
	}
	dir := filepath.Join(t.TempDir(), "toy")
	if err := os.CopyFS(dir, os.DirFS("testdata/toy")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := os.Mkdir("testdata", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"go.mod": "module toy\n\ngo 1.26.0\n", "testdata/x": "x", "../README.md": "x"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func mutate(t *testing.T, explained string, args ...string) (string, error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	o := options{packages: []string{".", "./part"}, users: []string{"./user"}, skip: regexp.MustCompile("Skipped"), patience: 2 * time.Second, explained: explained}
	err := run(t.Context(), o, args, &stdout, &stderr)
	if strings.Contains(stderr.String(), "panic") {
		t.Errorf("mutate %q says %s", args, &stderr)
	}
	return stdout.String(), err
}

const toyExplained = `
# In this test, at least.
Sum: if sum > limit { → if sum >= limit {
  nobody
  cares
`

func TestSurvivors(t *testing.T) {
	inToy(t)
	out, err := mutate(t, toyExplained)
	if err == nil || !strings.Contains(err.Error(), "survived and are not explained") {
		t.Errorf("the run ends with %v", err)
	}
	for _, want := range []string{
		"toy/toy.go:34: Meter.Dark: defer func() { m.n++ }() → (left out) (no test reaches it)",
		"toy/toy.go:46: ready: func ready() bool { return false } → func ready() bool { return true } (survived)",
		"toy/toy.go:27: Down: for n > 0 { → (no round) (survived)",
		"toy/toy.go:27: Down: for n > 0 { → for n >= 0 { (survived)",
		"part/part.go:5: part.Sum: if b > 0 { → if b > 1 { (survived)",
		" with 6 tests in ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the report does not hold %q:\n%s", want, out)
		}
	}
	for _, killed := range []string{"sum += n", ": Sum:", "n-- →", "return true → return false", "a += b", "n >= 7", "n < 8"} {
		if strings.Contains(out, killed) {
			t.Errorf("%q is no survivor:\n%s", killed, out)
		}
	}
	if left, err := filepath.Glob("*"); err != nil || len(left) != 7 {
		t.Errorf("the tree has now %q", left)
	}

	out, err = mutate(t, strings.Replace(toyExplained, ">=", "<=", 1), "-match", "Sum: ")
	if err == nil || !strings.Contains(out, "explained, and yet killed: ") || !strings.Contains(out, "if sum >= limit { (survived)") {
		t.Errorf("a wrong explanation: %v\n%s", err, out)
	}
}

func TestRefusals(t *testing.T) {
	inToy(t)
	for _, test := range []struct {
		explained string
		args      []string
		want      string
	}{
		{"Sum: x → y\n  no more", nil, "names what is not in the code:\nSum: x → y"},
		{"Sum: x → y\n", nil, "no reason is given"},
		{"  because\n", nil, "a reason without a mutant"},
		{"a: b → c\n  d\na: b → c\n  d\n", nil, "explained.txt:3: it stands there twice"},
		{"", []string{"-match", "("}, "error parsing regexp"},
		{"", []string{"more"}, `"more" is not a flag`},
	} {
		if out, err := mutate(t, test.explained, test.args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q, %q: %v, want %q\n%s", test.explained, test.args, err, test.want, out)
		}
	}
	for want, o := range map[string]options{
		"go list": {packages: []string{"./none"}, skip: regexp.MustCompile("Skipped")},
		"TestSkipped does not pass over unchanged code": {packages: []string{"."}, skip: regexp.MustCompile("^$")},
	} {
		o.sample = 1
		if err := run(t.Context(), o, nil, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// One seed draws the same lot each time, another seed another one, and what is explained is
// in neither.
func TestLot(t *testing.T) {
	var all []mutant
	for id := range 100 {
		all = append(all, mutant{id: id + 1, function: "f", before: string(rune('a' + id)), after: "x"})
	}
	reasons := map[string]string{}
	for _, m := range all[:50] {
		reasons[m.key()] = "so"
	}
	draw := func(seed uint64) (ids []int) {
		for _, m := range choose(all, reasons, options{sample: 10, seed: seed}) {
			ids = append(ids, m.id)
			if m.id <= 50 {
				t.Errorf("%d is explained", m.id)
			}
		}
		return ids
	}
	one := draw(1)
	if len(one) != 10 || !slices.Equal(one, draw(1)) || slices.Equal(one, draw(2)) {
		t.Errorf("drawn: %d, then %d; with another seed %d", one, draw(1), draw(2))
	}
}

// Every kind of change is found, and no text, constant, type or value beside an error is.
func TestMutants(t *testing.T) {
	inToy(t)
	loaded, err := load(t.Context(), ".", "./part")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range loaded.mutants {
		got = append(got, m.key())
	}
	found := func(m mutant) bool { return describe(m) == "toy/toy.go:17: Sum: sum += n → (left out)" }
	if !slices.ContainsFunc(loaded.mutants, found) {
		t.Error("the statement in line 17 is not found there")
	}
	want := []string{
		"Level: func Level() bool { return part.Small(limit) } → func Level() bool { return !part.Small(limit) }",
		"part.Sum: if b > 0 { → if b >= 0 {",
		"part.Sum: if b > 0 { → if b <= 0 {",
		"part.Sum: if b > 0 { → if b > 1 {",
		"part.Sum: a += b → (left out)",
		"part.Small: func Small(n int) bool { return n < 7 } → func Small(n int) bool { return n <= 7 }",
		"part.Small: func Small(n int) bool { return n < 7 } → func Small(n int) bool { return n >= 7 }",
		"part.Small: func Small(n int) bool { return n < 7 } → func Small(n int) bool { return n < 8 }",
		"Sum: for _, n := range list { → (no round)",
		"Sum: for _, n := range list { → (one round)",
		"Sum: sum += n → (left out)",
		"Sum: if sum > limit { → if sum >= limit {",
		"Sum: if sum > limit { → if sum <= limit {",
		"Sum: return 0, ErrBig → return 0, nil",
		"Down: for n > 0 { → (no round)",
		"Down: for n > 0 { → (one round)",
		"Down: for n > 0 { → for n >= 0 {",
		"Down: for n > 0 { → for n <= 0 {",
		"Down: for n > 0 { → for n > 1 {",
		"Down: n-- → (left out)",
		"Down: return true → return false",
		"Meter.Dark: defer func() { m.n++ }() → (left out)",
		"Meter.Dark: defer func() { m.n++ }() → defer func() { (left out) }()",
		`Meter.Dark: case name == "x" || m.n&6 != 0: → case name == "x" && m.n&6 != 0:`,
		`Meter.Dark: case name == "x" || m.n&6 != 0: → case name != "x" || m.n&6 != 0:`,
		`Meter.Dark: case name == "x" || m.n&6 != 0: → case name == "" || m.n&6 != 0:`,
		`Meter.Dark: case name == "x" || m.n&6 != 0: → case name == "x" || m.n&6 == 0:`,
		`Meter.Dark: case name == "x" || m.n&6 != 0: → case name == "x" || m.n != 0:`,
		`Meter.Dark: case name == "x" || m.n&6 != 0: → case name == "x" || m.n&7 != 0:`,
		`Meter.Dark: case name == "x" || m.n&6 != 0: → case name == "x" || m.n&6 != 1:`,
		`Meter.Dark: return m.name("left", 0o600) → return (its error left out)`,
		`Meter.Dark: return m.name("left", 0o600) → return m.name("", 0o600)`,
		`Meter.Dark: return m.name("left", 0o600) → return m.name("left", 0o601)`,
		"Meter.Dark: case ready(): → case !ready():",
		`Meter.Dark: return "", fmt.Errorf("two words: %d", 1) → return "", nil`,
		"ready: func ready() bool { return false } → func ready() bool { return true }",
		"both: func both(a, b, c bool) bool { return a && b && c } → func both(a, b, c bool) bool { return !a && b && c }",
		"both: func both(a, b, c bool) bool { return a && b && c } → func both(a, b, c bool) bool { return a && !b && c }",
		"both: func both(a, b, c bool) bool { return a && b && c } → func both(a, b, c bool) bool { return a && b && !c }",
		"both: func both(a, b, c bool) bool { return a && b && c } → func both(a, b, c bool) bool { return (a || b) && c }",
		"both: func both(a, b, c bool) bool { return a && b && c } → func both(a, b, c bool) bool { return (a && b || c) }",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		for _, key := range got {
			if !slices.Contains(want, key) {
				t.Errorf("not wanted: %s", key)
			}
		}
		for _, key := range want {
			if !slices.Contains(got, key) {
				t.Errorf("missing: %s", key)
			}
		}
		t.Errorf("%d mutants, want %d", len(got), len(want))
	}
}
