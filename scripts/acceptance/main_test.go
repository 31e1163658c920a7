// Package acceptance runs both names of the program as processes: what they print, ask,
// write and send, and what a neighbour, a registry or a hostile file can get out of them.
package acceptance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"regshape/scripts/testenv"
)

func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil { // to the documents and the packages of the module
		panic(err)
	}
	testenv.Main(programs{m})
}

// programs are the tests of m with both names of the program, built once, first in PATH.
type programs struct{ m *testing.M }

func (p programs) Run() int {
	dir, err := os.MkdirTemp("", "acceptance-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = errors.Join(os.Chmod(dir, 0o755), build(dir)) // other users run them, too
	}
	if err == nil {
		err = os.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "acceptance:", err)
		return 1
	}
	return p.m.Run()
}

// build makes the programs, for the race detector where the tests are.
func build(dir string) error {
	exe := ""
	if runtime.GOOS == "windows" {
		exe = ".exe"
	}
	race := "-race=false"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" {
				race = "-race=" + s.Value
			}
		}
	}
	program := filepath.Join(dir, "regshape"+exe)
	if out, err := testenv.Command(testenv.Go(), "go", "build", race, "-o", program, "regshape").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.Link(program, filepath.Join(dir, "docker-credential-regshape"+exe))
}
