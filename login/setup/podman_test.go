package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/login/app"
	"regshape/login/lookup"
	"regshape/store"
)

// Where podman asks for all logins at once, one for Docker Hub is refused, or warned of.
func TestPodmanRemote(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"podman", "podman.exe"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	for _, c := range []struct {
		goos, coming string
		keep         bool
		refused      bool
		warning      string
	}{
		{goos: "linux", coming: "docker.io"},
		{goos: "windows", coming: "docker.io", refused: true},
		{goos: "darwin", coming: "docker.io", keep: true, warning: "would fail at the one for Docker Hub"},
		{goos: "windows", coming: "ghcr.io", warning: "while the store is locked"},
	} {
		var warned strings.Builder
		e := &app.Env{Call: app.Call{Err: &warned, Getenv: func(string) string { return "" }}, Globals: app.Globals{Store: filepath.Join(dir, "none")}, Ctx: t.Context()}
		s := &setup{Env: e, Setup: Setup{Keep: c.keep}}
		err := s.podmanRemote(c.goos, func() []lookup.Entry { return []lookup.Entry{{Address: store.ParseAddress(c.coming)}} })
		if (err != nil) != c.refused || !strings.Contains(warned.String(), c.warning) || (warned.Len() > 0) != (c.warning != "") {
			t.Errorf("%+v: got %v and %q", c, err, warned.String())
		}
	}
}
