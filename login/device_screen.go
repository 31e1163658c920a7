package login

import (
	"fmt"
	"sync"
	"time"

	"regshape/login/registry"
)

// deviceScreen shows a device login on standard error: the link and the code to everybody,
// the time that is left on a terminal alone.
type deviceScreen struct {
	e        *env // its messages go around the line
	name     string
	terminal bool
	line     *progress
	done     chan struct{} // closed by end; nil while nothing ticks
	ticking  sync.WaitGroup
}

func newDeviceScreen(e *env, name string) *deviceScreen {
	line := newProgress(e.Err, "")
	return &deviceScreen{e: line.share(e), name: name, terminal: isTerminal(e.Err) && e.Getenv("TERM") != "dumb", line: line}
}

const waitingText = "Waiting for you to confirm in the browser…"

// show tells where to confirm, and opens the page where a browser can be seen.
func (s *deviceScreen) show(code registry.DeviceCode) {
	s.e.tell("To log in to %s, open this page on any device:\n  %s", s.name, code.Link)
	if code.Complete {
		s.e.tell("and check that it shows this code:\n  %s", code.Code)
	} else {
		s.e.tell("and type this code there:\n  %s", code.Code)
	}
	if s.terminal {
		s.e.openBrowser(code.Link)
		s.done = make(chan struct{})
		s.ticking.Go(func() { s.tick(code.Expires) })
		return
	}
	_, _ = fmt.Fprintln(s.e.Err, waitingText)
}

// pause tells once that the issuer cannot be reached.
func (s *deviceScreen) pause(why string) {
	s.e.tell("The issuer does not answer (%s); trying again until the code expires.", why)
}

// tick shows the time that is left.
func (s *deviceScreen) tick(expires time.Time) {
	each := time.NewTicker(time.Second)
	defer each.Stop()
	for {
		s.line.show(fmt.Sprintf("%s %s left", waitingText, span(expires.Sub(s.e.now()))))
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
	s.line.end()
}
