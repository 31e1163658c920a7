// Command bench compares whole runs of docker-credential-regshape with an empty Go program
// built the same way, and with what else answers docker on the machine it runs on: a
// plaintext config.json, pass, and the Secret Service. Times differ from machine to machine
// and from hour to hour; the ratios are what to read. Rounds are interleaved, so that
// whatever else the machine does meets every program. The stores lie below $TMPDIR, whose
// disk the writes are about.
//
//	go run ./scripts/bench             # from the top of the tree
//	go run ./scripts/bench -n 2 -sizes 1,50
//	go run ./scripts/bench -write      # also put the tables into README.md, and the chart beside this file
//
// install.sh installs the other tools on Debian.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"regshape/scripts/page"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
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
	rounds := flags.Int("n", 100, "rounds")
	sizeList := flags.String("sizes", "1,1000,100000", "numbers of credentials, separated by commas")
	write := flags.Bool("write", false, "rewrite the tables in scripts/bench/README.md and the chart in scripts/bench/chart.svg")
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

	found, err := compare(ctx, dir, sizes, *rounds, stderr)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(stdout, found.report()); err != nil {
		return err
	}
	if !*write {
		return nil
	}
	if err := os.WriteFile("scripts/bench/chart.svg", []byte(found.chart()), 0o644); err != nil {
		return err
	}
	return page.Write("scripts/bench/README.md", "bench", found.report())
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
