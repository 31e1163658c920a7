// Package acceptance runs both names of the program as processes: what they print, ask,
// write and send, and what a neighbour, a registry or a hostile file can get out of them.
package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil { // to the documents and the packages of the module
		panic(err)
	}
	testenv.Main(programs{m}, testenv.InMemory()...)
}

// programs runs the tests of m with both names of the program, built once, first in PATH.
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
	testenv.Waiting()
	return p.m.Run()
}

// build builds the programs as the Makefile does, and with the race detector if the tests are.
// Deriving a key from a passphrase takes a second and 256 MiB, as it should, so only whole
// runs and the scripts use the real work factor.
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
	words := []string{"build", race, "-ldflags", "-X main.version=v1.2.3 -X main.commit=abc -X main.date=2026-01-02T03:04:05Z"}
	if !testenv.Whole() {
		overlay, err := cheapPassphrases(dir)
		if err != nil {
			return err
		}
		words = append(words, "-overlay", overlay)
	}
	program := filepath.Join(dir, "regshape"+exe)
	if out, err := testenv.Command(testenv.Go(), "go", append(words, "-o", program, "regshape")...).CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.Link(program, filepath.Join(dir, "docker-credential-regshape"+exe))
}

// cheapPassphrases writes an overlay for go build that lowers the work factor.
func cheapPassphrases(dir string) (overlay string, err error) {
	const file, factor = "store/keys/slot.go", "const workFactor = 18"
	source, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if strings.Count(string(source), factor) != 1 {
		return "", fmt.Errorf("%s: want %q once", file, factor)
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	cheap := filepath.Join(dir, "slot.go")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {path: cheap}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, errors.Join(
		os.WriteFile(cheap, []byte(strings.Replace(string(source), factor, "const workFactor = 12", 1)), 0o600),
		os.WriteFile(overlay, replace, 0o600))
}
