//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

const role = "UNTOUCHED_ROLE"

// TestMain lets the test binary be the command, or a program that calls the SSH agent.
func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "command":
		main()
		os.Exit(0)
	case "caller":
		conn, err := net.Dial("unix", os.Getenv("SSH_AUTH_SOCK"))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_ = conn.Close()
		os.Exit(0)
	}
	testenv.Main(m)
}

func TestUntouched(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		script string
		code   int
		says   string // after the name of the home; "" for nothing at all
	}{
		{"true", 0, ""},
		{"exit 3", 3, ""},
		{"kill -KILL $$", 1, "untouched: signal: killed"},
		{`test -f "$XDG_STATE_HOME/regshape/key" && test -d "$HOME/.docker" && cd && test -d "$GOCACHE"`, 0, ""},
		{`t=$(mktemp -d) && cat /etc/passwd >"$t/file" && rm -r "$t"`, 0, ""},
		{`read -r line <"$XDG_STATE_HOME/regshape/key"`, 1, "/xdg/state/regshape/key: read"},
		{`: <"$REGSHAPE_KEY_FILE"`, 1, "/keyfile: opened"},
		{`: <"$HOME/.config/containers/auth.json"; exit 4`, 4, "/.config/containers/auth.json: opened"},
		{`for d in "$XDG_DATA_HOME"/regshape/v1/g-*; do :; done`, 1, "/xdg/data/regshape/v1: opened"},
		{`: >>"$DOCKER_CONFIG/config.json"`, 1, "/docker/config.json: opened"},
		{`echo >"$REGISTRY_AUTH_FILE"`, 1, "/auth.json: changed"},
		{`chmod 640 "$HOME/.gitconfig"`, 1, "/.gitconfig: changed"},
		{`mkdir -p "$XDG_DATA_HOME/fish/more"`, 1, "/xdg/data/fish: made"},
		{`rm "$HOME/.ssh/config"`, 1, "/.ssh/config: removed"},
		{`mv "$REGSHAPE_STORE/v1" "$REGSHAPE_STORE/v2"`, 1, "/store/v1: removed"},
		{`exec env ` + role + `=caller "$0"`, 1, "/run/agent: connected to"},
	} {
		temp := t.TempDir()
		env := testenv.Environ(temp, append(testenv.GoSettings(), role+"=command")...)
		cmd := testenv.Command(env, self, "env", "-u", role, "sh", "-c", c.script, self)
		out, _ := cmd.CombinedOutput() // the exit code says it
		if code := cmd.ProcessState.ExitCode(); code != c.code || (c.says == "") != (len(out) == 0) || !strings.Contains(string(out), c.says) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", c.script, code, c.code, c.says, out)
		}
		if left, err := filepath.Glob(filepath.Join(temp, "*")); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %q, %v", c.script, left, err)
		}
	}
}
