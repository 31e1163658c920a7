package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// licenseFile matches what projects call the texts that must go with every copy.
var licenseFile = regexp.MustCompile(`(?i)^(licen[sc]e|copying|notice|patents)([.-].*)?$`)

// thirdParty gathers the licences of Go's own library and of every module in a program.
// A module that has none cannot be given on, and is an error.
func thirdParty(ctx context.Context, p parts) ([]byte, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, failed("go env", err)
	}
	var all bytes.Buffer
	all.WriteString("regshape itself is under the Apache License 2.0. It contains the following.\n")
	if err := addLicenses(&all, "Go "+p.goVersion, strings.TrimSpace(string(root))); err != nil {
		return nil, err
	}
	for _, m := range p.modules {
		out, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", m.Path+"@"+m.Version).Output()
		if err != nil {
			return nil, failed("go mod download "+m.Path, err)
		}
		var module struct{ Dir string }
		if err := json.Unmarshal(out, &module); err != nil {
			return nil, fmt.Errorf("go mod download %s: %w", m.Path, err)
		}
		if err := addLicenses(&all, m.Path+" "+m.Version, module.Dir); err != nil {
			return nil, err
		}
	}
	return all.Bytes(), nil
}

func addLicenses(all *bytes.Buffer, title, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		if e.IsDir() || !licenseFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(all, "\n%s\n%s: %s\n\n%s\n", strings.Repeat("-", 80), title, e.Name(), bytes.TrimSpace(text))
		found = true
	}
	if !found {
		return fmt.Errorf("%s has no licence in %s: it cannot be given on to others", title, dir)
	}
	return nil
}
