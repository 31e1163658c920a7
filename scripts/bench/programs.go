package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"regshape/scripts/testenv"
)

// programs are paths of what is built for the run.
type programs struct{ helper, plaintext, empty string }

// build builds regshape under its second name, the plaintext reader and an empty program,
// all with the same flags, below dir. The working folder must be the top of the tree.
func build(ctx context.Context, dir string) (programs, error) {
	suffix := ""
	if runtime.GOOS == "windows" {
		suffix = ".exe"
	}
	p := programs{
		helper:    filepath.Join(dir, "docker-credential-regshape"+suffix),
		plaintext: filepath.Join(dir, "plaintext"+suffix),
		empty:     filepath.Join(dir, "empty"+suffix),
	}
	source := filepath.Join(dir, "source")
	if err := os.Mkdir(source, 0o700); err != nil {
		return p, err
	}
	for name, text := range map[string]string{
		"go.mod":  "module empty\n\ngo 1.26.0\n",
		"main.go": "package main\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(source, name), []byte(text), 0o600); err != nil {
			return p, err
		}
	}
	for _, b := range []struct{ folder, from, to string }{
		{".", ".", p.helper}, {".", "./scripts/bench/plaintext", p.plaintext}, {source, ".", p.empty},
	} {
		linked := filepath.Join(source, "linked")
		cmd := testenv.CommandContext(ctx, testenv.Go("CGO_ENABLED=0"), "go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", linked, b.from)
		cmd.Dir = b.folder
		if out, err := cmd.CombinedOutput(); err != nil {
			return p, fmt.Errorf("go build: %w\n%s", err, out)
		}
		// As installed: a program that was written in one go starts faster than what the
		// linker leaves, whose pages the kernel keeps in smaller pieces.
		program, err := os.ReadFile(linked)
		if err == nil {
			err = os.WriteFile(b.to, program, 0o700)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}
