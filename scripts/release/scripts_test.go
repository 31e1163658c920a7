package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// The maintainer scripts speak once, when there is something to do, and are silent on an
// upgrade. The words they are called with are those of Debian's policy (chapter 6) and of
// rpm's scriptlets.
func TestMaintainerScripts(t *testing.T) {
	tool(t, "sh")
	for _, c := range []struct {
		when, script string
		args         []string
		says         string // "" for silence
	}{
		{"first install, dpkg", "postinstall", []string{"configure", ""}, "regshape auth setup"},
		{"first install, older dpkg", "postinstall", []string{"configure"}, "regshape auth setup"},
		{"first install, rpm", "postinstall", []string{"1"}, "regshape auth setup"},
		{"upgrade, dpkg", "postinstall", []string{"configure", "1.0"}, ""},
		{"upgrade, rpm", "postinstall", []string{"2"}, ""},
		{"upgrade undone", "postinstall", []string{"abort-upgrade", "1.0"}, ""},
		{"removal, dpkg", "preremove", []string{"remove"}, "regshape auth setup --undo"},
		{"removal, rpm", "preremove", []string{"0"}, "50-regshape.conf"},
		{"upgrade, dpkg", "preremove", []string{"upgrade", "1.1"}, ""},
		{"upgrade, rpm", "preremove", []string{"1"}, ""},
		{"removal, dpkg", "postremove", []string{"remove"}, ""},
		{"upgrade, dpkg", "postremove", []string{"upgrade", "1.1"}, ""},
		{"upgrade, rpm", "postremove", []string{"1"}, ""},
		{"purge, dpkg", "postremove", []string{"purge"}, "~/.local/share/regshape"},
		{"removal, rpm", "postremove", []string{"0"}, "~/.local/state/regshape"},
	} {
		out := must(t, "sh", append([]string{filepath.Join("package", c.script+".sh")}, c.args...)...)
		if c.says == "" && out != "" || !strings.Contains(out, c.says) {
			t.Errorf("%s (%s %q): want %q, said:\n%s", c.when, c.script, c.args, c.says, out)
		}
		for line := range strings.Lines(out) {
			if len(line) > 81 {
				t.Errorf("%s: over 80 columns: %s", c.script, line)
			}
		}
	}
}
