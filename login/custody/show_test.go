package custody

import (
	"slices"
	"strings"
	"testing"

	"regshape/store"
)

// Windows has administrators, and a file is as private as its access control list.
func TestProtectionsOf(t *testing.T) {
	for _, source := range []string{store.SourceFile, store.SourceSlots, store.SourceKeyring, store.SourceCommand, store.SourceEnvironment, "later"} {
		for goos, superuser := range map[string]string{"linux": "root", "darwin": "root", "windows": "administrators"} {
			p := protectionsOf(goos, source)
			if !slices.Contains(p.not, superuser) || superuser != "root" && strings.Contains(p.String()+" ", "root") {
				t.Errorf("%s, %s: got %q, want %s in it", goos, source, p, superuser)
			}
			if got := strings.Contains(p.what, "only you can read"); got != (goos != "windows" && source == store.SourceFile) {
				t.Errorf("%s, %s: got %q", goos, source, p.what)
			}
		}
	}
}
