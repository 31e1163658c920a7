package login

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"regshape/login/registry"
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
	f, ok := e.Err.(*os.File)
	return &deviceScreen{e: e, name: name, terminal: ok && term.IsTerminal(int(f.Fd())) && e.Getenv("TERM") != "dumb"}
}

const waitingText = "Waiting for you to confirm in the browser…"

// show tells where to confirm, and opens the page where a browser can be seen.
func (s *deviceScreen) show(code registry.DeviceCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.e.Err, "To log in to %s, open this page on any device:\n  %s\n", s.name, code.Link)
	if code.Complete {
		_, _ = fmt.Fprintf(s.e.Err, "and check that it shows this code:\n  %s\n", code.Code)
	} else {
		_, _ = fmt.Fprintf(s.e.Err, "and type this code there:\n  %s\n", code.Code)
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
	_, _ = fmt.Fprintf(s.e.Err, "The issuer does not answer (%s); trying again until the code expires.\n", why)
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
		_, _ = fmt.Fprint(s.e.Err, "\r\x1b[K")
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
