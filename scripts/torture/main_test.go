//go:build torture && linux && amd64

// Package torture tries to lose a login. It kills or fails every single system call of the
// commands that write, lets a crowd of processes loose on one store while some are killed,
// changes the key a thousand times under writers and readers, and turns the clock.
//
//	go test -tags torture -count=1 -v ./scripts/torture
//
// Each test prints a table of what it did. A usual run takes a share of the calls, another
// one each time; with TESTENV_WHOLE=1 it takes the whole, and with REGSHAPE_WRITE=1 it also
// writes the tables into README.md. TORTURE_FAULTS=all leaves no call out at all, which may
// take an hour.
//
// TORTURE_SEED repeats the random choices of a run, and TORTURE_KEEP names a directory for
// the logs. Faults are injected with ptrace, which has to be allowed: strace counts the calls
// of each thread on its own, and so cannot name the n-th call of a Go program. Everything
// happens in temporary directories, and what is put into the kernel's keyring is taken out.
package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

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
	testenv.StayInMemory() // what is synced is seen by ptrace, and lasts on the disks of the power cuts
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

// usually returns how much of something a run does: all of it, or a share.
func usually[T int | time.Duration](share, all T) T {
	if testenv.Whole() {
		return all
	}
	return share
}

// started is the same in the whole run.
var started = time.Now().Unix()

// seed is what the random choices of a run begin with.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := uint64(started)
	if text := os.Getenv("TORTURE_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("TORTURE_SEED: %v", err)
		}
	}
	t.Logf("TORTURE_SEED=%d", n)
	return n
}
