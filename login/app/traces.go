package app

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"regshape/login/registry"
	"regshape/login/terminal"
	"regshape/store/durable"
	"regshape/store/printable"
)

// Logs are where traces and timings go: to standard error as the flags say, and all of
// them to the log file.
type Logs struct {
	file                   *os.File
	calls, methods, stages io.Writer // nil where not wanted
}

// Open opens the log file, if one is named.
func (l *Logs) Open(e *Env) error {
	if e.LogFile != "" {
		f, err := os.OpenFile(e.LogFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND|durable.NoWait, 0o600)
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

func (l *Logs) to(shown bool, terminal io.Writer) io.Writer {
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
func (l *Logs) wrap(now func() time.Time) []registry.Decorator {
	var wrap []registry.Decorator
	if l.calls != nil {
		wrap = append(wrap, registry.Trace(l.calls, now))
	}
	if l.methods != nil {
		wrap = append(wrap, registry.TimeCalls(l.methods, now))
	}
	return wrap
}

// Close closes the log file.
func (l *Logs) Close() error {
	if l.file == nil {
		return nil
	}
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("write the log file: %w", err)
	}
	return nil
}

// Scenario times the steps of a command.
type Scenario struct {
	e           *Env
	name        string
	begin, last time.Time
	steps       []string
}

// Scenario begins to time a command.
func (e *Env) Scenario(name string) *Scenario {
	now := e.Now()
	return &Scenario{e: e, name: name, begin: now, last: now}
}

// Step ends a step that began when the last one ended.
func (s *Scenario) Step(name string) {
	now := s.e.Now()
	s.steps = append(s.steps, fmt.Sprintf("%s %.1f ms", name, milliseconds(now.Sub(s.last))))
	s.last = now
}

// End prints the whole.
func (s *Scenario) End() {
	if s.e.Logs.stages != nil {
		_, _ = fmt.Fprintf(s.e.Logs.stages, "* %s: %.1f ms (%s)\n", s.name, milliseconds(s.e.Now().Sub(s.begin)), strings.Join(s.steps, ", "))
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Share is e for several goroutines.
func Share(p *terminal.Progress, e *Env) *Env {
	shared := *e
	shared.Err = p.Through(e.Err)
	shared.Logs.calls = p.Through(e.Logs.calls)
	shared.Logs.methods = p.Through(e.Logs.methods)
	return &shared
}
