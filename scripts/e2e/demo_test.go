//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The README's first command, as printed, in a fresh home. Go's caches are kept, so that
// the test needs no network.
func TestReadmeDemo(t *testing.T) {
	home := t.TempDir()
	cmd := exec.Command("make", "demo")
	cmd.Dir = filepath.Join("..", "..")
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		// The make that runs these tests hands its own variables down.
		if name != "HOME" && name != "PREFIX" && !strings.HasPrefix(name, "MAKE") && !strings.HasPrefix(name, "XDG_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+home, "GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for _, want := range []string{"Login Succeeded", "\nDone: one login served docker, podman, skopeo;"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
	for _, name := range []string{"regshape", "docker-credential-regshape"} {
		if _, err := os.Stat(filepath.Join(home, ".local", "bin", name)); err != nil {
			t.Error(err)
		}
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
