//go:build torture && linux && amd64

package torture

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

// cutCase is a command that the power is cut in, or after.
type cutCase struct {
	name     string
	scenario string                 // of the store that it begins with; "" for an empty home
	change   change                 // what it does to the logins, if anything
	action   string                 // of the helper,
	args     func(b *base) []string // or arguments of the front end
	docker   bool                   // docker's file has the login that is to be stored
}

var cutCases = []cutCase{
	{name: "first `store`", action: "store", change: put("a.example#2", cutBegins, cutEnds)},
	{name: "`store` over a login", scenario: "rotate", action: "store", change: put("a.example#2", cutBegins, cutEnds)},
	{name: "`erase`", scenario: "rotate", action: "erase", change: erase("a.example", cutBegins, cutEnds)},
	{
		name: "`import --remove`", scenario: "rotate", docker: true, change: put("d.example#2", cutBegins, cutEnds),
		args: func(*base) []string { return []string{"auth", "import", "--remove", "--from", "docker"} },
	},
	{name: "`key rotate`", scenario: "rotate", args: func(b *base) []string { return b.command(b) }},
	{name: "`key protect --recipient`", scenario: "protect-recipient", args: func(b *base) []string { return b.command(b) }},
}

// The times of a try's history: logins are stored, the power is cut in a command, and when
// it is back somebody looks.
const (
	cutBefore = 10 * iota
	cutBegins
	cutEnds
	cutAfter
)

// prepareCut makes the store that a case begins with, on the host's file system.
func (c cutCase) prepare(t *testing.T) *base {
	t.Helper()
	if c.scenario == "" {
		return &base{}
	}
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == c.scenario })
	if i < 0 {
		t.Fatalf("there is no scenario %s", c.scenario)
	}
	return prepare(t, scenarios[i])
}

// setUp makes the folder of one try, durably.
func (c cutCase) setUp(t *testing.T, b *base, d *cuttable) (dir string) {
	t.Helper()
	b.work = d.folder
	if c.scenario == "" {
		var err error
		if dir, err = os.MkdirTemp(d.folder, "home"); err != nil {
			t.Fatal(err)
		}
	} else {
		dir = b.copy(t)
	}
	if c.docker {
		file := c.dockerFile(dir)
		if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(c.dockerText()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.settle(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (cutCase) dockerFile(dir string) string { return filepath.Join(dir, "docker", "config.json") }

// dockerText has the login, and a setting that is to stay.
func (c cutCase) dockerText() string {
	login := base64.StdEncoding.EncodeToString([]byte(c.change.value + ":" + c.change.value))
	return fmt.Sprintf("{\n\t\"auths\": {%q: {\"auth\": %q}},\n\t\"detachKeys\": \"ctrl-e,e\"\n}\n", c.change.key, login)
}

// command makes a command of the helper, or else of the front end.
func (c cutCase) command(dir, action string, args ...string) *exec.Cmd {
	env := testenv.Environ(dir, "TMPDIR="+os.TempDir(), "DOCKER_CONFIG="+filepath.Dir(c.dockerFile(dir)))
	if c.scenario != "" {
		env = append(env, "REGSHAPE_STORE="+dir)
	}
	if action != "" {
		return testenv.Command(env, helper, action)
	}
	return testenv.Command(env, regshape, args...)
}

// run runs an action of the helper.
func (c cutCase) run(dir, action, input string) (string, error) {
	cmd := c.command(dir, action)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", action, err, brief(string(out)))
	}
	return string(out), err
}

// input is what the case's action reads.
func (c cutCase) input() string {
	if c.action == "store" {
		return storeInput(c.change.key, c.change.value)
	}
	return c.change.key
}

// look lists the logins and gets each of them, and those that might be there, too.
func (c cutCase) look(dir string, keys []string) (looks []look, err error) {
	out, err := c.run(dir, "list", "")
	if err != nil {
		return nil, err
	}
	listed, all := map[string]string{}, map[string]string{}
	if err := json.Unmarshal([]byte(out), &listed); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	for key, user := range listed {
		all[strings.TrimPrefix(key, "https://")] = user
	}
	looks = append(looks, look{all: all, start: cutAfter, end: cutAfter + 1})
	for _, key := range keys {
		out, err := c.run(dir, "get", key)
		found, err := answered([]byte(out), err, itself)
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", key, err)
		}
		looks = append(looks, look{scopes: scopes(key), value: found, start: cutAfter, end: cutAfter + 1})
	}
	return looks, nil
}

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
		if err := b.turned(dir); err != nil && acknowledged {
			c.fault(&c.lost, at, "it succeeded, but %v", err)
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
