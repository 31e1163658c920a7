package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
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
