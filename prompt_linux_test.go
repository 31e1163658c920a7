package main

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"regshape/scripts/testregistry"
)

// terminal runs a program on a pseudo-terminal of its own and collects what it shows.
type terminal struct {
	t       *testing.T
	control *os.File
	cmd     *exec.Cmd
	exited  chan struct{}

	mu    sync.Mutex
	shown bytes.Buffer
}

func startTerminal(t *testing.T, home string, args ...string) *terminal {
	t.Helper()
	return startProgram(t, "regshape", home, args...)
}

func startProgram(t *testing.T, program, home string, args ...string) *terminal {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(control.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	term := &terminal{t: t, control: control, cmd: exec.Command(program, args...), exited: make(chan struct{})}
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = tty, tty, tty
	term.cmd.Env = append(os.Environ(), "HOME="+home)
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := control.Read(buffer)
			term.mu.Lock()
			term.shown.Write(buffer[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() {
		_ = term.cmd.Wait() // the exit code says it
		close(term.exited)
	}()
	t.Cleanup(func() {
		_ = term.cmd.Process.Kill()
		_ = control.Close()
	})
	return term
}

func (term *terminal) text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.shown.String()
}

func (term *terminal) await(text string) {
	term.t.Helper()
	for range 500 {
		if strings.Contains(term.text(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	term.t.Fatalf("the terminal never showed %q, only:\n%s", text, term.text())
}

// awaitEcho waits until the program has switched the terminal's echo on or off.
func (term *terminal) awaitEcho(on bool) {
	term.t.Helper()
	for range 500 {
		state, err := unix.IoctlGetTermios(int(term.control.Fd()), unix.TCGETS)
		if err != nil {
			term.t.Fatal(err)
		}
		if state.Lflag&unix.ECHO != 0 == on {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	term.t.Fatalf("the terminal's echo is not %v", on)
}

func (term *terminal) input(text string) {
	term.t.Helper()
	if _, err := term.control.WriteString(text); err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) exitCode() int {
	term.t.Helper()
	select {
	case <-term.exited:
		return term.cmd.ProcessState.ExitCode()
	case <-time.After(10 * time.Second):
		term.t.Fatalf("still running, showing:\n%s", term.text())
		return -1
	}
}

func TestPrompts(t *testing.T) {
	const secret = "canary-at-the-prompt"
	server := httptest.NewServer(testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: map[string]string{"alice": secret}}))
	defer server.Close()
	host := server.Listener.Addr().String()
	home := t.TempDir()

	term := startTerminal(t, home, "auth", "login", host)
	term.await("Username for " + host + ": ")
	term.input("alice\n")
	term.await("Password for " + host + ": ")
	term.awaitEcho(false)
	term.input(secret + "\n")
	if code := term.exitCode(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, term.text())
	}
	term.await("Login Succeeded")
	if strings.Contains(term.text(), secret) {
		t.Errorf("the terminal shows the password:\n%s", term.text())
	}

	// The known user name is the default; Ctrl-C at the password gives the echo back.
	term = startTerminal(t, home, "auth", "login", host)
	term.await("Username for " + host + " (alice): ")
	term.input("\n")
	term.await("Password for " + host + ": ")
	term.awaitEcho(false)
	term.input("half a pass\x03")
	if code := term.exitCode(); code != 130 {
		t.Errorf("Ctrl-C at the password: exit code %d, want 130:\n%s", code, term.text())
	}
	term.awaitEcho(true)

	for name, keys := range map[string]string{"Ctrl-C": "\x03", "Ctrl-D": "\x04"} {
		term = startTerminal(t, t.TempDir(), "auth", "login", host)
		term.await("Username for ")
		term.input(keys)
		want := map[string]int{"Ctrl-C": 130, "Ctrl-D": 1}[name]
		if code := term.exitCode(); code != want {
			t.Errorf("%s at the user name: exit code %d, want %d:\n%s", name, code, want, term.text())
		}
	}
}

// Ctrl-C while the registry does not answer ends the login at once.
func TestInterruptedLogin(t *testing.T) {
	l := httptest.NewUnstartedServer(nil).Listener // accepts connections and never answers
	defer l.Close()
	term := startTerminal(t, t.TempDir(), "auth", "login", l.Addr().String(), "-u", "alice")
	term.await("Password for ")
	term.awaitEcho(false)
	term.input("secret\n")
	term.awaitEcho(true)
	time.Sleep(200 * time.Millisecond) // be in the request
	begin := time.Now()
	term.input("\x03")
	if code := term.exitCode(); code != 130 || time.Since(begin) > 2*time.Second {
		t.Errorf("exit code %d after %v, want 130 at once:\n%s", code, time.Since(begin), term.text())
	}
}

// A helper that waits for its caller says so to a person.
func TestHelperAtATerminal(t *testing.T) {
	term := startProgram(t, "docker-credential-regshape", t.TempDir(), "get")
	term.await("docker-credential-regshape waits for a server address")
	term.input("ghcr.io\n\x04")
	if code := term.exitCode(); code != 1 {
		t.Errorf("exit code %d, want 1:\n%s", code, term.text())
	}
	term.await("credentials not found in native keychain")
}
