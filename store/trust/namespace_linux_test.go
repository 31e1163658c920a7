package trust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"regshape/scripts/testenv"
	"regshape/store/durable"
)

// Rootless podman starts the helper in a user namespace, where / and all else of root's belongs
// to uid 65534. What was trusted outside is started there; nothing else is trusted there.
func TestCheck_userNamespace(t *testing.T) {
	const uid, step = 12345, "TEST_STEP"
	path := filepath.Join(os.Getenv("HOME"), "vault")
	p := Program{Key, []string{path}}
	switch os.Getenv(step) {
	case "outside":
		mustAdd(t, storeIn(t, path+".store"), p)
		return
	case "inside":
		loc := storeIn(t, path+".store")
		wantCheck(t, "trusted outside", loc, p, nil)
		if err := Add(loc, p); !errors.Is(err, durable.ErrUnsafe) {
			t.Errorf("trusted inside: %v", err)
		}
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
		wantCheck(t, "open to all", loc, p, durable.ErrUnsafe)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	top, err := os.MkdirTemp("", "namespace-") // t.TempDir is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	home, program := filepath.Join(top, "home"), filepath.Join(top, "test")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	vault := filepath.Join(home, "vault")
	if err := errors.Join(os.Chmod(top, 0o755), os.WriteFile(program, data, 0o755), os.Mkdir(home, 0o700),
		os.WriteFile(vault, nil, 0o700), os.Chown(vault, uid, uid), os.Chown(home, uid, uid)); err != nil {
		t.Fatal(err)
	}
	one := []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
	for _, c := range []struct {
		where string
		attr  syscall.SysProcAttr
	}{
		{"outside", syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}},
		{"inside", syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: one, GidMappings: one, Credential: &syscall.Credential{NoSetGroups: true}}},
	} {
		cmd := testenv.Command(testenv.Environ(home, testenv.Prepared, step+"="+c.where), program, "-test.run=^"+t.Name()+"$")
		cmd.Dir, cmd.SysProcAttr = "/", &c.attr
		out, err := cmd.CombinedOutput()
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
			t.Skip("this system makes no user namespaces")
		}
		if err != nil || !strings.Contains(string(out), "PASS") {
			t.Fatalf("%s: %v\n%s", c.where, err, out)
		}
	}
}
