//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

// The README's first command, as printed, in a fresh home. Go's caches are kept, so that
// the test needs no network.
func TestReadmeDemo(t *testing.T) {
	home := t.TempDir()
	cmd := testenv.Command(testenv.Environ(home, append(testenv.GoSettings(), "TMPDIR="+os.TempDir())...), "make", "demo")
	cmd.Dir = filepath.Join("..", "..")
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
