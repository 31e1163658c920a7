package authfile

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// Where root has run podman, nobody else can enter /run/containers, and without
// XDG_RUNTIME_DIR that is where a user's file would be.
func TestPlaces_authDirectoryOfRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can close a folder to another user")
	}
	root := t.TempDir()
	closed := filepath.Join(root, "run", "containers")
	if err := os.MkdirAll(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(closed); len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	e := Env{Home: "/home/ann", GOOS: "linux", UID: 65534, root: root}
	file := filepath.Join(closed, "65534", "auth.json")
	if got := ContainersAuth(e); !slices.Contains(got, file) {
		t.Fatalf("who may look is told to read %v", got)
	}
	var unnamed, named []string
	var err error
	var other sync.WaitGroup
	other.Go(func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine, and its user with it
		if err = syscall.Setfsuid(65534); err != nil {
			return
		}
		unnamed = ContainersAuth(e)
		e.Getenv = func(string) string { return closed }
		named = ContainersAuth(e)
	})
	other.Wait()
	if want := []string{"/home/ann/.config/containers/auth.json"}; err != nil || !slices.Equal(unnamed, want) {
		t.Errorf("another user is told to read %v, want %v (%v)", unnamed, want, err)
	}
	if !slices.Contains(named, filepath.Join(closed, "containers", "auth.json")) {
		t.Errorf("a folder that a variable names is left out: %v", named)
	}
}
