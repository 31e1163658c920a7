// Regshape logs in to container registries once, for every tool. Called regshape it is
// the front end; called docker-credential-regshape it is a Docker credential helper, and called
// regshape-credential-provider an image credential provider for the kubelet.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"regshape/credhelper"
	"regshape/credhelper/kubelet"
	"regshape/login"
	"regshape/login/app"
	"regshape/login/lookup"
	"regshape/store/process"
)

// Set by the linker; see the Makefile.
var version, commit, date = "dev", "", ""

func main() {
	process.NoCoreDumps()
	for _, front := range []struct {
		name string
		run  func(context.Context, credhelper.Call) int
	}{{credhelper.Program, credhelper.Run}, {lookup.ProviderProgram, kubelet.Run}} {
		if program, is := credhelper.Named(os.Args[0], front.name); is {
			os.Exit(front.run(context.Background(), credhelper.Call{
				Front: front.name, Program: program, Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
				Terminal: term.IsTerminal(int(os.Stdin.Fd())), Getenv: os.Getenv, Version: version, Advice: app.Advice,
			}))
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { cancel(app.Signal{Signal: <-signals}) }()
	os.Exit(login.Run(ctx, app.Call{
		Args: os.Args[1:], In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv,
		Build: app.Build{Version: version, Commit: commit, Date: date},
	}))
}
