package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// operation is one command line that is timed.
type operation struct {
	name    string
	command []string
	env     []string // added to the environment
	input   string   // path of what is on stdin; "" for nothing
	before  *operation
	every   int  // runs once in so many rounds; 0 is every round
	traced  bool // its system calls are reported
	fails   bool // exits with 1, as it should

	times []time.Duration
	peak  int64 // bytes of memory, 0 where it cannot be read
}

// helperOperations lists what is timed on one store, after checking that each
// of it does what it should. dir takes the files for stdin.
func helperOperations(ctx context.Context, helper, dir string, f filled) ([]*operation, error) {
	input := func(name, text string) (string, error) {
		path := filepath.Join(dir, fmt.Sprintf("stdin-%s-%d", name, f.size))
		return path, os.WriteFile(path, []byte(text), 0o600)
	}
	middle, err := input("get", address(f.size/2))
	if err != nil {
		return nil, err
	}
	missing, err := input("missing", "nowhere.example.com")
	if err != nil {
		return nil, err
	}
	extra, err := input("store", `{"ServerURL":"extra.example.com","Username":"bench","Secret":"correct horse battery staple"}`)
	if err != nil {
		return nil, err
	}
	extraAddress, err := input("erase", "extra.example.com")
	if err != nil {
		return nil, err
	}
	op := func(action, what, input string) *operation {
		return &operation{
			name:    fmt.Sprintf("`%s`%s, %s stored", action, what, thousands(f.size)),
			command: []string{helper, action}, env: []string{"REGSHAPE_STORE=" + f.dir}, input: input,
		}
	}
	get, miss, list := op("get", "", middle), op("get", " of an address that is not there", missing), op("list", "", "")
	put, erase := op("store", "", extra), op("erase", "", extraAddress)
	get.traced, miss.fails = true, true
	erase.before = put
	if f.size > 100 {
		list.every = 10 // it opens every entry
	}
	for _, check := range []struct {
		op   *operation
		want string
	}{{put, ""}, {get, `"Username":"bench"`}, {miss, "credentials not found in native keychain"}, {list, `"bench"`}, {erase, ""}} {
		out, err := check.op.output(ctx)
		if !strings.Contains(out, check.want) || (err != nil) != check.op.fails {
			return nil, fmt.Errorf("%s does not work: %v, %d bytes of output", check.op.name, err, len(out)) //nolint:errorlint // err may be nil
		}
	}
	return []*operation{get, miss, list, put, erase}, nil
}

// start prepares one run. Files rather than pipes: a pipe would put the
// scheduling of the goroutine at its other end into the measure.
func (o *operation) start(ctx context.Context) (*exec.Cmd, func(), error) {
	cmd := exec.CommandContext(ctx, o.command[0], o.command[1:]...)
	cmd.Env = append(os.Environ(), o.env...)
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

// once runs o and returns how long the whole process took.
func (o *operation) once(ctx context.Context) (time.Duration, error) {
	if o.before != nil {
		if _, err := o.before.once(ctx); err != nil {
			return 0, err
		}
	}
	cmd, done, err := o.start(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	began := time.Now()
	err = cmd.Run()
	took := time.Since(began)
	if (err != nil) != o.fails {
		return 0, fmt.Errorf("unexpected result: %v", err) //nolint:errorlint // err may be nil
	}
	return took, ctx.Err()
}

// measure runs every operation once a round, each round beginning with
// another one, and then once more to see how much memory it takes.
func measure(ctx context.Context, operations []*operation, rounds int) error {
	for round := range rounds {
		for i := range operations {
			o := operations[(i+round)%len(operations)]
			if o.every > 0 && round%o.every != 0 {
				continue
			}
			took, err := o.once(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", o.name, err)
			}
			o.times = append(o.times, took)
		}
	}
	for _, o := range operations {
		peak, err := o.peakMemory(ctx)
		if err != nil {
			return fmt.Errorf("%s: memory: %w", o.name, err)
		}
		o.peak = peak
	}
	return nil
}

func (o *operation) median() time.Duration {
	slices.Sort(o.times)
	return o.times[len(o.times)/2]
}
