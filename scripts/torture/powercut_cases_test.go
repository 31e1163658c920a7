//go:build torture && linux && amd64

package torture

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
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
		var found struct{ Username, Secret string }
		switch {
		case strings.Contains(out, "credentials not found"):
		case err != nil:
			return nil, err
		default:
			if err := json.Unmarshal([]byte(out), &found); err != nil {
				return nil, fmt.Errorf("get: %w", err)
			}
			if found.Username != found.Secret {
				return nil, fmt.Errorf("%s: the user name is another entry's", key)
			}
		}
		looks = append(looks, look{scopes: scopes(key), value: found.Secret, start: cutAfter, end: cutAfter + 1})
	}
	return looks, nil
}
