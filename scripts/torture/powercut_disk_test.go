//go:build torture && linux && amd64

package torture

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"regshape/scripts/testenv"
)

// cuttable is a file system on a loop device whose power can be cut: what its kernel has
// not handed to the device by then is gone, as it is with a real cut. The device itself
// keeps and forgets nothing: whether a drive that is told to flush does so is not tried.
type cuttable struct {
	kind, image, folder string
}

// imageSize is the least that mkfs.xfs takes, and then some; the file has holes.
const imageSize = 320 << 20

// ownMounts is set in a process that has its mounts for itself.
const ownMounts = "TORTURE_OWN_MOUNTS"

// inOwnMounts reports whether this process has its mounts for itself. If not, it runs the
// test in one that has: with it mounts, images and loop devices are gone, however it ends.
func inOwnMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownMounts) != "" {
		return true
	}
	if os.Geteuid() != 0 {
		missing(t, "mounting needs root")
	}
	runtime.LockOSThread() // it is this thread's death that ends the other process
	defer runtime.UnlockOSThread()
	env := testenv.Environ(t.TempDir(), "TMPDIR="+os.TempDir(), ownMounts+"=1", "REGSHAPE_WRITE="+os.Getenv("REGSHAPE_WRITE"), "TESTENV_WHOLE="+os.Getenv("TESTENV_WHOLE"),
		"TORTURE_SEED="+os.Getenv("TORTURE_SEED"))
	cmd := testenv.Command(append(env, testenv.GoSettings()...), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1", "-test.timeout=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, unix.EPERM):
		t.Skip("this machine allows root no mounts of its own, as most containers do")
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("\n%s", out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Fatalf("the test was not run\n%s", out)
	}
	t.Logf("\n%s", out)
	return false
}

// mountCuttable makes one and mounts it. The image is in memory, since unmounting waits for
// its disk.
func mountCuttable(t *testing.T, kind string) *cuttable {
	t.Helper()
	if _, err := exec.LookPath("mkfs." + kind); err != nil {
		missing(t, fmt.Sprintf("mkfs.%s is not installed (Debian: e2fsprogs, xfsprogs)", kind))
	}
	work := t.TempDir()
	if err := unix.Mount("tmpfs", work, "tmpfs", 0, "mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(work, 0); err != nil {
			t.Error(err)
		}
	})
	d := &cuttable{kind: kind, image: filepath.Join(work, "image"), folder: filepath.Join(work, "mount")}
	for _, step := range []func() error{
		func() error { return os.WriteFile(d.image, nil, 0o600) },
		func() error { return os.Truncate(d.image, imageSize) },
		func() error { return os.Mkdir(d.folder, 0o700) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := testenv.Command(testenv.Environ(work), "mkfs."+kind, "-q", d.image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.%s: %v: %s", kind, err, out)
	}
	if err := d.mount(); err != nil {
		// Loop devices and file systems are the host's: nothing that is installed mends it.
		t.Skipf("this machine cannot mount %s on a loop device: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := d.unmount(); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(d.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

// missing ends a test for want of what can be installed or given: no excuse in CI.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func (d *cuttable) mount() error {
	out, err := testenv.Command(testenv.Environ(filepath.Dir(d.image)), "mount", "-t", d.kind, "-o", "loop", d.image, d.folder).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mount: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (d *cuttable) unmount() error {
	err := unix.Unmount(d.folder, 0)
	for range 500 { // what was just killed may take its time to let go
		if !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(10 * time.Millisecond)
		err = unix.Unmount(d.folder, 0)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", d.kind, err)
	}
	return nil
}

// Of <linux/fs.h>, <linux/ext4.h> and xfs_fs.h: both file systems have the same request.
const (
	goingDown  = 0x8004587d // _IOR('X', 125, __u32)
	noLogFlush = 2          // not even the journal is written
)

// cut takes the power away. From then on every call on the file system fails.
func (d *cuttable) cut() error {
	f, err := os.Open(d.folder)
	if err != nil {
		return err
	}
	defer f.Close()
	how := uint32(noLogFlush)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), goingDown, uintptr(unsafe.Pointer(&how))); errno != 0 {
		return fmt.Errorf("cut the power of %s: %w", d.kind, errno)
	}
	return nil
}

// again gives the power back: the journal is replayed.
func (d *cuttable) again() error {
	if err := d.unmount(); err != nil {
		return err
	}
	return d.mount()
}

// settle makes everything durable that was done until now.
func (d *cuttable) settle() error {
	f, err := os.Open(d.folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}
