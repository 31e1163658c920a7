package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// parts is what the linker noted in a program: the Go version and every module in it.
type parts struct {
	goVersion string // without the "go" in front
	modules   []*debug.Module
}

func readParts(program string) (parts, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return parts{}, fmt.Errorf("read what %s is made of: %w", program, err)
	}
	p := parts{goVersion: strings.TrimPrefix(info.GoVersion, "go")}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		p.modules = append(p.modules, m)
	}
	return p, nil
}

// bill writes the program's bill of materials. Serial number and timestamp, which the
// format leaves optional, would differ from run to run.
func (r *release) bill(t target, program string, p parts) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	self := cdx.Component{
		BOMRef: "regshape", Type: cdx.ComponentTypeApplication, Name: "regshape", Version: r.stamp.name(),
		Hashes:   &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
		Properties: &[]cdx.Property{
			{Name: "regshape:commit", Value: r.stamp.commit},
			{Name: "regshape:GOOS", Value: t.os},
			{Name: "regshape:GOARCH", Value: t.arch},
		},
	}
	made := []cdx.Component{goComponent("std", p.goVersion)}
	for _, m := range p.modules {
		c := goComponent(m.Path, m.Version)
		// go.sum's checksum: a SHA-256 over the list of the module's files, not of one file.
		c.Properties = &[]cdx.Property{{Name: "go:sum", Value: m.Sum}}
		made = append(made, c)
	}
	slices.SortFunc(made, func(a, b cdx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	var parts []string
	for _, c := range made {
		parts = append(parts, c.BOMRef)
	}
	b := cdx.NewBOM()
	b.Metadata, b.Components = &cdx.Metadata{Component: &self}, &made
	b.Dependencies = &[]cdx.Dependency{{Ref: self.BOMRef, Dependencies: &parts}}
	var text bytes.Buffer
	if err := cdx.NewBOMEncoder(&text, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(b, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("encode the bill of materials: %w", err)
	}
	return r.publish(r.base(t)+".cdx.json", text.Bytes())
}

func goComponent(path, version string) cdx.Component {
	purl := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	return cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: purl}
}

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
