package main

import (
	"slices"
	"strings"
	"testing"
)

// Every kind of change is found, and no text, constant, type or value beside an error is.
func TestList(t *testing.T) {
	inToy(t)
	out, err := mutate(t, "", "-list")
	if err != nil {
		t.Fatal(err)
	}
	if some, err := mutate(t, "", "-list", "-match", "Sum: sum"); err != nil || !strings.HasPrefix(some, "3\ttoy/toy.go:17\tSum: sum") || strings.Count(some, "\n") != 1 {
		t.Errorf("one of them: %v\n%s", err, some)
	}
	var got []string
	for line := range strings.Lines(out) {
		_, key, _ := strings.Cut(strings.TrimSpace(line), ".go:")
		_, key, _ = strings.Cut(key, "\t")
		got = append(got, key)
	}
	want := []string{
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
