//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/store"
)

// failing is a way to fail calls of some kinds.
type failing struct {
	action string
	kinds  []string
}

var (
	looking = []string{"open", "read", "list", "close"}

	faults = []failing{
		{"kill", changing}, // between two of them nothing changes
		{"ENOSPC", changing},
		{"EIO", changing},
		{"EIO", looking},
	}
)

// TestFaults kills and fails every call on the store's files of every change of the key.
// After each, all logins open with the keys that the user holds, the change can be taken
// back or completed, and a new login be stored; and no clear key is left of a store that
// was protected.
func TestFaults(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			b := prepare(t, s)
			calls := b.calls(t)
			for _, f := range faults {
				met := 0
				for when := 1; ; when += s.step(f) {
					hit := b.fail(t, f, when)
					if !hit {
						break
					}
					met++
				}
				if met < 2 {
					t.Errorf("%s: only %d calls were met", f.action, met)
				}
				t.Logf("%-6s at %3d of %s", f.action, met, calls.of(f.kinds))
			}
			t.Logf("the command warned %d times of what it left behind; a lost key was put back after --abort %d times; at the end something harmless was left %d times: a temporary file, slots without a store, entries that no key opens",
				b.warned, b.needed, b.harmless)
		})
	}
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
		b.verify(t, fmt.Sprintf("%s %s at call %d, %s %s (exit %d: %s)", b.name, f.action, when, o.Hit.Kind, o.Hit.Path, o.Exit, brief(o.Output)), dir, o, flag)
	}
	b.forget(t, dir, o)
	return o.Hit != nil
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
	bad := func(format string, args ...any) { t.Errorf("%s: %s", at, fmt.Sprintf(format, args...)) }
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
		bad("%v", err)
	}
	if out, err := rotation(dir, flag).CombinedOutput(); err != nil {
		bad("rotate %s: %v: %s", flag, err, out)
	}
	if found, err := logins(dir); err != nil || !maps.Equal(found, want) {
		bad("after rotate %s: the list has %v, %v", flag, found, err)
	}
	if out, err := runHelper(dir, "store", storeInput("new.example", value("new.example", "1"))); err != nil {
		bad("after rotate %s, store: %v: %s", flag, err, out)
	}
	after := map[string]string{"new.example": value("new.example", "1")}
	for key, value := range want {
		after[key] = value
	}
	if err := b.opens(dir, after); err != nil {
		bad("after rotate %s and store: %v", flag, err)
	}
	left, harmless := b.leftovers(t, dir, flag == "--resume")
	if len(left) > 0 {
		bad("after rotate %s and store, left behind: %s", flag, strings.Join(left, ", "))
	}
	if len(harmless) > 0 {
		b.harmless++
	}
}

// checkTurned fails the test when a command that succeeded has not done what it is for.
func (b *base) checkTurned(t *testing.T, at, dir string) {
	t.Helper()
	s, err := openStore(dir)
	if err != nil {
		t.Errorf("%s: %v", at, err)
		return
	}
	c, err := s.Custody()
	if err != nil || c.Source.Source != b.turnsTo || (c.KID != b.kid) != b.rotates {
		t.Errorf("%s: it succeeded, but the source is %q and the kid %s, %v; it was %s", at, c.Source.Source, c.KID, err, b.kid)
	}
}

// leftovers lists the files that a settled store should not have. harmless is what opens
// nothing and hides nothing. A clear key in a store that is protected is the worst of them.
func (b *base) leftovers(t *testing.T, dir string, resumed bool) (bad, harmless []string) {
	t.Helper()
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Custody()
	if err != nil {
		t.Fatal(err)
	}
	slots := ""
	if c.Source.Source == store.SourceSlots {
		slots = strings.TrimPrefix(s.Location().SlotsFolder(c.Source.Recipient), dir+"/")
	}
	for _, file := range tree(t, dir) {
		data, _ := os.ReadFile(filepath.Join(dir, file))
		key, err := store.ParseKeyLine(string(data))
		switch isKey := err == nil; {
		case isKey && file == "key" && c.Source.Source == store.SourceFile, file == "names", file == "config":
		case isKey && file == "key.next-"+c.KID && c.Source.Source == store.SourceFile && !there(filepath.Join(dir, "key")):
			harmless = append(harmless, file) // it is found there, too
		case isKey && isTemporary(file) && c.Source.Source == store.SourceFile:
			harmless = append(harmless, file)
		case isKey && isTemporary(file) && key.KID() != c.KID && key.KID() != b.kid:
			harmless = append(harmless, file) // a new key that has sealed nothing
		case isKey:
			bad = append(bad, file+" (a clear key)")
		case strings.HasPrefix(file, "v1/g-"+c.KID+"/") && (!strings.Contains(file, ".rekey") || strings.HasSuffix(file, "/.rekey/")):
		case slots != "" && (strings.HasPrefix(file, slots+"/") || file == "v1/key-"+c.KID+".age"):
		case isTemporary(file), strings.HasPrefix(file, "v1/slots/"): // doctor names the first when it is old
			harmless = append(harmless, file)
		case strings.HasPrefix(file, "v1/.retired-") && !resumed: // the next rotation removes it
			harmless = append(harmless, file)
		default:
			bad = append(bad, file)
		}
	}
	return bad, harmless
}
