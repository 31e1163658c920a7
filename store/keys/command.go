package keys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"regshape/store"
	"regshape/store/printable"
	"regshape/store/process"
	"regshape/store/trust"
)

const (
	commandLimit = 30 * time.Second // as long as a secret manager may take to reach its server

	// commandRest is how long output may still come after the program has ended or was
	// killed: what it has started in turn may hold the pipe open for ever.
	commandRest = time.Second

	commandOutput = 64 << 10 // more than a hundred key lines
	commandError  = 4 << 10
	quotedError   = 200
)

// Command is a root key that a program prints, such as the client of a secret manager.
// It prints one or more key lines; empty lines and lines that begin with # do not count.
type Command struct {
	Words []string // the program, by its absolute path, and its arguments

	loc   store.Location // the store that names it, which must have the user's trust for that
	typed bool           // the user has named it in this very run
}

var _ store.Key = Command{}

// ResolveCommand finds the program as the shell does and makes its path absolute, so that
// PATH and the current directory do not decide later what is run.
func ResolveCommand(program string, args []string) (Command, error) {
	path, err := exec.LookPath(program)
	if errors.Is(err, exec.ErrDot) {
		return Command{}, fmt.Errorf("PATH finds %s only relative to the current directory: give its path", program)
	}
	if err != nil {
		return Command{}, fmt.Errorf("find the program: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return Command{}, fmt.Errorf("find the program: %w", err)
	}
	return Command{Words: append([]string{path}, args...), typed: true}, nil
}

// Program is the command as package trust has it.
func (c Command) Program() trust.Program { return trust.Program{Kind: trust.Key, Words: c.Words} }

// mayRun says why the program is not to be started.
func (c Command) mayRun() error {
	if c.typed {
		return c.Program().Guarded()
	}
	return trust.Check(c.loc, c.Program())
}

// Load runs the program and picks the key with this kid.
func (c Command) Load(ctx context.Context, kid string) (store.RootKey, error) {
	found, err := c.Lines(ctx)
	if err != nil {
		return store.RootKey{}, elsewhere(err, store.SourceCommand)
	}
	k, err := pick(found, kid, c.Words[0])
	return k, elsewhere(err, store.SourceCommand)
}

// Lines runs the program and returns the keys it prints, in their order. The program gets
// no input and not the secrets that the environment may hold, and must end within 30 s.
// [store.ErrNoKey] and [ErrNoKeyLine] mean that it printed none, [store.ErrKeyDamaged] that it printed
// something else.
func (c Command) Lines(ctx context.Context) ([]store.RootKey, error) {
	out, err := c.run(ctx)
	if err != nil {
		return nil, err
	}
	defer clear(out)
	found, err := parseKeyLines(out, c.Words[0])
	if err == nil && len(found) == 0 {
		return nil, fmt.Errorf("%w: %s printed %w", store.ErrNoKey, c.Words[0], ErrNoKeyLine)
	}
	return found, err
}

// Stage makes sure that the program yields k by now: only the user can put it there.
func (c Command) Stage(ctx context.Context, k store.RootKey, _ string) error {
	_, err := c.Load(ctx, k.KID())
	if errors.Is(err, store.ErrNoKey) || errors.Is(err, store.ErrWrongKey) {
		return fmt.Errorf("put the new key line, of kid %s, where %s finds it, beside the present one, and try again: %w", k.KID(), c.Words[0], err)
	}
	return err
}

// Promote has nothing to do: lines are found by their kid.
func (Command) Promote(context.Context, string) error { return nil }

// Discard has nothing to do: the line is the user's to remove.
func (Command) Discard(context.Context, string) error { return nil }

// Cheap is false: loading runs a program.
func (Command) Cheap() bool { return false }

func (c Command) run(ctx context.Context) ([]byte, error) {
	if len(c.Words) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrCommand)
	}
	if err := c.mayRun(); err != nil {
		return nil, err
	}
	program := c.Words[0]
	limited, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	cmd := exec.CommandContext(limited, program, c.Words[1:]...) //nolint:gosec // the user chose the program
	cmd.Env = process.ChildEnvironment(os.Environ())
	cmd.WaitDelay = commandRest
	out := &process.Bounded{Limit: commandOutput, Full: cancel}
	complaint := &process.Bounded{Limit: commandError}
	cmd.Stdout, cmd.Stderr = out, complaint
	err := process.Run(cmd, false)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case out.Over:
		return nil, fmt.Errorf("%w: %s printed more than %d KiB: it must print key lines only", ErrCommand, program, commandOutput>>10)
	case limited.Err() != nil:
		return nil, fmt.Errorf("%w: %s did not print the key within %d s", ErrCommand, program, commandLimit/time.Second)
	case errors.Is(err, exec.ErrWaitDelay): // it has ended well, and left a child that holds its output
		err = nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("%w: %s failed (%v)%s", ErrCommand, program, exit.ProcessState, quote(complaint))
	}
	if err != nil {
		// Not wrapped: that an interpreter does not exist must not pass for an entry that does not.
		return nil, fmt.Errorf("%w: it does not run: %v", ErrCommand, err) //nolint:errorlint // see above
	}
	return out.Data, nil
}

// quote returns the last line, made fit for a message, or nothing where a secret may be in
// it: a program that is given wrong options may well complain about the key itself. Of
// output that was cut nobody knows what its end belonged to.
func quote(b *process.Bounded) string {
	text := strings.TrimSpace(string(b.Data))
	if b.Over || showsKey(text) {
		return ""
	}
	if text = printable.Line(text[strings.LastIndexByte(text, '\n')+1:], quotedError); text == "" {
		return ""
	}
	return ": " + text
}
