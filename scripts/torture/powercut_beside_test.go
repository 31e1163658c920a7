//go:build torture && linux && amd64

package torture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
