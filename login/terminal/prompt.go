// Package terminal has prompts, tables and a progress line.
package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/term"

	"regshape/store/printable"
)

// ErrInterrupted is Ctrl-C at a prompt or while waiting for the network.
var ErrInterrupted = errors.New("interrupted")

// ErrStdin is a password that standard input does not have.
var ErrStdin = errors.New("on standard input")

// MaxSecret is the limit of the helper protocol, and enough for any registry.
const MaxSecret = 64 << 10

// Prompt asks on standard error and reads from a terminal.
type Prompt struct {
	In        *os.File
	Err       io.Writer
	Ctx       context.Context
	Interrupt func(os.Signal) // ends ctx
	Stops     *Stops
}

// Interactive reports whether there is a terminal to prompt at.
func (p Prompt) Interactive() bool { return term.IsTerminal(int(p.In.Fd())) }

// ReadLine prompts for a line.
func (p Prompt) ReadLine(question string) (string, error) {
	return p.ask(question, func(int) (string, error) { return readLine(p.In) })
}

// Username reads a line from the terminal; an empty one takes the default.
func (p Prompt) Username(registry, fallback string) (string, error) {
	question := fmt.Sprintf("Username for %s: ", registry)
	if fallback != "" {
		question = fmt.Sprintf("Username for %s (%s): ", registry, fallback)
	}
	line, err := p.ReadLine(question)
	if line = strings.TrimSpace(line); line == "" {
		line = fallback
	}
	return line, err
}

// Password reads a password without echo.
func (p Prompt) Password(registry string) (string, error) {
	return p.Secret(fmt.Sprintf("Password for %s: ", registry))
}

// Secret reads a line without echo.
func (p Prompt) Secret(question string) (string, error) {
	secret, err := p.ask(question, func(fd int) (string, error) {
		secret, err := term.ReadPassword(fd)
		return string(secret), err
	})
	_, _ = fmt.Fprintln(p.Err) // the line ending was not echoed
	return secret, err
}

// ask prompts on standard error. When the context is cancelled, by Ctrl-C, or another signal
// ends or stops the process, it restores the terminal, including the echo.
func (p Prompt) ask(question string, read func(fd int) (string, error)) (string, error) {
	fd := int(p.In.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read the terminal's state: %w", err)
	}
	shown := printable.Line(question, printable.Long) + " "
	defer func() { _ = term.Restore(fd, before) }()
	defer p.Stops.during(func(stop func()) {
		asking, err := term.GetState(fd)
		_ = term.Restore(fd, before)
		stop()
		if err == nil {
			_ = term.Restore(fd, asking)
		}
		_, _ = io.WriteString(p.Err, shown)
	})()
	signals := make(chan os.Signal, 1)
	if ending := endingSignals(); len(ending) > 0 { // none would mean all
		signal.Notify(signals, ending...)
	}
	_, _ = io.WriteString(p.Err, shown)
	type answer struct {
		line string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := read(fd)
		answers <- answer{line, err}
	}()
	select {
	case a := <-answers:
		signal.Stop(signals)
		switch {
		case a.err == nil || a.line != "":
			return a.line, nil
		case errors.Is(a.err, io.EOF):
			return "", errors.New("no input: try again")
		}
		return "", fmt.Errorf("read from the terminal: %w", a.err)
	case s := <-signals: // not released: the process is about to end
		p.Interrupt(s)
	case <-p.Ctx.Done():
	}
	_, _ = fmt.Fprintln(p.Err)
	return "", ErrInterrupted
}

// readLine reads byte by byte, since the rest belongs to the next prompt.
func readLine(in io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for len(line) <= MaxSecret {
		n, err := in.Read(b)
		if n == 1 && b[0] == '\n' {
			break
		}
		if n == 1 {
			line = append(line, b[0])
		}
		if err != nil {
			return string(line), err
		}
	}
	return strings.TrimSuffix(string(line), "\r"), nil
}

// ReadSecret reads all of standard input without its last line ending.
func ReadSecret(in io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(in, MaxSecret+3))
	if err != nil {
		return "", fmt.Errorf("read the password from standard input: %w", err)
	}
	secret := WithoutLineEnd(string(data))
	switch {
	case len(secret) > MaxSecret:
		return "", fmt.Errorf("a password over 64 KiB %w", ErrStdin)
	case secret == "":
		return "", fmt.Errorf("no password %w", ErrStdin)
	}
	return secret, nil
}

// WithoutLineEnd cuts one line ending, LF, CRLF or CR, off the end.
func WithoutLineEnd(s string) string {
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}
