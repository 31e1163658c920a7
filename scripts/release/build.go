package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// target is a system to build for.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

// exe is what a program's name ends in there.
func (t target) exe() string {
	if t.os == "windows" {
		return ".exe"
	}
	return ""
}

// helper is the second name of the program: what docker calls.
const helper = "docker-credential-regshape"

// provider is the name for nodes, which run Linux.
const provider = "regshape-credential-provider"

var targets = []target{
	{"linux", "amd64"},
	{"linux", "arm64"},
	{"darwin", "amd64"},
	{"darwin", "arm64"},
	{"windows", "amd64"},
	{"windows", "arm64"},
}

// choose reads the words of -only.
func choose(only string) ([]target, error) {
	if only == "" {
		return targets, nil
	}
	var chosen []target
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(targets, func(t target) bool { return t.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("-only %q: not one of %v", name, targets)
		}
		chosen = append(chosen, targets[i])
	}
	return chosen, nil
}

// build makes the program as `make build` does, with its second name beside it, and
// returns where it is. The settings of whoever builds are left out: they would show.
func (r *release) build(t target) (string, error) {
	dir := filepath.Join(r.out, "bin", t.os+"_"+t.arch)
	program := filepath.Join(dir, "regshape"+t.exe())
	fmt.Fprintf(r.say, "build %s\n", t)
	ldflags := fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s -X main.date=%s", r.stamp.version, r.stamp.commit, r.stamp.date())
	cmd := exec.CommandContext(r.ctx, "go", "build", "-trimpath", "-ldflags", ldflags, "-o", program, ".")
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOWORK=off", "GOEXPERIMENT=", "GODEBUG=", "GOFIPS140=off",
		"CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch, "GOAMD64=v1", "GOARM64=v8.0")
	if _, err := cmd.Output(); err != nil {
		return "", failed("go build", err)
	}
	// Images take the mode from here, whatever the umask of whoever builds.
	if err := os.Chmod(program, 0o755); err != nil {
		return "", err
	}
	if t.os == "windows" {
		data, err := os.ReadFile(program)
		if err != nil {
			return "", err
		}
		return program, os.WriteFile(filepath.Join(dir, helper+t.exe()), data, 0o755)
	}
	return program, os.Symlink("regshape", filepath.Join(dir, helper))
}
