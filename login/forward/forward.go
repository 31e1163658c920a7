// Package forward lends logins to another machine while it runs. The near side has the store and
// decides; the far side, which it starts there, asks for what runs there. Package lend has the
// protocol between them.
package forward

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"regshape/login/app"
	"regshape/store/lend"
	"regshape/store/printable"
	"regshape/store/process"
)

// Forward lends logins to another machine.
type Forward struct {
	Host    string        `arg:"" optional:"" help:"The machine, as ssh knows it. Where ssh does not reach, give a program after -- instead, such as: -- docker exec -i NAME"`
	Allow   []string      `sep:"none" xor:"allow" placeholder:"REGISTRY" help:"Lend the login of this registry and those of its namespaces. May be repeated."`
	All     bool          `xor:"allow" help:"Lend every login."`
	For     time.Duration `default:"8h" placeholder:"DURATION" help:"End after this time (default 8h)."`
	Confirm bool          `help:"Ask for each new pair of a login and a program there."`
	Remote  string        `default:"regshape" placeholder:"PATH" help:"Path of regshape there, if the PATH of an ssh command does not have it."`
	Listen  bool          `hidden:"" help:"Be the far side, which asks on standard output."`
}

// grace is how long the other side may take to end.
const grace = 2 * time.Second

// Run lends logins until the time is over or the user ends it.
func (c *Forward) Run(e *app.Env) error {
	if runtime.GOOS == "windows" {
		return errors.New("logins cannot be forwarded from or to Windows: run it in WSL")
	}
	if c.Listen {
		return listen(e)
	}
	words, err := c.words(e)
	if err != nil {
		return err
	}
	l := &lender{e: e, all: c.All, slots: make(chan struct{}, maxRequests)}
	for _, spelling := range c.Allow {
		address, err := app.RegistryArg{Argument: spelling}.Target("forward --allow")
		if err != nil {
			return err
		}
		l.allowed = append(l.allowed, address)
	}
	if c.Confirm {
		l.answers = map[[2]string]*answered{}
	}
	s, err := e.OpenStore()
	if err != nil {
		return &app.StoreError{Registry: "", Doing: "forward logins", Err: err}
	}
	l.logins = app.Logins(e, s)
	return c.run(e, l, words)
}

// words are the command line that starts the far side.
func (c *Forward) words(e *app.Env) ([]string, error) {
	far := []string{c.Remote, "auth", "forward", "--listen"}
	usage := func(message, hint string) ([]string, error) {
		return nil, &app.UsageError{Message: message, Hint: hint}
	}
	switch {
	case (c.Host == "") == (len(e.Words) == 0):
		return usage("give either a host or a program", "HOST is reached with ssh; a program follows after --, such as: -- docker exec -i NAME")
	case !c.All && len(c.Allow) == 0:
		return usage("nothing to lend", "add --allow REGISTRY, or --all")
	case c.For <= 0:
		return usage("--for must be greater than zero", "for example --for 8h")
	case c.Confirm && !e.Prompt().Interactive():
		return usage("--confirm needs a terminal to ask at", "leave it out, and name what to lend with --allow")
	case c.Host != "":
		return append([]string{"ssh", "-T", "--", c.Host}, far...), nil
	}
	return append(e.Words, far...), nil
}

// run starts the far side, and lends until something ends it.
func (c *Forward) run(e *app.Env, l *lender, words []string) error {
	l.end = e.Now().Round(0).Add(c.For) // by the clock on the wall: the other one stops in sleep
	ctx, cancel := context.WithCancel(e.Ctx)
	defer func() { // what makes a secret ends, and lets go of it
		cancel()
		for range cap(l.slots) {
			l.slots <- struct{}{}
		}
	}()
	cmd := exec.Command(words[0], words[1:]...) //nolint:gosec // the user has typed it
	cmd.Env, cmd.Stderr, cmd.WaitDelay = process.ChildEnvironment(os.Environ()), e.Err, time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", printable.Name(words[0]), err)
	}
	greeted, ended := make(chan struct{}), make(chan error, 1)
	reader := bufio.NewReader(out)
	go func() {
		err := lend.Greeted(reader)
		if err == nil {
			l.link = lend.NewLink(reader, in)
			close(greeted)
			err = l.link.Receive(func(f lend.Frame) error { return l.take(ctx, f) })
		}
		ended <- err
	}()
	stop := func() error {
		_ = in.Close() // the far side ends with it
		defer time.AfterFunc(grace, func() { _ = cmd.Process.Kill() }).Stop()
		return cmd.Wait()
	}
	name := c.Host
	if name == "" {
		name = printable.Line(printable.Shell(e.Words...), 60)
	}
	linked, silent := false, false
	for {
		left := l.end.Sub(e.Now().Round(0))
		if left <= 0 {
			_ = stop()
			e.Tell("The forward to %s has ended after %v.", name, c.For)
			return nil
		}
		select {
		case <-greeted:
			greeted, linked = nil, true
			_ = l.link.Send(lend.Frame{Kind: lend.Hello, From: machine()}) // who reads says that the way is broken
			go l.link.Beat(ctx)
			l.begin(name)
		case err := <-ended:
			return c.broken(e, name, linked, err, stop())
		case <-ctx.Done():
			_ = stop()
			return interrupted(e)
		case <-time.After(min(left, time.Second)):
			again := silent // who was stopped reads first what has come meanwhile
			if silent = linked && l.link.Silent() > lend.Silence; silent && again {
				_ = stop()
				return fmt.Errorf("the forward to %s broke: %w", name, lend.ErrSilent)
			}
		}
	}
}

// broken says why the far side has ended by itself.
func (c *Forward) broken(e *app.Env, name string, linked bool, err, exit error) error {
	select { // Ctrl-C ends the other program, too, and perhaps first
	case <-e.Ctx.Done():
		return interrupted(e)
	case <-time.After(100 * time.Millisecond):
	}
	status := -1
	if failed, ok := errors.AsType[*exec.ExitError](exit); ok {
		status = failed.ExitCode()
	}
	switch {
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the forward to %s broke: %w", name, err)
	case !linked && (status == 126 || status == 127):
		return fmt.Errorf("%s does not run at %s: install regshape there, or give its path there with --remote", printable.Name(c.Remote), name)
	case !linked && status == 2:
		return fmt.Errorf("the regshape at %s cannot forward: install this version there", name)
	case exit != nil:
		return fmt.Errorf("the connection to %s ended (%w): see its output above, and try again", name, exit)
	}
	return fmt.Errorf("the connection to %s ended: try again", name)
}

// interrupted is the error of an end from outside: Ctrl-C is the usual one.
func interrupted(e *app.Env) error {
	if s, ok := errors.AsType[app.Signal](context.Cause(e.Ctx)); ok && s.Signal == os.Interrupt {
		return nil
	}
	return e.Ctx.Err()
}

// machine is how the far side names this one.
func machine() string {
	name, err := os.Hostname()
	if err != nil {
		return "another machine"
	}
	return name
}

// Manual is the text of --help and of the man page.
func (*Forward) Manual() app.Manual {
	return app.Manual{Done: "ended by --for or Ctrl-C", Failed: "the connection to the other machine broke", Examples: [][2]string{
		{"regshape auth forward --allow ghcr.io devbox", "lend one login to a machine that ssh reaches, for 8 hours or until Ctrl-C"},
		{"regshape auth forward --all --confirm devbox", "lend every login, and ask for each program there"},
		{"regshape auth forward --allow ghcr.io -- docker exec -i dev", "lend it to a container"},
	}}
}
