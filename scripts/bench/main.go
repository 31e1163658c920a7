// Command bench compares whole runs of docker-credential-regshape with an empty
// Go program, built the same way, on the machine it runs on. Times differ from
// machine to machine and from hour to hour; the ratios are what to read. Rounds
// are interleaved, so that whatever else the machine does meets every program.
//
//	go run ./scripts/bench             # from the top of the tree
//	go run ./scripts/bench -n 5 -sizes 1,100
//	go run ./scripts/bench -write      # also put the table into README.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"

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
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("n", 200, "rounds")
	sizeList := flags.String("sizes", "1,1000,10000", "numbers of credentials, separated by commas")
	write := flags.Bool("write", false, "rewrite the table in README.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	sizes, err := parseSizes(*sizeList)
	if err != nil {
		return err
	}
	if *rounds < 1 {
		return errors.New("-n must be 1 or more")
	}
	dir, err := os.MkdirTemp("", "regshape-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	fmt.Fprintln(stderr, "building")
	programs, err := build(ctx, dir)
	if err != nil {
		return err
	}
	operations := []*operation{{name: "an empty Go program", command: []string{programs.empty}}}
	for _, size := range sizes {
		fmt.Fprintf(stderr, "storing %d\n", size)
		store, err := fill(ctx, dir, size)
		if err != nil {
			return err
		}
		more, err := helperOperations(ctx, programs.helper, dir, store)
		if err != nil {
			return err
		}
		operations = append(operations, more...)
	}
	if runtime.GOOS == "linux" { // elsewhere it would be kept in the user's own keyring
		more, lock, err := protected(ctx, programs.helper, dir)
		if err != nil {
			return err
		}
		defer lock()
		operations = append(operations, more...)
	}
	fmt.Fprintf(stderr, "measuring %d rounds\n", *rounds)
	if err := measure(ctx, operations, *rounds); err != nil {
		return err
	}
	report := table(operations, *rounds)
	get := operations[slices.IndexFunc(operations, func(o *operation) bool { return o.traced })]
	trace, err := syscalls(ctx, operations[0], get, dir)
	if err != nil {
		return err
	}
	report += trace
	if _, err := io.WriteString(stdout, report); err != nil {
		return err
	}
	if *write {
		return page.Write("README.md", "bench", report)
	}
	return nil
}

func parseSizes(list string) ([]int, error) {
	var sizes []int
	for field := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-sizes: %q is not a number of credentials", field)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}
