package lookup

import (
	"slices"
	"strings"
	"testing"
)

func TestSystemHelper(t *testing.T) {
	const helper = "docker-credential-"
	for _, c := range []struct{ goos, installed, want string }{
		{"darwin", helper + "osxkeychain", "osxkeychain"},
		{"darwin", helper + "pass pass", ""},
		{"windows", helper + "wincred", "wincred"},
		{"linux", helper + "secretservice", "secretservice"},
		{"linux", helper + "secretservice pass", ""}, // docker asks pass for its helper, and has none
		{"linux", helper + "secretservice pass " + helper + "pass", "pass"},
		{"linux", "", ""},
		{"freebsd", helper + "secretservice", ""},
	} {
		installed := func(program string) bool { return slices.Contains(strings.Fields(c.installed), program) }
		if got := systemHelper(c.goos, installed); got != c.want {
			t.Errorf("%s with %q: got %q, want %q", c.goos, c.installed, got, c.want)
		}
	}
}
