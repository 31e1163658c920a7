package trust

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/testenv"
	"regshape/store/durable"
)

// A program that others may change, or put a library beside, is not started.
func TestGuarded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key.exe")
	if err := os.WriteFile(path, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	const all = "(A;;FA;;;WD)"
	for _, c := range []struct{ file, dir, names string }{
		{"", "", ""},
		{all, "", path},
		{"", all, dir},
	} {
		testenv.SetAccess(t, path, c.file)
		testenv.SetAccess(t, dir, c.dir)
		err := guarded(path, 0)
		if (err != nil) != (c.names != "") || err != nil && (!errors.Is(err, durable.ErrUnsafe) || !strings.Contains(err.Error(), "write to "+shown(c.names)+" (")) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}
