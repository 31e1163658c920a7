//go:build e2e

// Package e2e runs the regshape binary against the real clients and registries
// that Debian ships: docker, podman and skopeo, and three docker-registry
// processes that ask for credentials in three ways. install.sh installs them.
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
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

// binDir holds regshape and docker-credential-regshape.
var binDir string

// clientsDir holds the clients that install.sh builds.
var clientsDir string

// registries are the three that every scenario is played against.
var registries []*registry

func TestMain(m *testing.M) {
	if name, is := strings.CutPrefix(filepath.Base(os.Args[0]), "docker-credential-"); is {
		os.Exit(foreignHelper(name, os.Args[1:], os.Stdin, os.Stdout))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	for _, tool := range []string{"docker", "podman", "skopeo", "docker-registry", "htpasswd"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(os.Stderr, "e2e: %s is not on PATH; run scripts/e2e/install.sh\n", tool)
			return 1
		}
	}
	var err error
	if clientsDir, err = filepath.Abs(filepath.Join("..", "..", "bin", "clients")); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	if _, err := exec.LookPath(filepath.Join(clientsDir, "crane")); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: crane is not built; run scripts/e2e/install.sh")
		return 1
	}
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
	for _, start := range []func(string) (*registry, error){startBasic, startTLS, startToken} {
		r, err := start(work)
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
