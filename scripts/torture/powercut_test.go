//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"regshape/scripts/page"
)

// TestPowerCut cuts the power of ext4 and xfs in the middle of commands, and right after
// they have succeeded. When it is back, what was acknowledged is there; what was not is
// there whole or not at all; the other logins open; a change of the key can be completed or
// taken back; a new login can be stored; and there is one key.
func TestPowerCut(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	cuts, seed := usually(18, 36), seed(t) // for each case three: after it, at a call, at any time
	var table, controls strings.Builder
	table.WriteString("`TESTENV_WHOLE=1 make torture`\n\n")
	table.WriteString("| file system | cuts after the acknowledgement | cuts in the middle | of which before it | lost | torn | wrong |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	done := 0
	// One after the other: the tracer's waiting takes other children's ends away.
	for n, kind := range []string{"ext4", "xfs"} {
		t.Run(kind, func(t *testing.T) {
			d := mountCuttable(t, kind)
			for _, careless := range carelessly {
				lost := control(t, d, careless.replace)
				if lost == 0 {
					t.Fatalf("%s: %d cuts lost nothing, so they prove nothing", careless.name, controlCuts)
				}
				fmt.Fprintf(&controls, "- %s, %s: %d of %d\n", kind, careless.name, lost, controlCuts)
			}
			c := cutting{t: t, disk: d, work: t.TempDir(), random: rand.New(rand.NewPCG(seed, uint64(n)))}
			for i, what := range cutCases {
				c.tries(what, cuts*(i+1)/len(cutCases)-cuts*i/len(cutCases))
			}
			fmt.Fprintf(&table, "| %s | %d | %d | %d | %d | %d | %d |\n", kind, c.after, c.within, c.refused, c.lost, c.torn, c.wrong)
			if c.refused == 0 {
				t.Error("every command had succeeded before the power was cut, so none was cut in the middle")
			}
			done++
		})
	}
	controls.WriteString("\n")
	t.Log("\n" + table.String() + "\n" + controls.String())
	if done < 2 {
		return // the table is about both
	}
	names := make([]string, len(cutCases))
	for i, c := range cutCases {
		names[i] = c.name
	}
	fmt.Fprintf(&table, "\nCut in turn: %s. To show that the cuts are real, a file was replaced by other means and the power cut; the new text was lost then:\n\n%s",
		strings.Join(names, ", "), controls.String())
	if err := page.Publish("README.md", "powercut", table.String()); err != nil {
		t.Error(err)
	}
}

// cutting counts what comes of the cuts on one file system.
type cutting struct {
	t                 *testing.T
	disk              *cuttable
	random            *rand.Rand
	work              string // off the file system that is cut
	after, within     int    // cuts
	refused           int    // of those within: the command did not succeed
	lost, torn, wrong int
}

// fault counts something bad.
func (c *cutting) fault(kind *int, at, format string, args ...any) {
	c.t.Helper()
	*kind++
	c.t.Errorf("%s: %s: %s", c.disk.kind, at, fmt.Sprintf(format, args...))
}

// tries cuts the power of one case: in turn after it, before a call of it, which are drawn
// so that all have their turn before one comes again, and at any time.
func (c *cutting) tries(what cutCase, count int) {
	c.t.Helper()
	b := what.prepare(c.t)
	calls, took := c.measure(what, b)
	var turns []int
	for i := range count {
		switch i % 3 {
		case 0:
			c.cutAfter(what, b)
		case 1:
			if len(turns) == 0 {
				turns = c.random.Perm(calls)
			}
			c.cutAtCall(what, b, turns[0]+1)
			turns = turns[1:]
		case 2:
			c.cutAtTime(what, b, time.Duration(c.random.Int64N(int64(took))))
		}
	}
	c.t.Logf("%-28s %3d cuts; it makes %3d calls that change something, and takes %v", what.name, count, calls, took.Round(time.Millisecond))
}

// measure runs a case without a cut: how many changing calls it makes, and how long it
// takes.
func (c *cutting) measure(what cutCase, b *base) (calls int, took time.Duration) {
	c.t.Helper()
	dir := what.setUp(c.t, b, c.disk)
	defer os.RemoveAll(dir)
	exit, output := c.run(what, b, dir, func(found call) {
		if slices.Contains(changing, found.Kind) {
			calls++
		}
	}, nil)
	if exit != 0 || calls == 0 {
		c.t.Fatalf("%s without a cut: exit %d after %d calls: %s", what.name, exit, calls, output)
	}
	c.judge(what, b, dir, what.name+" without a cut", true)
	took = time.Hour
	for range 3 { // the machine may be busy with others
		again := what.setUp(c.t, b, c.disk)
		began := time.Now()
		if exit, output := c.run(what, b, again, nil, nil); exit != 0 {
			c.t.Fatalf("%s without a cut: exit %d: %s", what.name, exit, output)
		}
		took = min(took, time.Since(began))
		b.forget(c.t, again, outcome{})
		c.must(os.RemoveAll(again))
	}
	return calls, took
}

func (c *cutting) cutAfter(what cutCase, b *base) {
	c.t.Helper()
	dir := what.setUp(c.t, b, c.disk)
	defer os.RemoveAll(dir)
	exit, output := c.run(what, b, dir, nil, nil)
	c.must(c.disk.cut())
	if exit != 0 {
		c.t.Fatalf("%s without a cut: exit %d: %s", what.name, exit, output)
	}
	c.after++
	c.must(c.disk.again())
	c.judge(what, b, dir, what.name+", the power cut right after it", true)
}

// cutAtCall cuts while the command stands before its n-th changing call.
func (c *cutting) cutAtCall(what cutCase, b *base, n int) {
	c.t.Helper()
	dir := what.setUp(c.t, b, c.disk)
	defer os.RemoveAll(dir)
	at, calls := fmt.Sprintf("%s, the power cut at its end", what.name), 0
	exit, output := c.run(what, b, dir, func(found call) {
		if !slices.Contains(changing, found.Kind) {
			return
		}
		if calls++; calls == n {
			c.must(c.disk.cut())
			at = fmt.Sprintf("%s, the power cut before call %d, %s %s", what.name, n, found.Kind, found.Path)
		}
	}, nil)
	if calls < n { // the order of its threads is not always the same
		c.must(c.disk.cut())
	}
	c.must(c.disk.again())
	c.judgeCut(what, b, dir, at, exit, output)
}

// cutAtTime cuts while the command may be anywhere: also within a call, when the journal
// has half of it.
func (c *cutting) cutAtTime(what cutCase, b *base, wait time.Duration) {
	c.t.Helper()
	dir := what.setUp(c.t, b, c.disk)
	defer os.RemoveAll(dir)
	exit, output := c.run(what, b, dir, nil, func() {
		time.Sleep(wait)
		c.must(c.disk.cut())
	})
	c.must(c.disk.again())
	c.judgeCut(what, b, dir, fmt.Sprintf("%s, the power cut after %v", what.name, wait), exit, output)
}

func (c *cutting) judgeCut(what cutCase, b *base, dir, at string, exit int, output string) {
	c.t.Helper()
	c.within++
	if exit != 0 {
		c.refused++
	}
	at = fmt.Sprintf("%s (exit %d: %s)", at, exit, brief(output))
	if strings.Contains(output, "panic:") || strings.Contains(output, keyTag) {
		c.fault(&c.wrong, at, "a crash, or a key in its output: %s", output)
	}
	c.judge(what, b, dir, at, exit == 0)
}

func (c *cutting) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// carelessly are ways to replace a file that are not durable, from the worst on.
var carelessly = []struct {
	name    string
	replace func(path string, text []byte) error
}{
	{"nothing synced", func(path string, text []byte) error { return replaceFile(path, text, false) }},
	{"the file synced, its folder not", func(path string, text []byte) error { return replaceFile(path, text, true) }},
}

// replaceFile does what most programs do.
func replaceFile(path string, text []byte, sync bool) error {
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil && sync {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// controlCuts is how many cuts each careless way has to stand on each file system.
const controlCuts = 6

// control cuts the power right after a careless replacement, and returns how often the old
// text, or something else, is there then. Where that never happens, cuts prove nothing.
func control(t *testing.T, d *cuttable, replace func(path string, text []byte) error) (lost int) {
	t.Helper()
	for n := range controlCuts {
		path := filepath.Join(d.folder, fmt.Sprintf("control%d", n))
		steps := []func() error{
			func() error { return os.WriteFile(path, []byte("old"), 0o600) },
			d.settle,
			func() error { return replace(path, []byte("new")) },
			d.cut,
			d.again,
		}
		for _, step := range steps {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if found, err := os.ReadFile(path); err != nil || string(found) != "new" {
			lost++
		}
		_ = os.Remove(path)
		_ = os.Remove(path + ".tmp")
	}
	return lost
}

// TestPowerCutBeside cuts the power after an acknowledgement that rests on what another run
// has done and not made durable yet: an erase that finds nothing to remove any more, because
// another one was stopped before it synced.
func TestPowerCutBeside(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	for _, kind := range []string{"ext4", "xfs"} {
		t.Run(kind, func(t *testing.T) {
			c := cutting{t: t, disk: mountCuttable(t, kind), work: t.TempDir()}
			what := cutCases[2]
			b := what.prepare(t)
			dir := what.setUp(t, b, c.disk)
			acknowledged := false
			c.run(what, b, dir, func(found call) {
				if found.Kind != "sync" || acknowledged {
					return
				}
				_, err := what.run(dir, "erase", what.change.key)
				c.must(err)
				acknowledged = true
				c.must(c.disk.cut())
			}, nil)
			if !acknowledged {
				t.Fatal("an erase syncs nothing")
			}
			c.must(c.disk.again())
			looks, err := what.look(dir, []string{what.change.key})
			c.must(err)
			if value := looks[1].value; value != "" {
				t.Errorf("it was erased, and the power cut; then there is %s", value)
			}
		})
	}
}

// TestPowerCutConfig has data and config on file systems of their own. A first run is killed
// before the config is durable, another one stores a login under it, and the config's file
// system loses its power.
func TestPowerCutConfig(t *testing.T) {
	if !inOwnMounts(t) {
		return
	}
	config, data := mountCuttable(t, "ext4"), t.TempDir()
	what := cutCases[0]
	command := func(action string) (string, error) {
		cmd := what.command(data, action)
		cmd.Env = append(cmd.Env, "XDG_CONFIG_HOME="+filepath.Join(config.folder, "c"))
		cmd.Stdin = strings.NewReader(what.input())
		if action == "get" {
			cmd.Stdin = strings.NewReader(what.change.key)
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(config.folder, "c", "regshape"), 0o700))
	must(config.settle())
	in := filepath.Join(data, "input")
	must(os.WriteFile(in, []byte(what.input()), 0o600))
	f, err := os.Open(in)
	must(err)
	defer f.Close()
	cmd := what.command(data, "store")
	cmd.Env = append(cmd.Env, "XDG_CONFIG_HOME="+filepath.Join(config.folder, "c"))
	cmd.Stdin = f
	linked := false
	tr := tracer{dir: config.folder, meet: func(_ int, found call) verdict {
		linked = linked || found.Kind == "link"
		return verdict{kill: linked && found.Kind == "sync"}
	}}
	_, err = tr.run(cmd)
	must(err)
	if !linked {
		t.Fatal("the first run has linked no config")
	}
	if out, err := command("store"); err != nil {
		t.Fatalf("the next store says %v: %s", err, out)
	}
	must(config.cut())
	must(config.again())
	if out, err := command("get"); err != nil {
		t.Errorf("it was acknowledged; then get says %v: %s", err, out)
	}
}
