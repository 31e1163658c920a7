package account

import (
	"fmt"
	"sync"
	"time"

	"regshape/login/app"
	"regshape/login/registry"
	"regshape/login/terminal"
)

// deviceScreen shows a device login on standard error: the link and the code to everybody,
// the time that is left on a terminal alone.
type deviceScreen struct {
	e        *app.Env // its messages go around the line
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

// show tells where to confirm, and opens the page where a browser can be seen.
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

// pause tells once that the issuer cannot be reached.
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

// end takes away the line.
func (s *deviceScreen) end() {
	if s.done == nil {
		return
	}
	close(s.done)
	s.ticking.Wait()
	s.line.End()
}
