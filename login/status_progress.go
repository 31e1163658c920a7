package login

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"regshape/store/printable"
)

// progress is a line at the end of a terminal's standard error, and orders what several
// goroutines write there. Anywhere else it shows nothing.
type progress struct {
	mu   sync.Mutex
	out  io.Writer
	live bool
	line string // what stands there now
}

func newProgress(e *env) *progress {
	return &progress{out: printable.Raw(e.Err), live: isTerminal(e.Err)}
}

// share is e for several goroutines.
func (p *progress) share(e *env) *env {
	shared := *e
	shared.Err = p.through(e.Err)
	shared.logs.calls = p.through(e.logs.calls)
	shared.logs.methods = p.through(e.logs.methods)
	return &shared
}

// through writes to w in turn with everything else, and not into the progress line.
func (p *progress) through(w io.Writer) io.Writer {
	if w == nil {
		return nil
	}
	return orderly{p, w}
}

type orderly struct {
	p *progress
	w io.Writer
}

func (o orderly) Write(b []byte) (int, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	line := o.p.line
	o.p.draw("")
	defer o.p.draw(line)
	return o.w.Write(b)
}

// show says how far the work is.
func (p *progress) show(done, all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draw(fmt.Sprintf("Verifying: %d of %d", done, all))
}

// end takes the line away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draw("")
}

// draw replaces the line. Blanks serve terminals without escape sequences, too.
func (p *progress) draw(line string) {
	if !p.live || line == p.line {
		return
	}
	if p.line != "" {
		_, _ = fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", len(p.line)))
	}
	_, _ = io.WriteString(p.out, line)
	p.line = line
}
