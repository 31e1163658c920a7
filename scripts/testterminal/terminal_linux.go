// Package testterminal puts a program on a terminal, for tests of what it asks there.
package testterminal

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"regshape/scripts/testenv"
)

// Terminal runs a program on a pseudo-terminal of its own and collects what it shows.
type Terminal struct {
	t       *testing.T
	control *os.File
	cmd     *exec.Cmd
	read    chan struct{} // closed when nothing more can come
	ended   chan struct{}

	mu    sync.Mutex
	shown bytes.Buffer
}

// Start starts a program of the PATH there, with the given environment.
func Start(t *testing.T, env []string, program string, args ...string) *Terminal {
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
	term := &Terminal{t: t, control: control, cmd: testenv.Command(env, program, args...), read: make(chan struct{}), ended: make(chan struct{})}
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = tty, tty, tty
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(term.read)
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
		select {
		case <-term.read:
		case <-time.After(time.Second): // somebody else still has the terminal
		}
		close(term.ended)
	}()
	t.Cleanup(func() {
		_ = term.cmd.Process.Kill()
		_ = control.Close()
	})
	return term
}

// Text is all that was shown so far, with the line ends of a terminal.
func (term *Terminal) Text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.shown.String()
}

// Await waits for a text, up to five seconds.
func (term *Terminal) Await(text string) {
	term.t.Helper()
	for range 500 {
		if strings.Contains(term.Text(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	term.t.Fatalf("the terminal never showed %q, only:\n%s", text, term.Text())
}

// AwaitEcho waits until the program has switched the terminal's echo on or off.
func (term *Terminal) AwaitEcho(on bool) {
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

// Input types a text.
func (term *Terminal) Input(text string) {
	term.t.Helper()
	if _, err := term.control.WriteString(text); err != nil {
		term.t.Fatal(err)
	}
}

// Signal sends the program a signal.
func (term *Terminal) Signal(s os.Signal) {
	term.t.Helper()
	if err := term.cmd.Process.Signal(s); err != nil {
		term.t.Fatal(err)
	}
}

// ExitCode waits for the program to end, up to ten seconds.
func (term *Terminal) ExitCode() int {
	term.t.Helper()
	select {
	case <-term.ended:
		return term.cmd.ProcessState.ExitCode()
	case <-time.After(10 * time.Second):
		term.t.Fatalf("still running, showing:\n%s", term.Text())
		return -1
	}
}

// Ended is closed when the program has ended, and all that it showed is there.
func (term *Terminal) Ended() <-chan struct{} { return term.ended }
