package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"regshape/store/printable"
)

// Progress is a line at the end of standard error on a terminal, and serializes what several
// goroutines write there. Elsewhere it shows nothing.
type Progress struct {
	mu    sync.Mutex
	out   io.Writer
	live  bool
	doing string // "Verifying"
	line  string // shown now
}

// NewProgress returns a line on out, which is shown if that is a terminal.
func NewProgress(out io.Writer, doing string) *Progress {
	return &Progress{out: printable.Raw(out), live: IsTerminal(out), doing: doing}
}

// Through returns a writer to w that does not mix with the progress line.
func (p *Progress) Through(w io.Writer) io.Writer {
	if w == nil {
		return nil
	}
	return orderly{p, w}
}

type orderly struct {
	p *Progress
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

// Step shows "Verifying 3/9".
func (p *Progress) Step(done, total int) { p.Show(fmt.Sprintf("%s %d/%d", p.doing, done, total)) }

// Show replaces the line.
func (p *Progress) Show(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draw(line)
}

// End removes the line.
func (p *Progress) End() { p.Show("") }

// draw replaces the line. Blanks also work on terminals without escape sequences.
func (p *Progress) draw(line string) {
	if !p.live || line == p.line {
		return
	}
	if p.line != "" {
		_, _ = fmt.Fprintf(p.out, "\r%s\r", strings.Repeat(" ", utf8.RuneCountInString(p.line)))
	}
	_, _ = io.WriteString(p.out, line)
	p.line = line
}
