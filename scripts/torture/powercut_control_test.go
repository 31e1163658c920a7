//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// carelessly are ways to replace a file that are not durable, from the worst on.
var carelessly = []struct {
	name    string
	replace func(path string, text []byte) error
}{
	{"nothing synced", func(path string, text []byte) error { return replaceFile(path, text, false) }},
	{"the file synced, its folder not", func(path string, text []byte) error { return replaceFile(path, text, true) }},
}

// replaceFile does what most programs do.
func replaceFile(path string, text []byte, sync bool) error {
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil && sync {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// controlCuts is how many cuts each careless way has to stand on each file system.
const controlCuts = 6

// control cuts the power right after a careless replacement, and returns how often the old
// text, or something else, is there then. Where that never happens, cuts prove nothing.
func control(t *testing.T, d *cuttable, replace func(path string, text []byte) error) (lost int) {
	t.Helper()
	for n := range controlCuts {
		path := filepath.Join(d.folder, fmt.Sprintf("control%d", n))
		steps := []func() error{
			func() error { return os.WriteFile(path, []byte("old"), 0o600) },
			d.settle,
			func() error { return replace(path, []byte("new")) },
			d.cut,
			d.again,
		}
		for _, step := range steps {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if found, err := os.ReadFile(path); err != nil || string(found) != "new" {
			lost++
		}
		_ = os.Remove(path)
		_ = os.Remove(path + ".tmp")
	}
	return lost
}
