//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// clockShift is a way for a clock to be wrong.
type clockShift struct {
	name string
	by   time.Duration
}

func clockShifts() []clockShift {
	return []clockShift{
		{"an hour back", -time.Hour},
		{"an hour on", time.Hour},
		{"ten years on", 10 * 365 * 24 * time.Hour},
		{"to 1970", -time.Since(time.Unix(3600, 0))},
	}
}

// jumpsPerRun is at how many places of a command the clock jumps, beginning with one that
// was wrong before.
const jumpsPerRun = 4

// TestClock turns the clock that a real process sees, before it and while it runs, and leaves
// that of the file system alone, as it is with a server's files. No command fails for it, and
// no login is lost.
func TestClock(t *testing.T) {
	run := func(name string, y *tally, prepared func(t *testing.T) subject) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := prepared(t)
			calls := s.calls(t).all()
			for _, shift := range clockShifts() {
				for i := range jumpsPerRun {
					p := plan{Kinds: slices.Concat(changing, looking), When: calls * i / jumpsPerRun, Action: jump, Shift: shift.by}
					at := fmt.Sprintf("the clock jumps %s at call %d", shift.name, p.When)
					o := s.try(t, p, func(outcome) string { return at })
					if o.Exit != 0 {
						y.bad(t, at, fmt.Errorf("exit %d: %s", o.Exit, o.Output))
					}
					y.tried[jump]++
				}
			}
			t.Logf("%s with the clock jumping %d times: lost %d, torn %d, wrong %d", name, y.tried[jump], y.damages[lost], y.damages[torn], y.damages[wrong])
		})
	}
	for _, e := range errands {
		y := newTally(e.title)
		run(e.name, y, func(t *testing.T) subject { return prepareErrand(t, e, y) })
	}
	y := newTally("rotate")
	run("rotate", y, func(t *testing.T) subject {
		b := prepare(t, scenarios[0])
		b.tally = y
		return b
	})
}

// all is how many calls there are.
func (c counts) all() int {
	sum := 0
	for _, n := range c {
		sum += n
	}
	return sum
}

// TestExpiry looks at a login that was made for an hour, with clocks that are right and wrong.
// It expires by the clock of whoever looks, and is not lost by that: it is there again when
// the clock is put right, also after the key was changed by somebody whose clock is years on.
func TestExpiry(t *testing.T) {
	h := prepareErrand(t, errand{before: map[string]string{"b.example": "1"}}, newTally("expiry"))
	user := value("a.example", "1")
	login := h.regshape("auth", "login", "a.example", "--for", "1h", "--skip-verify", "-u", user, "--password-stdin")
	login.Stdin = strings.NewReader(secretOf(user))
	if out, err := login.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	looks := 0
	look := func(when string, by time.Duration, there bool) {
		t.Helper()
		for _, action := range []string{"get", "list"} {
			looks++
			o := h.runCommand(t, plan{Action: jump, Shift: by}, h.helper(action, "a.example"))
			found := strings.Contains(o.Output, user)
			if found != there || (o.Exit == 0) != (there || action == "list") {
				t.Errorf("%s, %s: exit %d: %s", when, action, o.Exit, o.Output)
			}
			if action == "list" && !strings.Contains(o.Output, value("b.example", "1")) {
				t.Errorf("%s: the list lacks the other login: %s", when, o.Output)
			}
		}
	}
	both := func(when string) {
		t.Helper()
		for _, s := range []struct {
			clockShift
			there bool
		}{
			{clockShift{"now", 0}, true},
			{clockShift{"after 50 minutes", 50 * time.Minute}, true},
			{clockShift{"after 61 minutes", 61 * time.Minute}, false},
			{clockShift{"after ten years", 10 * 365 * 24 * time.Hour}, false},
			{clockShift{"an hour back", -time.Hour}, true},
			{clockShift{"in 1970", -time.Since(time.Unix(3600, 0))}, true},
		} {
			look(when+s.name, s.by, s.there)
		}
	}
	both("")
	years := 10 * 365 * 24 * time.Hour
	o := h.runCommand(t, plan{Action: jump, Shift: years}, h.regshape("auth", "key", "rotate"))
	if o.Exit != 0 {
		t.Fatalf("rotate: exit %d: %s", o.Exit, o.Output)
	}
	both("after a change of the key in ten years: ")
	t.Logf("%d looks", looks)
}
