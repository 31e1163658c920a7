package account

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"golang.org/x/term"

	"regshape/login/app"
	"regshape/login/registry"
	"regshape/login/terminal"
	"regshape/store/process"
)

// deviceScreen shows a device login on standard error: the link and the code, and on a
// terminal also the time that is left.
type deviceScreen struct {
	e        *app.Env // its messages are written above the line
	name     string
	terminal bool
	line     *terminal.Progress
	done     chan struct{} // closed by end; nil while nothing ticks
	ticking  sync.WaitGroup
}

func newDeviceScreen(e *app.Env, name string) *deviceScreen {
	line := terminal.NewProgress(e.Err, "")
	return &deviceScreen{e: app.Share(line, e), name: name, terminal: terminal.IsTerminal(e.Err) && e.Getenv("TERM") != "dumb", line: line}
}

const waitingText = "Waiting for you to confirm in the browser…"

// show says where to confirm, and opens the page where there is a display.
func (s *deviceScreen) show(code registry.DeviceCode) {
	s.e.Tell("To log in to %s, open this page on any device:\n  %s", s.name, code.Link)
	if code.Complete {
		s.e.Tell("and check that it shows this code:\n  %s", code.Code)
	} else {
		s.e.Tell("and type this code there:\n  %s", code.Code)
	}
	if s.terminal {
		openBrowser(s.e, code.Link)
		s.done = make(chan struct{})
		s.ticking.Go(func() { s.tick(code.Expires) })
		return
	}
	_, _ = fmt.Fprintln(s.e.Err, waitingText)
}

// pause says that the issuer cannot be reached.
func (s *deviceScreen) pause(why string) {
	s.e.Tell("The issuer does not answer (%s); trying again until the code expires.", why)
}

// tick shows the time that is left.
func (s *deviceScreen) tick(expires time.Time) {
	each := time.NewTicker(time.Second)
	defer each.Stop()
	for {
		s.line.Show(fmt.Sprintf("%s %s left", waitingText, span(expires.Sub(s.e.Now()))))
		select {
		case <-s.done:
			return
		case <-each.C:
		}
	}
}

// end removes the line.
func (s *deviceScreen) end() {
	if s.done == nil {
		return
	}
	close(s.done)
	s.ticking.Wait()
	s.line.End()
}

// openBrowser opens a page where there is a terminal and a display. It may fail: the link is
// shown on the terminal.
func openBrowser(e *app.Env, link string) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return // xdg-open and its like also open files and start programs
	}
	command := browserCommand(runtime.GOOS, e.Getenv)
	if len(command) == 0 || !term.IsTerminal(int(e.In.Fd())) {
		return
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return
	}
	cmd := exec.Command(path, append(command[1:], u.String())...) //nolint:gosec // a fixed program; the URL is one argument, and no shell reads it
	cmd.Env = process.ChildEnvironment(os.Environ())
	detach(cmd)
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }() // its exit code does not matter
	}
}

// browserCommand is the program that opens a URL, or nil where there is no display.
func browserCommand(goos string, getenv func(string) string) []string {
	switch {
	case getenv("SSH_CONNECTION") != "":
		return nil // it would open on the remote machine
	case goos == "darwin":
		return []string{"open"}
	case goos == "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	case getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != "":
		return []string{"xdg-open"}
	}
	return nil
}
