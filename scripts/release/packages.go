package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// toolsDir pins nfpm, in a module of its own.
const toolsDir = "scripts/release/tools"

// packageDir holds what nfpm reads: its configuration and the maintainer scripts.
const packageDir = "scripts/release/package"

// maintainer has no mailbox behind it; SECURITY.md says where to report.
const maintainer = "The regshape authors <maintainers@regshape.invalid>"

// copyright is what Debian's policy wants for each package, in the form of
// https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: regshape

Files: *
Copyright: 2026 The regshape authors
License: Apache-2.0
 On Debian systems the text of the license is in
 /usr/share/common-licenses/Apache-2.0.
Comment:
 The program contains Go's standard library and other modules. Their licenses
 are in /usr/share/doc/regshape/LICENSES-THIRD-PARTY.
`

// packages makes the .deb and the .rpm of one system.
func (r *release) packages(t target, program string, files []file) error {
	stage := filepath.Join(r.work, t.os+"_"+t.arch)
	if err := stageFiles(stage, program, r.stamp, files); err != nil {
		return err
	}
	config, err := filepath.Abs(packageDir)
	if err != nil {
		return err
	}
	if err := os.CopyFS(stage, os.DirFS(config)); err != nil {
		return err
	}
	nfpm := filepath.Join(r.work, "nfpm")
	if _, err := os.Stat(nfpm); err != nil {
		build := exec.CommandContext(r.ctx, "go", "-C", toolsDir, "build", "-trimpath", "-o", nfpm, "github.com/goreleaser/nfpm/v2/cmd/nfpm")
		build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOWORK=off", "CGO_ENABLED=0")
		if _, err := build.Output(); err != nil {
			return failed("build nfpm", err)
		}
	}
	for _, kind := range []string{"deb", "rpm"} {
		name := r.base(t) + "." + kind
		cmd := exec.CommandContext(r.ctx, nfpm, "pkg", "--config", "nfpm.yaml", "--packager", kind, "--target", filepath.Join(r.out, name))
		cmd.Dir = stage
		cmd.Env = append(os.Environ(), "PACKAGE_VERSION="+r.stamp.packageVersion(), "PACKAGE_ARCH="+t.arch, "PACKAGE_MAINTAINER="+maintainer,
			"SOURCE_DATE_EPOCH="+strconv.FormatInt(r.stamp.time.Unix(), 10))
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nfpm: %w: %s", err, strings.TrimSpace(string(out)))
		}
		r.files = append(r.files, name)
	}
	return nil
}

// stageFiles lays out the files as nfpm.yaml names them. Manual and changelogs are
// compressed, as Debian's policy wants it.
func stageFiles(stage, program string, s stamp, files []file) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	files = append([]file{
		{name: "regshape", data: data, exec: true},
		{name: "copyright", data: []byte(copyright)},
		{name: "changelog", data: []byte(s.debianChangelog())},
	}, files...)
	for _, f := range files {
		if strings.HasPrefix(f.name, "man/") || strings.HasPrefix(strings.ToLower(f.name), "changelog") {
			if f.data, err = compress(f.data); err != nil {
				return err
			}
			f.name += ".gz"
		}
		path := filepath.Join(stage, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.data, f.mode()); err != nil {
			return err
		}
		// nfpm gives a link the mode of the file here, which the umask has cut.
		if err := os.Chmod(path, f.mode()); err != nil {
			return err
		}
	}
	return nil
}

// debianChangelog is in Debian's own form (deb-changelog(5)), which apt reads; what is new
// for users is in the other one.
func (s stamp) debianChangelog() string {
	return fmt.Sprintf("regshape (%s) unstable; urgency=medium\n\n  * Made of commit %s.\n    What is new: CHANGELOG.md.gz\n\n -- %s  %s\n",
		s.packageVersion(), s.commit, maintainer, s.time.Format(time.RFC1123Z))
}
