//go:build unix

package registry

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"regshape/store/durable"
)

// A CA file decides whom a secret is sent to: it is the user's or root's, and nobody else
// can write it. A link to it is followed.
func TestCAFileOwnership(t *testing.T) {
	_, certPEM, _ := selfSigned(t, time.Now().Add(time.Hour), "a")
	file := writeFile(t, "ca.pem", certPEM)
	link := filepath.Join(t.TempDir(), "link.pem")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	try := func(what string, mode os.FileMode, refused bool) {
		t.Helper()
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{file, link} {
			if _, err := New(Options{CAFile: path}); errors.Is(err, durable.ErrUnsafe) != refused || err != nil && !refused {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	try("readable by all", 0o444, false)
	try("writable by all", 0o666, true)
	try("writable by the group", 0o664, true)
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	if err := os.Chown(file, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	try("another user's", 0o444, true)
}
