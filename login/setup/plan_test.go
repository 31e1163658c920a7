package setup

import (
	"strings"
	"testing"
)

func TestChanges(t *testing.T) {
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
		lines := helperChanges([]byte(c.before), []byte(c.after))
		if c.tool == "podman" {
			lines = dropInChanges([]byte(c.before), []byte(c.after))
		}
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("%q to %q: got\n%s\nwant\n%s", c.before, c.after, got, c.want)
		}
	}
}
