//go:build torture && linux && amd64

package torture

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// run runs a case's command: under the tracer with meet, beside something with beside. Its
// input and output are files off the file system that is cut.
func (c *cutting) run(what cutCase, b *base, dir string, meet func(call), beside func()) (exit int, output string) {
	c.t.Helper()
	input, said := filepath.Join(c.work, "input"), filepath.Join(c.work, "output")
	c.must(os.WriteFile(input, []byte(what.input()), 0o600))
	in, err := os.Open(input)
	c.must(err)
	defer in.Close()
	out, err := os.Create(said)
	c.must(err)
	defer out.Close()
	cmd := what.command(dir, what.action)
	if what.args != nil {
		cmd = what.command(dir, "", what.args(b)...)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, out
	if meet != nil {
		tracer := tracer{dir: dir, meet: func(_ int, found call) verdict {
			meet(found)
			return verdict{}
		}}
		ws, err := tracer.run(cmd)
		c.must(err)
		exit = ws.ExitStatus()
	} else {
		c.must(cmd.Start())
		if beside != nil {
			beside()
		}
		_ = cmd.Wait() // the exit code says it
		exit = cmd.ProcessState.ExitCode()
	}
	text, err := os.ReadFile(said)
	c.must(err)
	return exit, string(text)
}

// judge looks at a store when the power is back. acknowledged says that the command ended
// well. Then it stores a new login, and looks once more.
func (c *cutting) judge(what cutCase, b *base, dir, at string, acknowledged bool) {
	c.t.Helper()
	b.forget(c.t, dir, outcome{})
	defer b.forget(c.t, dir, outcome{})
	turns := what.change.key == ""
	if turns {
		// Also with what the user holds, when the key that was unlocked is forgotten.
		if err := b.opens(dir, b.logins); err != nil {
			c.fault(&c.torn, at, "%v", err)
			return
		}
	}
	var h history
	for _, value := range b.logins {
		h.changes = append(h.changes, put(value, cutBefore, cutBefore+1))
	}
	if !turns {
		done := what.change
		done.acked = acknowledged
		h.changes = append(h.changes, done)
	}
	if !c.look(what, dir, at, &h) {
		return
	}
	c.judgeDocker(what, dir, at, acknowledged, h)
	flag := []string{"--resume", "--abort"}[c.random.IntN(2)]
	if turns {
		if acknowledged && !b.turned(dir) {
			c.fault(&c.lost, at, "it succeeded, but the key is the old one")
		}
		if out, err := rotation(dir, flag).CombinedOutput(); err != nil {
			c.fault(&c.torn, at, "rotate %s: %v: %s", flag, err, out)
		}
	}
	next := put(value("new.example", "1"), cutBegins, cutEnds)
	if _, err := what.run(dir, "store", storeInput(next.key, next.value)); err != nil {
		c.fault(&c.torn, at, "then %v", err)
		return
	}
	h.changes, h.looks = append(h.changes, next), nil
	if !c.look(what, dir, at+", and a login stored", &h) {
		return
	}
	if left := c.left(what, b, dir, flag == "--resume"); len(left) > 0 {
		c.fault(&c.wrong, at, "there is %s", strings.Join(left, ", "))
	}
}

// look compares what is there with the history, and reports whether all is well.
func (c *cutting) look(what cutCase, dir, at string, h *history) bool {
	c.t.Helper()
	keys := map[string]bool{}
	for _, change := range h.changes {
		keys[change.key] = true
	}
	looks, err := what.look(dir, slices.Sorted(maps.Keys(keys)))
	if err != nil {
		c.fault(&c.torn, at, "%v", err)
		return false
	}
	h.looks = append(h.looks, looks...)
	lost, wrong := h.check()
	if len(lost) > 0 {
		c.fault(&c.lost, at, "%s", strings.Join(lost, "; "))
	}
	if len(wrong) > 0 {
		c.fault(&c.wrong, at, "%s", strings.Join(wrong, "; "))
	}
	return len(lost)+len(wrong) == 0
}

// judgeDocker looks at docker's file: whole, old or new, and the login is there or in the
// store.
func (c *cutting) judgeDocker(what cutCase, dir, at string, acknowledged bool, h history) {
	c.t.Helper()
	if !what.docker {
		return
	}
	var file struct {
		Auths      map[string]any
		DetachKeys string
	}
	text, err := os.ReadFile(what.dockerFile(dir))
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil || file.DetachKeys != "ctrl-e,e" {
		c.fault(&c.torn, at, "docker's file, %v: %s", err, text)
		return
	}
	_, there := file.Auths[what.change.key]
	stored := h.looks[0].all[what.change.key] == what.change.value
	switch {
	case there && string(text) != what.dockerText():
		c.fault(&c.torn, at, "docker's file is neither old nor new: %s", text)
	case !there && !stored:
		c.fault(&c.lost, at, "the login is neither in docker's file nor in the store")
	case there && acknowledged:
		c.fault(&c.lost, at, "the login is still in docker's file")
	}
}

// turned reports whether the key is another one, in its place.
func (b *base) turned(dir string) bool {
	s, err := openStore(dir)
	if err != nil {
		return false
	}
	custody, err := s.Custody()
	return err == nil && custody.Source.Source == b.turnsTo && (custody.KID != b.kid) == b.rotates
}

// left lists what a settled store should not have: entries under two keys, and after a
// change of the key also any other thing of the old one.
func (c *cutting) left(what cutCase, b *base, dir string, resumed bool) []string {
	c.t.Helper()
	if what.change.key == "" {
		bad, _ := b.leftovers(c.t, dir, resumed)
		return bad
	}
	var generations []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && strings.HasPrefix(e.Name(), "g-") {
			generations = append(generations, e.Name())
		}
		return err
	})
	c.must(err)
	if len(generations) == 1 {
		return nil
	}
	return []string{fmt.Sprintf("%d generations of entries: %v", len(generations), generations)}
}
