package login

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"regshape/store/printable"
)

// progress is a line at the end of a terminal's standard error, and orders what several
// goroutines write there. Anywhere else it shows nothing.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	live  bool
	doing string // "Verifying"
	line  string // what stands there now
}

func newProgress(out io.Writer, doing string) *progress {
	return &progress{out: printable.Raw(out), live: isTerminal(out), doing: doing}
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

// step shows "Verifying: 3 of 9".
func (p *progress) step(done, total int) { p.show(fmt.Sprintf("%s: %d of %d", p.doing, done, total)) }

// show replaces the line.
func (p *progress) show(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draw(line)
}

// end takes the line away.
func (p *progress) end() { p.show("") }

// draw replaces the line. Blanks serve terminals without escape sequences, too.
func (p *progress) draw(line string) {
	if !p.live || line == p.line {
		return
	}
	if p.line != "" {
		_, _ = fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", utf8.RuneCountInString(p.line)))
	}
	_, _ = io.WriteString(p.out, line)
	p.line = line
}
