package authfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/testenv"
	"regshape/store/durable"
)

// An edit keeps the access control list of a file: neither the directory's takes its place, nor
// is one lost that lets in somebody else.
func TestUpdate_keepsAccessList(t *testing.T) {
	for _, others := range []string{"", "(A;;FR;;;WD)"} {
		path := filepath.Join(t.TempDir(), "config.json")
		put(t, path, "{}")
		testenv.SetAccess(t, path, others)
		if _, err := Update(path, Docker, 0o600, setStore); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		who, fix, err := durable.Exposed(path, info, durable.Secret)
		if err != nil || (who != "") != (others != "") || others != "" && !strings.HasSuffix(strings.Join(fix, " "), "*S-1-1-0") {
			t.Errorf("%q: got %q, %q, %v", others, who, fix, err)
		}
	}
}
