// Command demo shows one login with regshape serve docker, podman and skopeo, and one
// that renews itself.
//
// It starts a private registry on the loopback device and runs the installed
// programs in a temporary HOME, so that the logins and settings of whoever runs
// it stay untouched. It needs no network; of the three clients it uses those that
// are there.
//
//	demo -bin DIR    DIR holds regshape and docker-credential-regshape
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	if filepath.Base(os.Args[0]) == maker+exe {
		mint(os.Stdout)
		return
	}
	bin := flag.String("bin", "", "directory that holds regshape and docker-credential-regshape")
	flag.Parse()
	if *bin == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	// An interrupted demo, too, must remove its HOME.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *bin, os.Stdout)
	interrupted := ctx.Err() != nil
	stop()
	if interrupted {
		fmt.Fprintln(os.Stderr, "demo: interrupted")
		os.Exit(130)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo: FAILED:", err)
		os.Exit(1)
	}
}

// programs makes sure that both names are there, and returns their directory.
func programs(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"regshape", helper} {
		if _, err := os.Stat(filepath.Join(dir, name+exe)); err != nil {
			return "", fmt.Errorf("%s is not in %s: run 'make install' first", name, dir)
		}
	}
	return dir, nil
}
