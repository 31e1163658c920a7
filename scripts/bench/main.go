// Command bench compares whole runs of docker-credential-regshape with an empty Go program
// built the same way, and with what else answers docker on the machine it runs on: a
// plaintext config.json, pass, and the Secret Service. Times differ from machine to machine
// and from hour to hour; the ratios are what to read. Rounds are interleaved, so that
// whatever else the machine does meets every program. The stores lie below $TMPDIR, whose
// disk the writes are about.
//
//	go run ./scripts/bench             # from the top of the tree
//	go run ./scripts/bench -n 2 -sizes 1,50
//
// With REGSHAPE_WRITE=1 it also writes the tables into README.md beside this file.
// install.sh installs the other tools on Debian.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"regshape/scripts/page"
	"regshape/scripts/testenv"
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
	return page.Publish("scripts/bench/README.md", "bench", found.report())
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
		empty:  &operation{name: "an empty Go program", command: []string{built.empty}, env: testenv.Environ(dir)},
		rounds: rounds, binary: program.Size(),
	}
	if err := r.addOwn(ctx, dir, built, sizes, progress); err != nil {
		return nil, err
	}
	end, err := r.addPeers(ctx, dir, sizes, progress)
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
		if r.program, err = logInByProgram(ctx, built.helper, dir); err != nil {
			return nil, err
		}
		all = append(all, unlocked, r.program.get, r.program.miss, r.program.maker, r.program.renewal)
	}
	fmt.Fprintf(progress, "measuring %d rounds\n", rounds)
	if err := measure(ctx, all, rounds); err != nil {
		return nil, err
	}
	if built.peak == "" {
		return r, nil
	}
	for _, o := range all {
		if o.tool == ours && o.action != "" {
			if err := o.measurePeak(ctx, built.peak); err != nil {
				return nil, fmt.Errorf("%s: memory: %w", o, err)
			}
		}
	}
	return r, nil
}

// addOwn makes regshape's stores and the config.json files.
func (r *results) addOwn(ctx context.Context, dir string, built programs, sizes []int, progress io.Writer) error {
	helper, reader := tool{name: ours, program: built.helper}, tool{name: plaintext, program: built.plaintext}
	filled := sizes
	if slices.Max(sizes) > listGoal && !slices.Contains(sizes, listGoal) {
		filled = append(sizes[:len(sizes):len(sizes)], listGoal)
	}
	for _, size := range filled {
		began := time.Now()
		directory, plain := filepath.Join(dir, fmt.Sprintf("store-%d", size)), filepath.Join(dir, fmt.Sprintf("config-%d", size))
		if err := errors.Join(fill(ctx, directory, size), fillPlaintext(plain, size)); err != nil {
			return err
		}
		fmt.Fprintf(progress, "stored %s in %.1f s\n", page.Thousands(size), time.Since(began).Seconds())
		own, err := helper.operations(ctx, dir, size, ourEnvironment(directory)...)
		if err != nil {
			return err
		}
		theirs, err := reader.operations(ctx, dir, size, "DOCKER_CONFIG="+plain)
		if err != nil {
			return err
		}
		pod := &operation{
			tool: ours, action: actKubelet, size: size, command: []string{built.kubelet}, env: own[0].env,
			input: filepath.Join(dir, fmt.Sprintf("stdin-kubelet-%d", size)),
		}
		if err := errors.Join(os.WriteFile(pod.input, fmt.Appendf(nil, kubeletRequest, address(size/2)), 0o600), pod.check(ctx)); err != nil {
			return err
		}
		for _, o := range append(append(own, pod), theirs...) {
			if slices.Contains(sizes, size) || o.action == actList {
				r.operations = append(r.operations, o)
			}
		}
	}
	return nil
}

const kubeletRequest = `{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"%s/team/app"}`

// ourEnvironment leads regshape to a store, whatever the user's own is.
func ourEnvironment(directory string) []string {
	return []string{"REGSHAPE_STORE=" + directory, "REGSHAPE_PROFILE=", "REGSHAPE_KEY_FILE="}
}

// addPeers makes the stores of the other tools. One that is not installed is noted, but in
// CI it is an error. end stops their daemons.
func (r *results) addPeers(ctx context.Context, dir string, sizes []int, progress io.Writer) (end func(), err error) {
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
		made, e, err := peer.operations(ctx, dir, sizes)
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
				peer.name, page.Thousands(peer.limit), peer.why))
		}
	}
	return end, nil
}
