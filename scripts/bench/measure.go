package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"regshape/scripts/page"
	"regshape/scripts/testenv"
)

// operation is one command line that is timed.
type operation struct {
	tool     string // "" for the empty program
	action   action
	size     int    // credentials in its store
	name     string // of a row of its own; "" where tool, action and size say all
	command  []string
	env      []string // all of the environment
	input    string   // path of what is on stdin; "" for nothing
	before   *operation
	fails    bool          // exits with 1, as it should
	estimate time.Duration // how long its check took

	times []time.Duration
	peak  int64 // bytes of memory, 0 where it was not measured
}

func (o *operation) String() string {
	if o.name != "" {
		return o.name
	}
	return fmt.Sprintf("%s %s, %s stored", o.tool, o.action, page.Thousands(o.size))
}

// start prepares one run. Files rather than pipes: a pipe would put the
// scheduling of the goroutine at its other end into the measure.
func (o *operation) start(ctx context.Context) (*exec.Cmd, func(), error) {
	cmd := testenv.CommandContext(ctx, o.env, o.command[0], o.command[1:]...)
	if o.input == "" {
		return cmd, func() {}, nil
	}
	in, err := os.Open(o.input)
	if err != nil {
		return nil, nil, err
	}
	cmd.Stdin = in
	return cmd, func() { in.Close() }, nil
}

func (o *operation) output(ctx context.Context) (string, error) {
	cmd, done, err := o.start(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	var out bytes.Buffer
	cmd.Stdout = &out
	err = cmd.Run()
	return out.String(), err
}

// prepare makes what the next run of o needs to be there.
func (o *operation) prepare(ctx context.Context) error {
	if o.before == nil {
		return nil
	}
	_, err := o.before.output(ctx)
	return err
}

// once runs o and notes how long the whole process took.
func (o *operation) once(ctx context.Context) error {
	if err := o.prepare(ctx); err != nil {
		return err
	}
	cmd, done, err := o.start(ctx)
	if err != nil {
		return err
	}
	defer done()
	began := time.Now()
	err = cmd.Run()
	took := time.Since(began)
	if (err != nil) != o.fails {
		return fmt.Errorf("unexpected result: %v", err) //nolint:errorlint // err may be nil
	}
	o.times = append(o.times, took)
	return ctx.Err()
}

// measure runs the operations in rounds, each round in another order: what has just run
// leaves the processor's caches to the next, and none is to suffer from the same one each
// time. The seed is fixed, so that all runs of the benchmark do the same.
func measure(ctx context.Context, operations []*operation, rounds int) error {
	shuffle := rand.New(rand.NewPCG(1, 2))
	for round := range rounds {
		for _, i := range shuffle.Perm(len(operations)) {
			o := operations[i]
			if round%o.every(rounds) != 0 {
				continue
			}
			if err := o.once(ctx); err != nil {
				return fmt.Errorf("%s: %w", o, err)
			}
		}
	}
	return nil
}

// measurePeak runs o once more below a small program that prints the most memory it held:
// a child of this program would be charged with what this one holds when it starts it.
func (o *operation) measurePeak(ctx context.Context, program string) error {
	if err := o.prepare(ctx); err != nil {
		return err
	}
	below := *o
	below.command = append([]string{program}, o.command...)
	out, err := below.output(ctx)
	if err != nil {
		return err
	}
	kibibytes, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	o.peak = kibibytes << 10
	return err
}

// every says that o runs once in so many rounds: a slow one less often, lest the benchmark
// be about it alone, but at least three times where there are as many rounds.
func (o *operation) every(rounds int) int {
	const share = 25 * time.Millisecond // of each round
	return max(1, min(1+int(o.estimate/share), (rounds+2)/3))
}

// ratio is how many times longer than the other o takes.
func (o *operation) ratio(other *operation) float64 {
	return float64(median(o.times)) / float64(median(other.times))
}

// median returns the upper one of an even number, and 0 of nothing.
func median(values []time.Duration) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
