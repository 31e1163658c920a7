//go:build unix

package login

import (
	"os"
	"strings"
	"testing"

	"regshape/login/setup"
)

// Whatever stands beside what setup changes, it is not shown: not by setup, not by a dry
// run, not by --undo.
func TestSetupShowsOnlyItsChanges(t *testing.T) {
	const secret = "canary"
	for name, text := range map[string]string{
		"lines":    "{\n \"plugins\": {\"x\": {\"pat\": \"ghp_canary\"}},\n \"url\": \"https://u:canary@h\",\n \"credsStore\": \"other\"\n}\n",
		"one line": `{"plugins":{"x":{"pat":"ghp_canary"}},"credsStore":"other","url":"https://u:canary@h","n":["canary"]}`,
		"no value": "{\"url\": \"https://u:canary@h\",\n\"credsStore\": \"pass/canary\"}",
		"hosts":    `{"credsStore":"other","credHelpers":{"canary.example":"canary","reg.example":"canary it is"},"pat":"canary"}`,
		"names":    "{\"credsStore\":\"\\u009bcanary\"}",
	} {
		t.Run(name, func(t *testing.T) {
			h := newSetupHome(t)
			h.write(setupConfig, text)
			for _, args := range [][]string{{"--docker", "--keep", "--dry-run"}, {"--docker", "--keep"}, {"--host", "reg.example", "--keep"}, {"--undo", "--dry-run"}, {"--undo"}} {
				var shown []string
				for line := range strings.Lines(h.ok(args...)) {
					if !strings.HasPrefix(line, "Warning: ") { // of a helper that is not there
						shown = append(shown, line)
					}
				}
				if out := strings.Join(shown, ""); strings.Contains(out, secret) || !strings.Contains(out, " → ") && args[0] != "--host" {
					t.Errorf("%v shows\n%s", args, out)
				}
			}
			if got, err := os.ReadFile(h.path(setupConfig)); err != nil || string(got) != text {
				t.Errorf("--undo left %q (%v)", got, err)
			}
		})
	}
}

func TestSetupShows(t *testing.T) {
	for _, c := range []struct{ tool, before, after, want string }{
		{"docker", "", `{"credsStore":"regshape"}`, "credsStore: (none) → regshape"},
		{"docker", `{"credsStore":"pass","pat":"x"}`, `{"pat":"x","credsStore":"regshape"}`, "credsStore: pass → regshape"},
		{"docker", `{"credsStore":"a b"}`, `{"credsStore":"regshape"}`, "credsStore: (hidden: not the name of a helper) → regshape"},
		{"docker", `{"credHelpers":{"a":"x","b":""}}`, `{"credHelpers":{"a":"x","b":"regshape","c\u202e":"regshape"}}`, "credHelpers[\"b\"]: \"\" → regshape\ncredHelpers[\"c?\"]: (none) → regshape"},
		{"docker", `{"credHelpers":{"a":"regshape"}}`, `{}`, `credHelpers["a"]: regshape → (none)`},
		{"docker", `{"credHelpers":{"a":""}}`, `{"a":1}`, `credHelpers["a"]: "" → (none)`},
		{"podman", "", "# a\ncredential-helpers = [\"regshape\"]\n", "# a\ncredential-helpers = [\"regshape\"]"},
		{"podman", "# a\ncredential-helpers = [\"regshape-work\"]\nx = \"canary\"\n", "# b\ncredential-helpers = [\"regshape\"]\n", "credential-helpers: [\"regshape-work\"] → [\"regshape\"]\n1 other line removed"},
	} {
		lines := setup.HelperChanges([]byte(c.before), []byte(c.after))
		if c.tool == "podman" {
			lines = setup.DropInChanges([]byte(c.before), []byte(c.after))
		}
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("%q to %q shows\n%s\nwant\n%s", c.before, c.after, got, c.want)
		}
	}
}
