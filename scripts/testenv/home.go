package testenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adrg/xdg"
)

// Home makes a new directory the home of this process until the test ends.
func Home(t testing.TB) (home string) {
	t.Helper()
	home = t.TempDir()
	for _, name := range []string{"DATA", "CONFIG", "STATE"} {
		t.Setenv("XDG_"+name+"_HOME", filepath.Join(home, strings.ToLower(name)))
	}
	t.Setenv("HOME", home)
	xdg.Reload()
	t.Cleanup(func() {
		_ = os.Setenv("HOME", os.TempDir()) // until t.Setenv puts the old one back
		xdg.Reload()
	})
	return home
}
