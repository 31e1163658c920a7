//go:build e2e

// Package e2e runs the regshape binary against real clients and registries: today's,
// which install.sh builds, beside those that Debian ships, and registries that ask for
// credentials in three ways.
//
//	go test -tags e2e -count=1 -v ./scripts/e2e
//
// REGSHAPE_E2E_BIN names a folder with the two programs to test instead of
// building them. Everything happens on the loopback device and in temporary
// folders; the homes, logins and container storage of the machine stay untouched.
package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

// binDir holds regshape and docker-credential-regshape.
var binDir string

// registries are those that every scenario is played against.
var registries []*registry

func TestMain(m *testing.M) {
	if name, is := strings.CutPrefix(filepath.Base(os.Args[0]), "docker-credential-"); is {
		os.Exit(foreignHelper(name, os.Args[1:], os.Stdin, os.Stdout))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if err := useOnly(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	testenv.StayInMemory() // engines, registries and stores sync all the time
	work, err := os.MkdirTemp("", "regshape-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(work)
	if binDir, err = programs(work); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer func() {
		for _, r := range registries {
			r.stop()
		}
	}()
	for _, one := range []struct {
		start         func(program, name, work string) (*registry, error)
		program, name string
	}{
		{startBasic, distribution2, "basic"},
		{startTLS, distribution2, "tls"},
		{startToken, distribution2, "token"},
		{startBasic, distribution3, "basic3"},
		{startToken, distribution3, "token3"},
	} {
		r, err := one.start(one.program, one.name, work)
		if err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
		registries = append(registries, r)
		fmt.Printf("e2e: registry %q at %s\n", r.name, r.host)
	}
	return m.Run()
}

// programs builds the binary under both its names.
func programs(work string) (string, error) {
	if given := os.Getenv("REGSHAPE_E2E_BIN"); given != "" {
		return filepath.Abs(given)
	}
	dir := filepath.Join(work, "bin")
	build := testenv.Command(testenv.Go(), "go", "build", "-o", filepath.Join(dir, "regshape"), "regshape")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, os.Symlink("regshape", filepath.Join(dir, "docker-credential-regshape"))
}
