package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"regshape/scripts/testenv"
)

// listGoal is the size that the goal for list is about. It is listed, and nothing else,
// where the sizes go beyond it.
const listGoal = 10000

// compare makes the stores of all tools below dir and measures.
func compare(ctx context.Context, dir string, sizes []int, rounds int, progress io.Writer) (*results, error) {
	fmt.Fprintln(progress, "building")
	built, err := build(ctx, dir)
	if err != nil {
		return nil, err
	}
	program, err := os.Stat(built.helper)
	if err != nil {
		return nil, err
	}
	r := &results{
		empty: &operation{name: "an empty Go program", command: []string{built.empty}, env: testenv.Environ(dir)}, rounds: rounds, dir: dir, binary: program.Size(),
	}
	if err := r.addOwn(ctx, built, sizes, progress); err != nil {
		return nil, err
	}
	end, err := r.addPeers(ctx, sizes, progress)
	if err != nil {
		return nil, err
	}
	defer end()
	all := append([]*operation{r.empty}, r.operations...)
	if runtime.GOOS == "linux" { // elsewhere it would be kept in the user's own keyring
		unlocked, lock, err := protected(ctx, built.helper, dir)
		if err != nil {
			return nil, err
		}
		defer lock()
		r.unlocked = unlocked
		all = append(all, unlocked)
	}
	fmt.Fprintf(progress, "measuring %d rounds\n", rounds)
	if err := measure(ctx, all, rounds); err != nil {
		return nil, err
	}
	return r, r.examine(ctx)
}

// addOwn makes regshape's stores and the config.json files.
func (r *results) addOwn(ctx context.Context, built programs, sizes []int, progress io.Writer) error {
	helper, reader := tool{name: ours, program: built.helper}, tool{name: plaintext, program: built.plaintext}
	filled := sizes
	if slices.Max(sizes) > listGoal && !slices.Contains(sizes, listGoal) {
		filled = append(sizes[:len(sizes):len(sizes)], listGoal)
	}
	for _, size := range filled {
		began := time.Now()
		folder, plain := filepath.Join(r.dir, fmt.Sprintf("store-%d", size)), filepath.Join(r.dir, fmt.Sprintf("config-%d", size))
		if err := errors.Join(fill(ctx, folder, size), fillPlaintext(plain, size)); err != nil {
			return err
		}
		fmt.Fprintf(progress, "stored %s in %.1f s\n", thousands(size), time.Since(began).Seconds())
		own, err := helper.operations(ctx, r.dir, size, ourEnvironment(folder)...)
		if err != nil {
			return err
		}
		theirs, err := reader.operations(ctx, r.dir, size, "DOCKER_CONFIG="+plain)
		if err != nil {
			return err
		}
		for _, o := range append(own, theirs...) {
			if slices.Contains(sizes, size) || o.action == actList {
				r.operations = append(r.operations, o)
			}
		}
	}
	return nil
}

// ourEnvironment leads regshape to a store, whatever the user's own is.
func ourEnvironment(folder string) []string {
	return []string{"REGSHAPE_STORE=" + folder, "REGSHAPE_PROFILE=", "REGSHAPE_KEY_FILE="}
}

// addPeers makes the stores of the other tools. One that is not installed is noted, but in
// CI it is an error. end stops their daemons.
func (r *results) addPeers(ctx context.Context, sizes []int, progress io.Writer) (end func(), err error) {
	var ends []func()
	end = func() {
		for _, e := range ends {
			e()
		}
	}
	for _, peer := range []struct {
		name       string
		limit      int
		operations func(ctx context.Context, dir string, sizes []int) ([]*operation, func(), error)
		why        string
	}{
		{passTool, passLimit, passOperations, "it draws the tree of all its entries for each answer"},
		{secretsvc, secretServiceLimit, secretServiceOperations, "its daemon writes the whole keyring for each entry that is stored"},
	} {
		began := time.Now()
		made, e, err := peer.operations(ctx, r.dir, sizes)
		if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true" {
			r.notes = append(r.notes, fmt.Sprintf("docker-credential-%s was not measured: %v.", peer.name, err))
			continue
		}
		if err != nil {
			end()
			return nil, fmt.Errorf("docker-credential-%s: %w", peer.name, err)
		}
		ends = append(ends, e)
		r.operations = append(r.operations, made...)
		fmt.Fprintf(progress, "docker-credential-%s is ready after %.1f s\n", peer.name, time.Since(began).Seconds())
		if slices.Max(sizes) > peer.limit {
			r.notes = append(r.notes, fmt.Sprintf("docker-credential-%s was measured with at most %s: %s, and a larger one takes minutes.",
				peer.name, thousands(peer.limit), peer.why))
		}
	}
	return end, nil
}

// examine finds out what regshape takes of the machine.
func (r *results) examine(ctx context.Context) error {
	const listTraced = 1000 // beyond it the trace says nothing new, and takes minutes
	_, err := exec.LookPath("strace")
	if err != nil && os.Getenv("CI") == "true" {
		return err
	}
	r.traced = err == nil
	for _, o := range append([]*operation{r.empty}, r.examined()...) {
		if o.peak, err = o.peakMemory(ctx); err != nil {
			return fmt.Errorf("%s: memory: %w", o, err)
		}
		if r.traced && (o.action != actList || o.size <= listTraced) {
			if err := o.traceOften(ctx, r.dir); err != nil {
				return err
			}
		}
	}
	r.inits, err = initCosts(ctx, r.largest(actGet))
	return err
}
