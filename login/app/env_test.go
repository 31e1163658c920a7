package app

import (
	"path/filepath"
	"testing"
)

func TestOwnCommandsRepeatFlags(t *testing.T) {
	variables := map[string]string{}
	e := &Env{Call: Call{Getenv: func(name string) string { return variables[name] }}}
	want := func(line string) {
		t.Helper()
		if got := e.Own("auth", "doctor"); got != line {
			t.Errorf("got %s, want %s", got, line)
		}
	}
	want("regshape auth doctor")
	dir := t.TempDir()
	e.Store, e.Profile, e.DockerConfig = filepath.Join(dir, "a b"), "work", dir
	want("regshape --store '" + dir + "/a b' --profile work --docker-config " + dir + " auth doctor")
	variables["REGSHAPE_STORE"], variables["REGSHAPE_PROFILE"], e.DockerConfig = e.Store, "work", ""
	want("regshape auth doctor")
	variables["REGSHAPE_STORE"] = dir // the flag beats it
	want("regshape --store '" + dir + "/a b' auth doctor")
}
