//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"regshape/scripts/testenv"
)

// process is a worker that runs.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	log    string
	stderr bytes.Buffer
}

// startWorker starts one in a process group of its own, so that it can be killed together
// with the helper that it may be running.
func startWorker(t *testing.T, role, name string, number int, mode, dir, logs string) *process {
	t.Helper()
	p := &process{log: filepath.Join(logs, name+".log")}
	p.cmd = testenv.Command(testenv.Environ(logs, roleVariable+"="+role, "TORTURE_DIR="+dir, "TORTURE_NAME="+name,
		fmt.Sprintf("TORTURE_NUMBER=%d", number), "TORTURE_MODE="+mode, "TORTURE_LOG="+p.log, "TORTURE_HELPER="+helper), os.Args[0])
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = time.Second
	stdin, err := p.cmd.StdinPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	t.Cleanup(func() { p.kill() })
	return p
}

// kill ends the whole group and returns when nothing of it runs any more.
func (p *process) kill() {
	_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
	_ = p.cmd.Wait()
	for !errors.Is(unix.Kill(-p.cmd.Process.Pid, 0), unix.ESRCH) {
		time.Sleep(time.Millisecond)
	}
}

// end asks a worker to stop, and kills one that does not.
func (p *process) end() error {
	_ = p.stdin.Close()
	timer := time.AfterFunc(workerPatience, func() { _ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL) })
	defer timer.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(p.log), err, p.stderr.String())
	}
	return nil
}

// workerPatience is more than a writer may have to wait: the store's patience with a
// rotation, and then some for a busy machine.
const workerPatience = 30 * time.Second

// storeEnviron is for a program whose store is dir. Its home is beside that: nothing may
// come into the store that the program has not put there.
func storeEnviron(dir string) []string {
	return testenv.Environ(dir+".home", "TMPDIR="+os.TempDir(), "REGSHAPE_STORE="+dir)
}

// regshapeCommand makes a command of the front end, for a store below a folder.
func regshapeCommand(dir string, args ...string) *exec.Cmd {
	return testenv.Command(storeEnviron(dir), regshape, args...)
}

// rotation makes the command for `key rotate` with these flags.
func rotation(dir string, flags ...string) *exec.Cmd {
	return regshapeCommand(dir, append([]string{"auth", "key", "rotate"}, flags...)...)
}
