package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
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

// The CycloneDX 1.6 fields that are used here: https://cyclonedx.org/docs/1.6/json/
type (
	bom struct {
		Schema       string       `json:"$schema"`
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Ref        string     `json:"bom-ref"`
		Type       string     `json:"type"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Licenses   []license  `json:"licenses,omitempty"`
		PURL       string     `json:"purl,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	license struct {
		License licenseID `json:"license"`
	}
	licenseID struct {
		ID string `json:"id"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

// bill writes the program's bill of materials. Serial number and timestamp, which the
// format leaves optional, would differ from run to run.
func (r *release) bill(t target, program string, p parts) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	self := component{
		Ref: "regshape", Type: "application", Name: "regshape", Version: r.stamp.name(),
		Hashes:   []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
		Licenses: []license{{licenseID{"Apache-2.0"}}},
		Properties: []property{
			{"regshape:commit", r.stamp.commit},
			{"regshape:GOOS", t.os},
			{"regshape:GOARCH", t.arch},
		},
	}
	made := []component{goComponent("std", p.goVersion)}
	for _, m := range p.modules {
		c := goComponent(m.Path, m.Version)
		// go.sum's checksum: a SHA-256 over the list of the module's files, not of one file.
		c.Properties = []property{{"go:sum", m.Sum}}
		made = append(made, c)
	}
	slices.SortFunc(made, func(a, b component) int { return strings.Compare(a.Ref, b.Ref) })
	b := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: metadata{self}, Components: made, Dependencies: []dependency{{Ref: self.Ref}},
	}
	for _, c := range made {
		b.Dependencies[0].DependsOn = append(b.Dependencies[0].DependsOn, c.Ref)
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return r.publish(r.base(t)+".cdx.json", append(text, '\n'))
}

func goComponent(path, version string) component {
	purl := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	return component{Ref: purl, Type: "library", Name: path, Version: version, PURL: purl}
}
