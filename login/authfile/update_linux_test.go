package authfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"regshape/scripts/testenv"
)

// again runs one test in a child of this process, in which the named variable is
// set: under another user, or in a mount namespace of its own.
func again(t *testing.T, variable, value string, attr *syscall.SysProcAttr) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: to become another user, and to mount")
	}
	env := testenv.Environ(t.TempDir(), testenv.Prepared, "TMPDIR="+os.TempDir(), variable+"="+value)
	cmd := testenv.Command(env, "/proc/self/exe", "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this container does not allow it:", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestUpdate_mountedFile(t *testing.T) {
	const variable = "AUTHFILE_TEST_MOUNT"
	folder := os.Getenv(variable)
	if folder == "" {
		folder = t.TempDir()
		put(t, filepath.Join(folder, "host.json"), "{}")
		put(t, filepath.Join(folder, "config.json"), "")
		again(t, variable, folder, &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS})
		if got := names(t, folder); got != "config.json host.json" || content(t, filepath.Join(folder, "host.json")) != "{}" {
			t.Errorf("left behind: %s", got)
		}
		return
	}
	path := filepath.Join(folder, "config.json")
	if err := syscall.Mount(filepath.Join(folder, "host.json"), path, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	changed, err := Update(path, Docker, 0o600, setStore)
	if changed || !errors.Is(err, ErrMounted) || !strings.Contains(err.Error(), path) || content(t, path) != "{}" {
		t.Errorf("got changed %t, %v, want %v; the file holds %s", changed, err, ErrMounted, content(t, path))
	}
}

func TestUpdate_readOnlyDirectory(t *testing.T) {
	const variable = "AUTHFILE_TEST_USER"
	folder := os.Getenv(variable)
	if folder == "" {
		folder = filepath.Join(os.TempDir(), filepath.Base(t.TempDir())+"-authfile")
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(folder)
		path := filepath.Join(folder, "config.json")
		put(t, path, "{}")
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		// A group that the user of the child is not in.
		open := filepath.Join(folder, "open")
		if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777), os.WriteFile(filepath.Join(open, "auth.json"), []byte("{}"), 0o600),
			os.Chmod(filepath.Join(open, "auth.json"), 0o664)); err != nil {
			t.Fatal(err)
		}
		again(t, variable, folder, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}})
		if got := names(t, folder); got != "config.json open" || content(t, path) != "{}" {
			t.Errorf("left behind: %s", got)
		}
		return
	}
	path := filepath.Join(folder, "config.json")
	changed, err := Update(path, Docker, 0o600, setStore)
	if changed || !errors.Is(err, ErrDir) || !errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), ".tmp") || !strings.Contains(err.Error(), path) {
		t.Errorf("got changed %t, %v, want %v", changed, err, ErrDir)
	}
	// An owner that cannot be kept: the group bits go with the group.
	path = filepath.Join(folder, "open", "auth.json")
	if changed, err := Update(path, Docker, 0o600, setStore); !changed || err != nil {
		t.Fatal(changed, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o604 {
		t.Errorf("got mode %v, %v, want 0604", info.Mode(), err)
	}
}
