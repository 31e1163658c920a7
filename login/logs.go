package login

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"regshape/login/authfile"
	"regshape/login/registry"
	"regshape/store/printable"
)

// logs are where traces and timings go: to standard error as the flags say, and all of
// them to the log file.
type logs struct {
	file                   *os.File
	calls, methods, stages io.Writer // nil where nobody wants them
	now                    func() time.Time
}

func (l *logs) open(e *env) error {
	l.now = e.now
	if e.LogFile != "" {
		f, err := os.OpenFile(e.LogFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND|authfile.OpenNoWait, 0o600)
		if err != nil {
			return fmt.Errorf("open the log file: %w", err)
		}
		l.file = f
	}
	l.calls = l.to(e.DebugCalls, e.Err)
	l.methods = l.to(e.TimeMethods, e.Err)
	l.stages = l.to(e.TimeScenarios, e.Err)
	return nil
}

func (l *logs) to(shown bool, terminal io.Writer) io.Writer {
	switch {
	case shown && l.file != nil:
		return io.MultiWriter(terminal, printable.Writer{W: l.file})
	case shown:
		return terminal
	case l.file != nil:
		return printable.Writer{W: l.file}
	}
	return nil
}

// wrap are the decorators for a registry client.
func (l *logs) wrap() []registry.Decorator {
	var wrap []registry.Decorator
	if l.calls != nil {
		wrap = append(wrap, registry.Trace(l.calls, l.now))
	}
	if l.methods != nil {
		wrap = append(wrap, registry.TimeCalls(l.methods, l.now))
	}
	return wrap
}

func (l *logs) close() error {
	if l.file == nil {
		return nil
	}
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("write the log file: %w", err)
	}
	return nil
}

// scenario times the steps of a command.
type scenario struct {
	logs        *logs
	name        string
	begin, last time.Time
	steps       []string
}

func (l *logs) scenario(name string) *scenario {
	now := l.now()
	return &scenario{logs: l, name: name, begin: now, last: now}
}

// step ends a step that began when the last one ended.
func (s *scenario) step(name string) {
	now := s.logs.now()
	s.steps = append(s.steps, fmt.Sprintf("%s %.1f ms", name, milliseconds(now.Sub(s.last))))
	s.last = now
}

// end prints the whole.
func (s *scenario) end() {
	if s.logs.stages != nil {
		_, _ = fmt.Fprintf(s.logs.stages, "* %s: %.1f ms (%s)\n", s.name, milliseconds(s.logs.now().Sub(s.begin)), strings.Join(s.steps, ", "))
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
