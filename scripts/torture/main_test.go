//go:build torture && linux && amd64

// Package torture tries to lose a login. It kills or fails every single system call of the
// commands that write, lets a crowd of processes loose on one store while some are killed,
// changes the key a thousand times under writers and readers, and turns the clock.
//
//	go test -tags torture -count=1 -v ./scripts/torture
//
// Each test prints a table of what it did, and with REGSHAPE_WRITE=1 writes it into README.md.
//
// TORTURE_ROTATIONS is how many rotations have to succeed (1000), TORTURE_SECONDS how long
// they may take (900), TORTURE_SEED repeats the random choices of a run, TORTURE_KEEP names
// a folder for the logs, TORTURE_CUTS is how many power cuts each file system stands (36), and
// TORTURE_FAULTS=all leaves no call out, which may take an hour. Faults are injected with
// ptrace, which has to be allowed: strace counts the calls
// of each thread on its own, and so cannot name the n-th call of a Go program. Everything
// happens in temporary folders, and what is put into the kernel's keyring is taken out.
package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"regshape/scripts/testenv"
)

// Programs under test, built by TestMain.
var regshape, helper string

// roleVariable makes the test program one of the processes that a test needs.
const roleVariable = "TORTURE_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "writer":
		os.Exit(work(own, (*worker).write))
	case "reader":
		os.Exit(work(own, (*worker).read))
	case "crowd":
		os.Exit(work(anywhere, (*worker).mix))
	case "inject":
		os.Exit(inject())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "regshape-torture-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	regshape, helper = filepath.Join(dir, "regshape"), filepath.Join(dir, "docker-credential-regshape")
	build := testenv.Command(testenv.Go(), "go", "build", "-o", regshape, "regshape")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "torture: go build: %v\n%s", err, out)
		return 1
	}
	if err := os.Symlink("regshape", helper); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 1
	}
	return m.Run()
}

// number reads a whole number from the environment.
func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is no positive number", variable)
	}
	return n
}
