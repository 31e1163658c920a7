//go:build torture && linux && amd64

package torture

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestStoppedRotation stops a rotation at every call, as Ctrl-Z, a laptop's lid and a slow
// disk do, completes it or takes it back by another process, changes the store, and lets
// the first one go on. Nothing of the changes may be lost.
func TestStoppedRotation(t *testing.T) {
	for _, flag := range []string{"--resume", "--abort"} {
		t.Run(flag[2:], func(t *testing.T) {
			t.Parallel()
			step := usually(3, 1)
			when, bad := 1+int(seed(t)%uint64(step)), 0
			for ; ; when += step {
				o, stopped, err := stopAt(t, when, flag)
				if err != nil {
					bad++
					call := call{}
					if o.Hit != nil {
						call = *o.Hit
					}
					t.Errorf("stopped at call %d (%s %s), %s by another, continued (exit %d: %s): %v", when, call.Kind, call.Path, flag, o.Exit, brief(o.Output), err)
				}
				if !stopped {
					break
				}
			}
			t.Logf("a rotation stopped at every call in %d of %d, %s by another, and then continued: %d went wrong", step, when-1, flag, bad)
		})
	}
}

// stopAt reports whether the rotation came to its n-th call, and what was wrong afterwards.
func stopAt(t *testing.T, when int, flag string) (o outcome, stopped bool, err error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	want := map[string]string{}
	set := func(key, id string) error {
		want[key] = value(key, id)
		_, err := runHelper(dir, "store", storeInput(key, want[key]))
		return err
	}
	for _, key := range []string{"a.example", "b.example", "c.example"} {
		if err := set(key, "old"); err != nil {
			t.Fatal(err)
		}
	}
	i, err := startInjection(plan{Dir: dir, Kinds: changing, When: when, Action: "stop"}, rotation(dir))
	if err != nil {
		t.Fatal(err)
	}
	if stopped, err = i.stopped(); err != nil {
		t.Fatal(err)
	}
	var wrong []error
	if stopped {
		if out, err := rotation(dir, flag).CombinedOutput(); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w: %s", flag, err, out))
		}
		_, eraseErr := runHelper(dir, "erase", "b.example")
		delete(want, "b.example")
		wrong = append(wrong, set("a.example", "new"), set("d.example", "new"), eraseErr)
	}
	if o, err = i.end(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(o.Output, "forget-all-logins") {
		wrong = append(wrong, fmt.Errorf("it advises to give up the store: %s", o.Output))
	}
	wrong = append(wrong, holdsExactly(dir, want))
	for _, flags := range [][]string{{"--resume"}, {"--abort"}} {
		if out, err := rotation(dir, flags...).CombinedOutput(); err != nil {
			wrong = append(wrong, fmt.Errorf("then %s: %w: %s", flags, err, out))
		}
	}
	if errors.Join(wrong...) == nil {
		wrong = append(wrong, holdsExactly(dir, want))
	}
	return o, stopped, errors.Join(append(wrong, settled(t, dir))...)
}

// TestStoppedRenewal stops a renewal at every call, does something else to its login or to the
// store, and lets it go on. What was done in between stands.
func TestStoppedRenewal(t *testing.T) {
	for _, meanwhile := range []struct {
		name    string
		command func(h *home) *exec.Cmd
		then    string // the id that a.example has
	}{
		{"logout", func(h *home) *exec.Cmd { return h.regshape("auth", "logout", "a.example") }, ""},
		{"login", func(h *home) *exec.Cmd {
			user := value("a.example", "3")
			return h.regshape("auth", "login", "a.example", "-u", user, "--skip-verify", "--command", "echo", "--", secretOf(user))
		}, "3"},
		{"store", func(h *home) *exec.Cmd { return h.helper("store", h.storeInput("a.example", "3")) }, "3"},
		{"rotate", func(h *home) *exec.Cmd { return h.regshape("auth", "key", "rotate") }, "2"},
		{"lock", func(h *home) *exec.Cmd { return h.regshape("auth", "lock") }, "2"},
	} {
		t.Run(meanwhile.name, func(t *testing.T) {
			y := newTally(meanwhile.name)
			h := prepareErrand(t, errand{before: all, sets: map[string]string{}, ends: -time.Second, command: asking}, y)
			unlock := func(*home) {}
			if meanwhile.name == "lock" {
				(&readBack{t: t, dir: h.store()}).protect()
				unlock = func(c *home) {
					if out, err := c.regshape("auth", "unlock", "--identity", filepath.Join(c.dir, "identity")).CombinedOutput(); err != nil {
						t.Fatalf("unlock: %v: %s", err, out)
					}
				}
				defer func() { _ = h.regshape("auth", "lock").Run() }()
			}
			when := 1
			for ; !t.Failed(); when++ {
				c := h.copy(t)
				unlock(c)
				i, err := startInjection(plan{Dir: c.dir, Kinds: changing, When: when, Action: "stop"}, asking(c))
				if err != nil {
					t.Fatal(err)
				}
				stopped, err := i.stopped()
				if err != nil {
					t.Fatal(err)
				}
				at := fmt.Sprintf("stopped at call %d", when)
				if out, err := meanwhile.command(c).CombinedOutput(); stopped && err != nil {
					y.bad(t, at, fmt.Errorf("%w: %s", err, out))
				}
				o, err := i.end()
				if err != nil {
					t.Fatal(err)
				}
				if o.Exit == 0 || meanwhile.name != "logout" && meanwhile.name != "lock" { // after which there may be no answer
					y.bad(t, at, c.answer(&o, "2", meanwhile.then))
				}
				unlock(c)
				want := exactly(all)
				want["a.example"] = []string{meanwhile.then}
				for _, err := range c.holds(want, false) {
					y.bad(t, at, err)
				}
				if !stopped {
					break
				}
			}
			t.Logf("a renewal stopped at each of %d calls, %s by another: %v", when-1, meanwhile.name, y.damages)
		})
	}
}

// holdsExactly fails unless the store answers with these values, and lists no others.
func holdsExactly(dir string, want map[string]string) error {
	w := &worker{dir: dir, mode: perRun}
	for key, value := range want {
		if got, err := w.get(key); err != nil || got != value {
			return fmt.Errorf("%s: got %q, %v; want %q", key, got, err, value) //nolint:errorlint // often nil
		}
	}
	all, err := w.list()
	if err == nil && !maps.Equal(all, want) {
		err = fmt.Errorf("the list has %v; want %v", all, want)
	}
	return err
}
