package login

import (
	"fmt"
	"io"
	"sync"
	"time"

	"regshape/login/registry"
	"regshape/store/printable"
)

// deviceScreen shows a device login on standard error: the link and the code to everybody,
// the time that is left on a terminal alone.
type deviceScreen struct {
	e        *env
	name     string
	terminal bool

	mu      sync.Mutex // the ticking line and pause share the terminal
	expires time.Time
	done    chan struct{} // closed by end; nil while nothing ticks
	ticking sync.WaitGroup
}

func newDeviceScreen(e *env, name string) *deviceScreen {
	return &deviceScreen{e: e, name: name, terminal: isTerminal(e.Err) && e.Getenv("TERM") != "dumb"}
}

// wipeLine takes away the line on which a terminal's cursor stands.
const wipeLine = "\r\x1b[K"

const waitingText = "Waiting for you to confirm in the browser…"

// show tells where to confirm, and opens the page where a browser can be seen.
func (s *deviceScreen) show(code registry.DeviceCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.e.tell("To log in to %s, open this page on any device:\n  %s", s.name, code.Link)
	if code.Complete {
		s.e.tell("and check that it shows this code:\n  %s", code.Code)
	} else {
		s.e.tell("and type this code there:\n  %s", code.Code)
	}
	if s.terminal {
		s.e.openBrowser(code.Link)
		s.expires, s.done = code.Expires, make(chan struct{})
		s.line()
		s.ticking.Go(s.tick)
		return
	}
	_, _ = fmt.Fprintln(s.e.Err, waitingText)
}

// pause tells once that the issuer cannot be reached.
func (s *deviceScreen) pause(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.e.tell("The issuer does not answer (%s); trying again until the code expires.", why)
	s.line()
}

func (s *deviceScreen) tick() {
	each := time.NewTicker(time.Second)
	defer each.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-each.C:
			s.mu.Lock()
			s.clear()
			s.line()
			s.mu.Unlock()
		}
	}
}

// line writes the line that changes, without an end.
func (s *deviceScreen) line() {
	if s.done != nil {
		_, _ = fmt.Fprintf(s.e.Err, "%s %s left", waitingText, span(s.expires.Sub(s.e.now())))
	}
}

func (s *deviceScreen) clear() {
	if s.done != nil {
		_, _ = io.WriteString(printable.Raw(s.e.Err), wipeLine)
	}
}

// end stops the line that changes and leaves it behind.
func (s *deviceScreen) end() {
	if s.done == nil {
		return
	}
	close(s.done)
	s.ticking.Wait()
	_, _ = fmt.Fprintln(s.e.Err)
}
