// Package login is regshape's front end: the grammar of the command line, help, man pages,
// completion and the overview. The commands are in the packages below.
//
// Results go to standard output; prompts, warnings, hints, errors and traces go to
// standard error. Exit codes: 0 success, 1 failed, 2 invalid usage, 130 interrupted (128 and the
// number of the signal).
package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store/printable"
)

// Run parses and runs one command line and returns the exit code.
func Run(ctx context.Context, c app.Call) int {
	log.SetOutput(io.Discard) // net/http logs oddities of servers
	// All output passes here; exact bytes go to printable.Raw.
	c.Out, c.Err = printable.Writer{W: c.Out}, printable.Writer{W: c.Err}
	ctx, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)
	e := &app.Env{Call: c, Ctx: ctx, Interrupt: interrupt, Stops: &terminal.Stops{}, Now: time.Now, Clients: &app.Clients{}}
	var g grammar
	e.JSON = slices.ContainsFunc(c.Args, isJSONFlag) // for errors of the parser
	command, code, err := parse(&g, e)
	if command == nil && err == nil {
		return code
	}
	if err == nil {
		e.Globals = g.Globals
		app.FromEnvironment(e)
		err = e.Logs.Open(e)
	}
	if err == nil {
		err = command.Run(e)
	}
	if closeErr := e.Logs.Close(); err == nil && closeErr != nil {
		e.Warn("%s.", e.Problem(closeErr)) // the one JSON value has been written
		err = app.ErrReported
	}
	return app.Fail(e, err)
}

// cutWords takes off what follows -- behind --command, or forward: kong would take it for a
// REGISTRY or a HOST.
func cutWords(args []string) (rest, words []string) {
	at := slices.Index(args, "--")
	if at < 0 || !slices.ContainsFunc(args[:at], func(arg string) bool {
		return arg == "forward" || arg == "--command" || strings.HasPrefix(arg, "--command=")
	}) {
		return args, nil
	}
	return args[:at], args[at+1:]
}

func isJSONFlag(arg string) bool { return arg == "--json" || arg == "--json=true" }

// parse returns the command to run, or the exit code if kong has printed help or version.
func parse(g *grammar, e *app.Env) (command *kong.Context, code int, err error) {
	type exit int // panic value of kong's exit function
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exit:
			command, code, err = nil, int(r), nil
		default:
			panic(r)
		}
	}()
	parser, err := newParser(g, e, func(code int) { panic(exit(code)) })
	if err != nil {
		return nil, app.ExitFailed, fmt.Errorf("build the command line: %w", err)
	}
	args, words := cutWords(e.Args)
	e.Words = words
	command, err = parser.Parse(args)
	if usage, ok := errors.AsType[*app.UsageError](err); ok {
		return nil, app.ExitUsage, usage
	}
	if err != nil {
		path, leaf := "regshape", false
		var parseErr *kong.ParseError
		if errors.As(err, &parseErr) && parseErr.Context != nil && parseErr.Context.Selected() != nil {
			path, leaf = parseErr.Context.Selected().FullPath(), parseErr.Context.Selected().Leaf()
		}
		message, hint := withoutValues(err.Error(), leaf), "run '"+path+" --help'"
		if message == notShown {
			hint = "put a value with blanks in quotes; see '" + path + " --help'"
		}
		if command, ok := belowAuth(parser, err.Error()); ok && path == "regshape" {
			hint = "run '" + command + "'"
		}
		if slices.ContainsFunc(e.Args, hasLongDash) {
			hint = "flags begin with '-', not with a longer dash as on web pages"
		}
		return nil, app.ExitUsage, &app.UsageError{Message: printable.Line(message, 200), Hint: hint}
	}
	return command, app.ExitDone, nil
}

// belowAuth finds the command of a command line without "auth", as docker and podman have
// it.
func belowAuth(parser *kong.Kong, message string) (command string, ok bool) {
	word, _, _ := strings.Cut(strings.TrimPrefix(message, "unexpected argument "), ",")
	for _, group := range parser.Model.Children {
		for _, node := range group.Children {
			if node.Name == word {
				return node.FullPath(), true
			}
		}
	}
	return "", false
}

// hasLongDash recognizes a flag that was copied from where programs make "–p" of "-p".
func hasLongDash(arg string) bool {
	return strings.IndexAny(strings.TrimLeft(arg, "-"), "\u2010\u2011\u2012\u2013\u2014\u2015\u2212") == 0
}

const notShown = "unexpected argument (not shown, it may be a secret)"

// withoutValues removes from the parser's message what may be a secret in the wrong place,
// which should not be in a build log. The name of an unknown command stays.
func withoutValues(message string, leaf bool) string {
	message, _, _ = strings.Cut(message, " but got ")
	word, unexpected := strings.CutPrefix(message, "unexpected argument ")
	switch {
	case unexpected && leaf:
		return notShown
	case unexpected:
		return "unknown command " + printable.Address(word)
	case strings.HasSuffix(message, ": expected duration"):
		return message + ", such as 8h or 30m"
	}
	return message
}
