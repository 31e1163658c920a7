package acceptance

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base32"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
)

// leakCrash kills both programs while they hold a password, with core files and full stack
// traces enabled.
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
				t.Errorf("%s: no stack trace at %v, so there was nothing to look at:\n%s", name, signal, s.redact(p.said.String()))
			}
			s.silent(name+" at "+signal.String(), p.said.String())
			tried.runs.Add(1)
		}
	}
	// An unprotected program leaves both, or the checks above would prove nothing.
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

// crashing is a program that is about to be killed.
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
	env := testenv.Environ(dir, "GOTRACEBACK=crash")
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

// await waits until a file of the process in /proc contains a text, and returns the file.
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

// A program that is stopped while it uses the store's key shows nothing of it in the stack
// trace, wherever the signal meets it.
func TestKeyNotInStackTraces(t *testing.T) {
	t.Parallel()
	s := newHome(t)
	tries := 3 // each with another signal
	if testenv.Whole() {
		tries = 12
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	passphrase := s.write("passphrase", "not the key\n", 0o600)
	identity := s.write("identity", id.String()+"\n", 0o600)
	for what, c := range map[string]struct {
		input string
		args  []string
		span  time.Duration // about as long as it takes
	}{
		"backup":  {"", []string{"regshape", "auth", "key", "backup", "--passphrase-file", passphrase}, 100 * time.Millisecond},
		"protect": {"", []string{"regshape", "auth", "key", "protect", "--recipient", id.Recipient().String(), "--identity", identity}, 100 * time.Millisecond},
		"rotate":  {"", []string{"regshape", "auth", "key", "rotate"}, 100 * time.Millisecond},
		"store":   {payload("h.example", "alice", "x"), []string{"docker-credential-regshape", "store"}, 15 * time.Millisecond},
		"get":     {"h.example\n", []string{"docker-credential-regshape", "get"}, 8 * time.Millisecond},
		"list":    {"", []string{"docker-credential-regshape", "list"}, 8 * time.Millisecond},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			traces := 0
			// The delay follows the machine: longer after a process that had not come to its own
			// handler of signals, shorter after one that was done.
			const steps, most = 12, 100
			delay := c.span / time.Duration(tries)
			for n := 0; n < tries || traces == 0 && n < most; n++ {
				home := t.TempDir()
				prepare := func(stdin string, args ...string) *exec.Cmd {
					cmd := testenv.Command(testenv.Environ(home, "GOTRACEBACK=crash"), args[0], args[1:]...)
					cmd.Stdin = strings.NewReader(stdin)
					return cmd
				}
				for _, server := range []string{"h.example", "g.example"} {
					if out, err := prepare(payload(server, "alice", "x"), "docker-credential-regshape", "store").CombinedOutput(); err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
				}
				secrets := keysIn(t, home, id)
				cmd := prepare(c.input, c.args...)
				var said bytes.Buffer
				cmd.Stderr = &said
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				for range steps {
					time.Sleep(delay / steps)
					secrets = append(secrets, keysIn(t, home, id)...)
				}
				_ = cmd.Process.Signal([]os.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV}[n%3]) // it may have ended
				_ = cmd.Wait()
				secrets = append(secrets, keysIn(t, home, id)...)
				if trace := said.String(); strings.Contains(trace, "goroutine ") {
					traces++
					if found := canary.InTrace(trace, secrets...); found > 0 {
						t.Errorf("the trace shows 4 bytes of a key %d times:\n%s", found, trace)
					}
				}
				if cmd.ProcessState.Exited() && cmd.ProcessState.ExitCode() != 2 {
					delay = delay * 3 / 4
				} else {
					delay = delay * 5 / 4
				}
			}
			if traces == 0 {
				t.Error("never stopped in time")
			}
		})
	}
}

// keysIn returns the root keys that lie below a home, in clear or in slots that an identity
// opens, and the name keys and entry keys made of them.
func keysIn(t *testing.T, home string, id age.Identity) (found [][]byte) {
	t.Helper()
	data, state := filepath.Join(home, ".local/share/regshape/v1"), filepath.Join(home, ".local/state/regshape")
	var lines []string
	for _, pattern := range []string{"key", "key.next-*"} {
		paths, _ := filepath.Glob(filepath.Join(state, pattern))
		for _, path := range paths {
			line, _ := os.ReadFile(path) // it may be gone by now
			lines = append(lines, string(line))
		}
	}
	slots, _ := filepath.Glob(filepath.Join(data, "slots/*/*.recipient.age"))
	for _, slot := range slots {
		own, err := age.ParseX25519Identity(strings.TrimSpace(decrypted(slot, id)))
		if err != nil {
			continue // not whole yet
		}
		sealed, _ := filepath.Glob(filepath.Join(data, "key-*.age"))
		for _, path := range sealed {
			lines = append(lines, decrypted(path, own))
		}
	}
	names, _ := filepath.Glob(filepath.Join(data, "g-*", "*"))
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) != 4 {
			continue
		}
		root, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(words[2])
		if err != nil {
			t.Fatal("the key line is damaged")
		}
		prk, err := hkdf.Extract(sha256.New, root, nil)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, root, prk)
		for _, info := range append(names, "regshape/v1/names") {
			if filepath.IsAbs(info) {
				info = "regshape/v1/cred/" + filepath.Base(info)
			}
			key, err := hkdf.Expand(sha256.New, prk, info, 32)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, key)
		}
	}
	return found
}

// decrypted is what an age file holds, "" if it is not there or not for this identity.
func decrypted(path string, id age.Identity) string {
	sealed, _ := os.ReadFile(path)
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	if err != nil {
		return ""
	}
	text, _ := io.ReadAll(r)
	return string(text)
}
