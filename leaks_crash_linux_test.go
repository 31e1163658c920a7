package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/scripts/testenv"
)

// leakCrash stops both programs while they hold a password, with the run-time told to
// leave all that it can.
func leakCrash(t *testing.T, tried *tally) {
	s := newScene(t, tried)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, program := range map[string]struct {
		input string
		args  []string
	}{
		"helper":    {payload("h.example", "alice", s.secret()), []string{"docker-credential-regshape", "store"}},
		"front end": {s.secret(), []string{"regshape", "auth", "login", silent.Addr().String(), "-u", "alice", "--password-stdin"}},
	} {
		for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT} {
			p := startCrash(s, program.input, name == "front end", program.args...)
			limits := p.await("limits", "Max core file size        0                    0")
			if strings.Contains(limits, "unlimited            bytes") && !strings.Contains(limits, "Max core file size        0") {
				t.Errorf("%s: core files are on:\n%s", name, limits)
			}
			if owner := p.owner(); os.Geteuid() == 0 && owner != 0 {
				t.Errorf("%s: other processes of the user may attach: /proc/%d/environ is of uid %d", name, p.cmd.Process.Pid, owner)
			}
			p.stop(signal)
			if p.cmd.ProcessState.Sys().(syscall.WaitStatus).CoreDump() {
				t.Errorf("%s: a core file was made at %v", name, signal)
			}
			if !strings.Contains(p.said.String(), "goroutine ") {
				t.Errorf("%s: no stack trace at %v, so there was nothing to look at:\n%s", name, signal, redacted(p.said.String(), s.secrets))
			}
			s.silent(name+" at "+signal.String(), p.said.String())
			tried.runs++
		}
	}
	// The same of a program that takes no care, or the above would prove nothing.
	p := startCrash(s, s.secret(), false, "cat")
	p.await("comm", "cat")
	if owner := p.owner(); os.Geteuid() == 0 && owner == 0 {
		t.Error("/proc does not show who may attach to a process")
	}
	p.stop(syscall.SIGABRT)
	if !p.cmd.ProcessState.Sys().(syscall.WaitStatus).CoreDump() {
		t.Log("no program leaves a core file here, so that none is left says nothing")
	}
}

// crashing is a program that is about to be stopped.
type crashing struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   *os.File
	said *bytes.Buffer
}

// startCrash starts a program with core files allowed, as a user who is not root where
// that can be, since all that is root's looks alike. Its input ends only if that is asked.
func startCrash(s *scene, input string, end bool, args ...string) *crashing {
	s.t.Helper()
	dir := s.open(s.t.TempDir())
	words := append([]string{"sh", "-c", `ulimit -c unlimited; exec "$@"`, "sh"}, args...)
	env := testenv.Environ(dir, "GOTRACEBACK=crash", "PATH="+s.programs()+":"+os.Getenv("PATH"))
	p := &crashing{t: s.t, said: &bytes.Buffer{}, cmd: testenv.Command(env, words[0], words[1:]...)}
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	if os.Geteuid() == 0 {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			s.t.Fatal(err)
		}
	}
	in, out, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	p.cmd.Stdin, p.in = in, out
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	_ = in.Close()
	s.t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = out.Close() })
	if _, err := out.WriteString(input); err != nil {
		s.t.Fatal(err)
	}
	if end {
		_ = out.Close()
	}
	return p
}

// await waits until a file of the process in /proc holds a text, and returns it all.
func (p *crashing) await(file, text string) string {
	p.t.Helper()
	var data []byte
	for begin := time.Now(); time.Since(begin) < runLimit; time.Sleep(10 * time.Millisecond) {
		data, _ = os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), file))
		if strings.Contains(string(data), text) {
			time.Sleep(200 * time.Millisecond) // let it read its input, too
			return string(data)
		}
	}
	p.t.Fatalf("/proc/…/%s never holds %q:\n%s", file, text, data)
	return ""
}

// owner is that of a file in /proc: root for a process that is not dumpable, proc(5).
func (p *crashing) owner() int {
	p.t.Helper()
	info, err := os.Stat(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "environ"))
	if err != nil {
		p.t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

func (p *crashing) stop(signal syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
	_ = p.cmd.Wait() // how it ended is looked at
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Exited() && status.ExitStatus() != 2 {
		p.t.Fatalf("it ended by itself, with %d:\n%s", status.ExitStatus(), p.said)
	}
}
