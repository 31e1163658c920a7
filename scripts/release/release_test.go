package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
)

var when = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestMain keeps git, ssh-keygen and their agents of whoever runs the tests out of what
// the release starts in this process.
func TestMain(m *testing.M) { testenv.Main(m) }

// tool says where a program is. Without it the test is skipped, or fails where CI runs.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not installed", name)
	default:
		t.Skipf("%s is not installed", name)
	}
	return path
}

// try runs a program and returns all that it says.
func try(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	home := t.TempDir()
	// The go command's telemetry would go on writing below a home that is being removed.
	write(t, filepath.Join(home, ".config/go/telemetry/mode"), "off\n")
	all := testenv.Environ(home, testenv.GoSettings()...)
	// The checkout may be somebody else's.
	all = append(all, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	cmd := testenv.CommandContext(ctx, append(all, env...), name, args...)
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := try(t, nil, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPackageVersion(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	inOrder := []struct{ describe, want string }{
		{commit[:12], "0+20260102030405.g0123456789ab"},
		{"nightly", "0+20260102030405.g0123456789ab"},
		{"v1.2.0-rc.1", "1.2.0~rc.1"},
		{"v1.2.0-rc.1-3-gabcdef012345", "1.2.0~rc.1+3.gabcdef012345"},
		{"v1.2.0-rc.2", "1.2.0~rc.2"},
		{"v1.2.0", "1.2.0"},
		{"v1.2.0-5-g0123456789ab", "1.2.0+5.g0123456789ab"},
		{"v1.2.1", "1.2.1"},
		{"v1.10", "1.10"},
		{"2", "2"},
	}
	last := ""
	for _, c := range inOrder {
		got := stamp{version: c.describe, commit: commit, time: when}.packageVersion()
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.describe, got, c.want)
		}
		if dpkg, err := exec.LookPath("dpkg"); err == nil && last != "" {
			if err := testenv.Command(testenv.Environ(t.TempDir()), dpkg, "--compare-versions", last, "le", got).Run(); err != nil {
				t.Errorf("dpkg takes %s for newer than %s", last, got)
			}
		}
		last = got
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != 6 {
		t.Errorf("without -only: %v, %v", all, err)
	}
	if two, err := choose("linux/arm64,windows/amd64"); err != nil || fmt.Sprint(two) != "[linux/arm64 windows/amd64]" {
		t.Errorf("two: %v, %v", two, err)
	}
	if _, err := choose("linux/amd64,plan9/386"); err == nil || !strings.Contains(err.Error(), `"plan9/386"`) {
		t.Errorf("a system that is not built for: %v", err)
	}
}

// A checkout that differs from its commit, or has none, makes no release.
func TestStampRefuses(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	if _, err := readStamp(t.Context()); err == nil || !strings.Contains(err.Error(), "git checkout") {
		t.Errorf("no checkout: %v", err)
	}
	write(t, "kept", "1")
	commitAll(t, ".", "v1.2.3")
	s, err := readStamp(t.Context())
	if err != nil || s.version != "v1.2.3" || s.date() != "2026-01-02T03:04:05Z" || len(s.commit) != 40 {
		t.Errorf("a clean checkout: %+v, %v", s, err)
	}
	write(t, "stray", "")
	if _, err := readStamp(t.Context()); err == nil || !strings.Contains(err.Error(), "stray") {
		t.Errorf("a file that is in no commit: %v", err)
	}
	if err := os.Remove("stray"); err != nil {
		t.Fatal(err)
	}
	write(t, "kept", "2")
	if _, err := readStamp(t.Context()); err == nil || !strings.Contains(err.Error(), "kept") {
		t.Errorf("a changed file: %v", err)
	}
}

// commitAll makes a directory a git checkout of one commit, the same each time.
func commitAll(t *testing.T, dir, tag string) {
	t.Helper()
	must(t, "git", "-C", dir, "init", "-q")
	must(t, "git", "-C", dir, "add", "-A")
	date := when.Format(time.RFC3339)
	env := []string{
		"GIT_AUTHOR_DATE=" + date, "GIT_COMMITTER_DATE=" + date, "GIT_AUTHOR_NAME=t", "GIT_COMMITTER_NAME=t",
		"GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_EMAIL=t@example.com", "GIT_CONFIG_GLOBAL=/dev/null",
	}
	if out, err := try(t, env, "git", "-C", dir, "commit", "-q", "-m", "all"); err != nil {
		t.Fatalf("git commit: %v\n%s", err, out)
	}
	must(t, "git", "-C", dir, "tag", tag)
}

// What is in the directory already may be anybody's, and would not be in SHA256SUMS.
func TestOutputMustBeEmpty(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "LICENSE", "")
	commitAll(t, ".", "v1.2.3")
	out := t.TempDir()
	letter := filepath.Join(out, "letter.txt")
	write(t, letter, "")
	if err := run(t.Context(), io.Discard, out, "", ""); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a directory that is in use: %v", err)
	}
	if _, err := os.Stat(letter); err != nil {
		t.Error(err)
	}
}

func TestArchivesAreThePlainSame(t *testing.T) {
	files := []file{
		{name: "LICENSE", data: []byte("be good")},
		{name: helper, link: "regshape"},
		{name: "man/regshape.1", data: []byte(".TH")},
		{name: "regshape", data: []byte("ELF"), exec: true},
	}
	packed, err := packTar("top/", files, when)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := packTar("top/", files, when); err != nil || !bytes.Equal(packed, again) {
		t.Errorf("packed twice, it differs: %v", err)
	}
	want := `drwxr-xr-x 0/0 top/
drwxr-xr-x 0/0 top/man/
-rw-r--r-- 0/0 top/LICENSE "be good"
Lrwxrwxrwx 0/0 top/docker-credential-regshape -> regshape
-rw-r--r-- 0/0 top/man/regshape.1 ".TH"
-rwxr-xr-x 0/0 top/regshape "ELF"
`
	if got := listTar(t, packed, when); got != want {
		t.Errorf("the tar holds\n%swant\n%s", got, want)
	}
	files[1] = file{name: helper + ".exe", data: []byte("MZ"), exec: true}
	packed, err = packZip("top/", files, when)
	if err != nil {
		t.Fatal(err)
	}
	want = `-rw-r--r-- top/LICENSE "be good"
-rwxr-xr-x top/docker-credential-regshape.exe "MZ"
-rw-r--r-- top/man/regshape.1 ".TH"
-rwxr-xr-x top/regshape "ELF"
`
	if got := listZip(t, packed); got != want {
		t.Errorf("the zip holds\n%swant\n%s", got, want)
	}
}

// listTar says what is in a .tar.gz; content over 20 bytes is left out.
func listTar(t *testing.T, packed []byte, want time.Time) string {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if unzipped.Name != "" || !unzipped.ModTime.IsZero() {
		t.Errorf("gzip notes name %q and time %v", unzipped.Name, unzipped.ModTime)
	}
	var list strings.Builder
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			return list.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(want) || h.Uname != "" || h.Gname != "" {
			t.Errorf("%s: of %v, by %q in %q", h.Name, h.ModTime, h.Uname, h.Gname)
		}
		fmt.Fprintf(&list, "%v %d/%d %s", h.FileInfo().Mode(), h.Uid, h.Gid, h.Name)
		switch {
		case h.Linkname != "":
			fmt.Fprintf(&list, " -> %s", h.Linkname)
		case h.Typeflag == tar.TypeReg && h.Size <= 20:
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&list, " %q", data)
		}
		list.WriteByte('\n')
	}
}

func listZip(t *testing.T, packed []byte) string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for _, f := range r.File {
		if !f.Modified.Equal(when) {
			t.Errorf("%s: of %v", f.Name, f.Modified)
		}
		part, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&list, "%v %s", f.Mode(), f.Name)
		if len(data) <= 20 {
			fmt.Fprintf(&list, " %q", data)
		}
		list.WriteByte('\n')
	}
	return list.String()
}

// A module that comes without a licence stops the release.
func TestNoLicenseNoRelease(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "README"), "free, surely")
	write(t, filepath.Join(dir, "license.go"), "package license")
	var all bytes.Buffer
	if err := addLicenses(&all, "example.com/x v1", dir); err == nil || !strings.Contains(err.Error(), "example.com/x v1") {
		t.Errorf("no licence: %v", err)
	}
	write(t, filepath.Join(dir, "LICENSE.md"), "as you like it\n")
	if err := addLicenses(&all, "example.com/x v1", dir); err != nil || !strings.Contains(all.String(), "LICENSE.md\n\nas you like it\n") {
		t.Errorf("a licence: %v\n%s", err, all.String())
	}
}

// The maintainer scripts speak once, when there is something to do, and are silent on an
// upgrade. The words they are called with are those of Debian's policy (chapter 6) and of
// rpm's scriptlets.
func TestMaintainerScripts(t *testing.T) {
	tool(t, "sh")
	for _, c := range []struct {
		when, script string
		args         []string
		says         string // "" for silence
	}{
		{"first install, dpkg", "postinstall", []string{"configure", ""}, "regshape auth setup"},
		{"first install, older dpkg", "postinstall", []string{"configure"}, "regshape auth setup"},
		{"first install, rpm", "postinstall", []string{"1"}, "regshape auth setup"},
		{"upgrade, dpkg", "postinstall", []string{"configure", "1.0"}, ""},
		{"upgrade, rpm", "postinstall", []string{"2"}, ""},
		{"upgrade undone", "postinstall", []string{"abort-upgrade", "1.0"}, ""},
		{"removal, dpkg", "preremove", []string{"remove"}, "regshape auth setup --undo"},
		{"removal, rpm", "preremove", []string{"0"}, "50-regshape.conf"},
		{"upgrade, dpkg", "preremove", []string{"upgrade", "1.1"}, ""},
		{"upgrade, rpm", "preremove", []string{"1"}, ""},
		{"removal, dpkg", "postremove", []string{"remove"}, ""},
		{"upgrade, dpkg", "postremove", []string{"upgrade", "1.1"}, ""},
		{"upgrade, rpm", "postremove", []string{"1"}, ""},
		{"purge, dpkg", "postremove", []string{"purge"}, "~/.local/share/regshape"},
		{"removal, rpm", "postremove", []string{"0"}, "~/.local/state/regshape"},
	} {
		out := must(t, "sh", append([]string{filepath.Join("package", c.script+".sh")}, c.args...)...)
		if c.says == "" && out != "" || !strings.Contains(out, c.says) {
			t.Errorf("%s (%s %q): want %q, said:\n%s", c.when, c.script, c.args, c.says, out)
		}
		for line := range strings.Lines(out) {
			if len(line) > 81 {
				t.Errorf("%s: over 80 columns: %s", c.script, line)
			}
		}
	}
}
