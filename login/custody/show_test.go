package custody

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"regshape/login/app"
	"regshape/store"
)

// A backup or passphrase that PowerShell has redirected to a file is UTF-16.
func TestReadLimited_utf16(t *testing.T) {
	path, want := filepath.Join(t.TempDir(), "f"), "größer \U0001f511\r\n"
	wide, err := binary.Append(nil, binary.LittleEndian, utf16.Encode([]rune("\ufeff"+want)))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{wide, []byte(want)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readLimited(&app.Env{}, path, 100); err != nil || string(got) != want {
			t.Errorf("%x: got %q, %v", text, got, err)
		}
	}
}

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
