//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestFaults kills and fails every call on the files of every command that writes: those of
// every day, which the errands are, and every change of the key, the scenarios. After each
// fault, every login is answered as it was before or as the command makes it, byte for byte,
// and as the latter if the command said so. See [home.verify] and [base.verify].
func TestFaults(t *testing.T) {
	var tallies []*tally
	t.Cleanup(func() { // when all of them are done
		whole := true
		for _, y := range tallies {
			whole = whole && y.calls > 0
		}
		publish(t, "faults", faultTable(tallies), whole)
	})
	for _, e := range errands {
		y := newTally(e.title)
		tallies = append(tallies, y)
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			failEach(t, y, prepareErrand(t, e, y))
		})
	}
	for _, s := range scenarios {
		y := newTally(s.title)
		tallies = append(tallies, y)
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, s)
			b.tally = y
			failEach(t, y, b)
			t.Logf("the command warned %d times of what it left behind; a lost key was put back after --abort %d times", b.warned, b.needed)
		})
	}
}

// subject is a command under test.
type subject interface {
	// calls runs the command without any fault.
	calls(t *testing.T) counts
	// step is how many calls of a way to fail one goes on by.
	step(f failing) int
	// fail reports whether there was a call to fail.
	fail(t *testing.T, f failing, when int) bool
}

func failEach(t *testing.T, y *tally, s subject) {
	t.Helper()
	calls := s.calls(t)
	for _, n := range calls {
		y.calls += n
	}
	for _, f := range faults {
		met := 0
		for when := 1; s.fail(t, f, when); when += s.step(f) {
			met++
		}
		if met == 0 {
			t.Errorf("%s: no call was met", f.action)
		}
		y.tried[f.action] += met
		t.Logf("%-6s at %3d of %s", f.action, met, calls.of(f.kinds))
	}
	t.Logf("something harmless was left %d times: a temporary file, slots without a store, entries that no key opens", y.harmless)
}

// counts is how many calls there are of each kind.
type counts map[string]int

func (c counts) of(kinds []string) string {
	all, words := 0, []string{}
	for _, kind := range kinds {
		if n := c[kind]; n > 0 {
			all += n
			words = append(words, fmt.Sprintf("%d %s", n, kind))
		}
	}
	return fmt.Sprintf("%d calls: %s", all, strings.Join(words, ", "))
}

// calls runs the command without any fault.
func (b *base) calls(t *testing.T) counts {
	t.Helper()
	dir := b.copy(t)
	o := b.run(t, dir, plan{Dir: dir})
	if o.Exit != 0 {
		t.Fatalf("without a fault: exit %d: %s", o.Exit, o.Output)
	}
	b.verify(t, "without a fault", dir, o, "--resume")
	b.forget(t, dir, o)
	return countCalls(o)
}

func countCalls(o outcome) counts {
	found := counts{}
	for _, c := range o.Calls {
		found[c.Kind]++
	}
	return found
}

// fail reports whether there was a call to fail.
func (b *base) fail(t *testing.T, f failing, when int) bool {
	t.Helper()
	dir := b.copy(t)
	defer os.RemoveAll(dir)
	o := b.run(t, dir, plan{Dir: dir, Kinds: f.kinds, When: when, Action: f.action})
	flag := []string{"--abort", "--resume"}[when%2]
	if o.Hit != nil {
		b.verify(t, where(f, when, o), dir, o, flag)
	}
	b.forget(t, dir, o)
	return o.Hit != nil
}

// where says what was done to a command.
func where(f failing, when int, o outcome) string {
	return fmt.Sprintf("%s at call %d, %s %s (exit %d: %s)", f.action, when, o.Hit.Kind, o.Hit.Path, o.Exit, brief(o.Output))
}

func brief(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// run runs the scenario's command under a fault.
func (b *base) run(t *testing.T, dir string, p plan) outcome {
	t.Helper()
	if b.unlocked {
		b.mustRun(t, dir, "auth", "unlock", "--identity", b.identity)
	}
	i, err := startInjection(p, regshapeCommand(dir, b.command(b)...))
	if err != nil {
		t.Fatal(err)
	}
	o, err := i.end()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// verify looks at a store after a fault, mends it, and looks again.
func (b *base) verify(t *testing.T, at, dir string, o outcome, flag string) {
	t.Helper()
	bad := func(format string, args ...any) { b.tally.bad(t, at, fmt.Errorf(format, args...)) }
	if strings.Contains(o.Output, "panic:") || strings.Contains(o.Output, "goroutine ") {
		bad("a crash: %s", o.Output)
	}
	if strings.Contains(o.Output, keyTag) || strings.Contains(o.Output, passphrase) {
		bad("a secret in its output")
	}
	if o.Exit == 0 {
		b.checkTurned(t, at, dir)
	}
	if b.loses { // the key is gone before; what was not put back has to be possible to put back
		if _, err := logins(dir); err != nil {
			if o.Exit == 0 {
				bad("it succeeded, but: %v", err)
			}
			out, err := regshapeCommand(dir, b.command(b)...).CombinedOutput()
			if err != nil && strings.Contains(string(out), "rotate --resume") { // to which it needs the lost key
				b.needed++
				if out, err = rotation(dir, "--abort").CombinedOutput(); err == nil {
					out, err = regshapeCommand(dir, b.command(b)...).CombinedOutput()
				}
			}
			if err != nil {
				bad("once more: %v: %s", err, out)
			}
		}
	}
	if strings.Contains(o.Output, "left behind") { // and says what to do then
		b.warned++
		flag = "--resume"
	}
	want := b.logins
	if err := b.opens(dir, want); err != nil {
		bad("%w", err)
	}
	if out, err := rotation(dir, flag).CombinedOutput(); err != nil {
		bad("rotate %s: %v: %s", flag, err, out)
	}
	if err := listsExactly(dir, want); err != nil {
		bad("after rotate %s: %w", flag, err)
	}
	if out, err := runHelper(dir, "store", storeInput("new.example", value("new.example", "1"))); err != nil {
		bad("after rotate %s, store: %v: %s", flag, err, out)
	}
	after := map[string]string{"new.example": value("new.example", "1")}
	for key, value := range want {
		after[key] = value
	}
	if err := b.opens(dir, after); err != nil {
		bad("after rotate %s and store: %w", flag, err)
	}
	left, harmless := b.leftovers(t, dir, flag == "--resume")
	if len(left) > 0 {
		bad("after rotate %s and store, left behind: %s", flag, strings.Join(left, ", "))
	}
	if len(harmless) > 0 {
		b.tally.harmless++
	}
}

// checkTurned fails the test when a command that succeeded has not done what it is for.
func (b *base) checkTurned(t *testing.T, at, dir string) {
	t.Helper()
	s, err := openStore(dir)
	if err != nil {
		b.tally.bad(t, at, err)
		return
	}
	c, err := s.Custody()
	if err != nil {
		b.tally.bad(t, at, err)
	} else if c.Source.Source != b.turnsTo || (c.KID != b.kid) != b.rotates {
		b.tally.bad(t, at, fmt.Errorf("it succeeded, but the source is %q and the kid %s; it was %s", c.Source.Source, c.KID, b.kid))
	}
}
