package durable

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A file that another run has made since it was not found does not pass for a directory on the
// way to itself.
func TestNotThere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := notThere(file, syscall.ENOTDIR); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("made meanwhile: %v", err)
	}
	_, listErr := ReadDir(file)
	for _, err := range []error{notThere(filepath.Join(file, "below"), syscall.ENOTDIR), listErr} {
		if !errors.Is(err, errNotDir) {
			t.Errorf("through a file: %v, want %v", err, errNotDir)
		}
	}
}
