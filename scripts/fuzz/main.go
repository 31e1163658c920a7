// Command fuzz runs every fuzz target of the tree for a while, one after the other, and
// says how much each has tried. The first one that fails ends it: its output, which names
// the input that was kept, comes last, and the exit status is 1.
//
//	go run ./scripts/fuzz                  # from the top of the tree, 30 s for each
//	go run ./scripts/fuzz -time 20000x     # so many inputs for each
//	go run ./scripts/fuzz -time 5m -write  # also put the table into README.md beside it
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"regshape/scripts/page"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("fuzz", flag.ContinueOnError)
	flags.SetOutput(stderr)
	budget := flags.String("time", "30s", "how long each target runs, or with x at its end how many inputs it gets; as go test -fuzztime")
	write := flags.Bool("write", false, "rewrite the table in scripts/fuzz/README.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	targets, err := list(ctx)
	if err != nil {
		return err
	}
	var results []result
	for i, t := range targets {
		fmt.Fprintf(stderr, "%d/%d %s %s\n", i+1, len(targets), t.pkg, t.name)
		r, output, err := t.fuzz(ctx, *budget)
		if err != nil {
			_, _ = stderr.Write(output)
			return fmt.Errorf("%s in %s: %w", t.name, t.pkg, err)
		}
		results = append(results, r)
	}
	report := table(*budget, results)
	if _, err := io.WriteString(stdout, report); err != nil {
		return err
	}
	if *write {
		return page.Write("scripts/fuzz/README.md", "fuzz", report)
	}
	return nil
}
