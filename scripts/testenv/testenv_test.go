package testenv

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Whatever the user has set, nothing of it that names a place is handed on.
func TestNothingIsHandedOn(t *testing.T) {
	GoSettings() // as they are
	for _, name := range []string{
		"HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "REGSHAPE_STORE", "REGSHAPE_KEY_FILE",
		"DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK", "GNUPGHOME", "TMPDIR",
	} {
		t.Setenv(name, "/of/the/user/"+name)
	}
	for _, kv := range Environ("/home/test", "MORE=1") {
		if strings.Contains(kv, "/of/the/user/") {
			t.Error(kv)
		}
	}
	for _, kv := range Go() {
		if strings.Contains(kv, "/of/the/user/") && !strings.HasPrefix(kv, "TMP") {
			t.Error(kv)
		}
	}
	if env := Environ("/home/test", "HOME=/other"); env[len(env)-1] != "HOME=/other" {
		t.Errorf("what comes last is %s", env[len(env)-1])
	}
	cmd := Command(Environ("/home/test", "MORE=1"), os.Args[0])
	if !slices.Contains(cmd.Environ(), "MORE=1") || slices.Contains(cmd.Environ(), "XDG_DATA_HOME=/of/the/user/XDG_DATA_HOME") {
		t.Errorf("the command gets %q", cmd.Environ())
	}
}

// Nothing may come by accident either.
func TestForgottenEnvironment(t *testing.T) {
	for name, f := range map[string]func(){
		"nil":            func() { Command(nil, "true") },
		"nobody's child": func() { Inherited() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
