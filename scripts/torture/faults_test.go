//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"regshape/scripts/testenv"
)

// What is done to a call beside failing it.
const (
	kill = "kill"
	jump = "jump" // the clock jumps
)

// errorNames are the errors by their names in a plan.
var errorNames = map[string]unix.Errno{
	"ENOSPC": unix.ENOSPC, "EDQUOT": unix.EDQUOT, "EIO": unix.EIO, "EACCES": unix.EACCES, "EINTR": unix.EINTR,
	"ENOENT": unix.ENOENT, "ESTALE": unix.ESTALE,
}

// failing is a way to fail calls of some kinds.
type failing struct {
	action string
	kinds  []string
}

// faults are what is done to whom:
//
//   - kill where something changes: between two such calls the disk stays as it is;
//   - ENOSPC wherever a file system takes room, which for copy-on-write ones is also where
//     something is removed, and at the close of a written file, where NFS tells of it;
//   - EDQUOT likewise, but nobody's quota forbids to remove something;
//   - EIO everywhere: any call may have to read the disk or ask a server;
//   - EACCES where a name is looked up, and where rights are changed;
//   - EINTR everywhere. Local disks give it where a program waits; FUSE and NFS also at calls
//     on names, and those may have been done all the same (see doneAllTheSame);
//   - ENOENT where a name is looked up that is there: the client of a network file system has
//     kept an old answer;
//   - ESTALE at every look: another machine has replaced what was found.
//
// Those that change something and those that only look are separate ways, as the latter are
// sampled.
var faults = []failing{
	{kill, changing},
	{"ENOSPC", []string{"create", "mkdir", "unlink", "link", "rename", "write", "sync", "flush"}},
	{"EDQUOT", []string{"create", "mkdir", "link", "rename", "write", "sync", "flush"}},
	{"EIO", changing},
	{"EIO", looking},
	{"EACCES", []string{"create", "mkdir", "unlink", "link", "rename", "chmod"}},
	{"EACCES", []string{"open", "stat"}},
	{"EINTR", changing},
	{"EINTR", looking},
	{"ENOENT", []string{"open", "stat"}},
	{"ESTALE", []string{"open", "read", "list", "stat", "fstat"}},
}

// doneAllTheSame reports whether a call that fails was done: Linux has closed a file whatever
// close says, and an interrupted wait for a server takes back nothing of what was asked of it.
func (c call) doneAllTheSame(err unix.Errno) bool {
	switch c.Kind {
	case "close", "flush":
		return true
	case "mkdir", "unlink", "link", "rename":
		return err == unix.EINTR
	}
	return false
}

// onlyLooks reports whether these calls change nothing.
func (f failing) onlyLooks() bool {
	return !slices.ContainsFunc(f.kinds, func(kind string) bool { return slices.Contains(changing, kind) })
}

// likeAnother reports whether the program goes the same way after it as after one of the
// faults that a change of the key meets at every call.
func (f failing) likeAnother() bool {
	return f.action == "EDQUOT" || f.action == "EACCES" || f.action == "EINTR" || f.action == "ESTALE"
}

// everyCall is what TORTURE_FAULTS=all asks for.
func everyCall() bool { return os.Getenv("TORTURE_FAULTS") == "all" }

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
	// try runs the command in a copy under a plan, and verifies what is there then, unless
	// the plan met no call. at says what was done.
	try(t *testing.T, p plan, at func(outcome) string) outcome
}

// failEach goes through the calls of each way to fail them; in a usual run through every
// third of those, beginning with another one each time.
func failEach(t *testing.T, y *tally, s subject) {
	t.Helper()
	calls := s.calls(t)
	for _, n := range calls {
		y.calls += n
	}
	random := seed(t)
	for _, f := range faults {
		met, first, step := 0, 1, s.step(f)
		if !testenv.Whole() && !everyCall() {
			step *= 3
			first += int(random % uint64(max(1, min(step, calls.sum(f.kinds)))))
		}
		for when := first; ; when += step {
			p := plan{Kinds: f.kinds, When: when, Action: f.action}
			if s.try(t, p, func(o outcome) string { return where(p, o) }).Hit == nil {
				break
			}
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
	var words []string
	for _, kind := range kinds {
		if n := c[kind]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, kind))
		}
	}
	return fmt.Sprintf("%d calls: %s", c.sum(kinds), strings.Join(words, ", "))
}

func (c counts) sum(kinds []string) (sum int) {
	for _, kind := range kinds {
		sum += c[kind]
	}
	return sum
}

// calls runs the command without any fault.
func (b *base) calls(t *testing.T) counts {
	t.Helper()
	dir := b.copy(t)
	o := b.run(t, dir, plan{})
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

func (b *base) try(t *testing.T, p plan, at func(outcome) string) outcome {
	t.Helper()
	dir := b.copy(t)
	defer os.RemoveAll(dir)
	o := b.run(t, dir, p)
	if o.Hit != nil || p.Action == jump {
		b.verify(t, at(o), dir, o, []string{"--abort", "--resume"}[b.copies%2])
	}
	b.forget(t, dir, o)
	return o
}

// where says what was done to a command.
func where(p plan, o outcome) string {
	return fmt.Sprintf("%s at call %d, %s %s (exit %d: %s)", p.Action, p.When, o.Hit.Kind, o.Hit.Path, o.Exit, brief(o.Output))
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
	p.Dir = dir
	return injected(t, p, regshapeCommand(dir, b.command(b)...))
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
		if err := b.turned(dir); err != nil {
			bad("it succeeded, but %w", err)
		}
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

// turned fails where a command that succeeded has not done what it is for.
func (b *base) turned(dir string) error {
	s, err := openStore(dir)
	if err != nil {
		return err
	}
	c, err := s.Custody()
	if err == nil && (c.Source.Source != b.turnsTo || (c.KID != b.kid) != b.rotates) {
		err = fmt.Errorf("the source is %q and the kid %s; it was %s", c.Source.Source, c.KID, b.kid)
	}
	return err
}
