//go:build release

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func testDeb(t *testing.T, deb string) {
	tool(t, "dpkg-deb")
	info := must(t, "dpkg-deb", "-f", deb)
	for _, line := range []string{"Package: regshape\n", "Version: 1.2.3\n", "Architecture: amd64\n", "Maintainer: " + maintainer + "\n"} {
		if !strings.Contains(info, line) {
			t.Errorf("no %q in\n%s", line, info)
		}
	}
	// Time and size go: -rwxr-xr-x root/root 123 2026-01-02 03:04 ./usr/bin/regshape
	list, err := try(t, []string{"TZ=UTC"}, "dpkg-deb", "-c", deb)
	if err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, list)
	}
	for line := range strings.Lines(list) {
		if !strings.Contains(line, " root/root ") || !strings.Contains(line, " 2026-01-02 03:04 ") {
			t.Errorf("owner or time: %s", line)
		}
	}
	list = regexp.MustCompile(` +root/root +\d+ \S+ \S+ \.`).ReplaceAllString(list, " ")
	wantLines(t, list, "", append(installed("-rwxr-xr-x ", "-rw-r--r-- ", "lrwxr-xr-x "),
		"-rw-r--r-- /usr/share/zsh/vendor-completions/_regshape", "-rw-r--r-- /usr/share/doc/regshape/changelog.gz"))
	scripts := t.TempDir()
	must(t, "dpkg-deb", "-e", deb, scripts)
	for inside, name := range map[string]string{"postinst": "postinstall", "prerm": "preremove", "postrm": "postremove"} {
		if got := read(t, filepath.Join(scripts, inside)); string(got) != string(read(t, filepath.Join("package", name+".sh"))) {
			t.Errorf("%s is not %s.sh:\n%s", inside, name, got)
		}
	}
}

// installed are the files that both packages hold.
func installed(exec, plain, link string) []string {
	return []string{
		exec + "/usr/bin/regshape",
		link + "/usr/bin/docker-credential-regshape -> regshape",
		link + "/usr/bin/regshape-credential-provider -> regshape",
		plain + "/usr/share/bash-completion/completions/regshape",
		plain + "/usr/share/fish/vendor_completions.d/regshape.fish",
		plain + "/usr/share/doc/regshape/copyright",
		plain + "/usr/share/doc/regshape/LICENSES-THIRD-PARTY",
		plain + "/usr/share/doc/regshape/README.md",
		plain + "/usr/share/doc/regshape/SECURITY.md",
		plain + "/usr/share/doc/regshape/login/README.md",
		plain + "/usr/share/doc/regshape/store/keys/README.md",
		plain + "/usr/share/man/man1/regshape.1.gz",
		plain + "/usr/share/man/man1/regshape-auth-login.1.gz",
		plain + "/usr/share/man/man1/docker-credential-regshape.1.gz",
		plain + "/usr/share/man/man1/regshape-credential-provider.1.gz",
	}
}

func testRPM(t *testing.T, rpm string) {
	tool(t, "rpm")
	query := func(args ...string) string {
		return must(t, "rpm", append([]string{"--dbpath", t.TempDir(), "-qp"}, append(args, rpm)...)...)
	}
	if got := query("--qf", "%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{BUILDTIME} %{BUILDHOST}"); !strings.HasSuffix(got, "regshape 1.2.3 1 x86_64 1767323045 reproducible") {
		t.Errorf("rpm: %s", got)
	}
	list := query("--qf", `[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\n]`)
	for line := range strings.Lines(list) {
		if strings.Contains(line, "/usr/") && !strings.Contains(line, " root/root ") {
			t.Errorf("owner: %s", line)
		}
	}
	files := installed("-rwxr-xr-x root/root ", "-rw-r--r-- root/root ", "l--------- root/root ")
	for i := range files {
		files[i], _, _ = strings.Cut(files[i], " ->")
	}
	wantLines(t, list, "", append(files, "-rw-r--r-- root/root /usr/share/zsh/site-functions/_regshape"))
	for _, words := range []string{"postinstall scriptlet", "auth setup --undo", "preuninstall scriptlet", "postuninstall scriptlet"} {
		if got := query("--scripts"); !strings.Contains(got, words) {
			t.Errorf("no %q in\n%s", words, got)
		}
	}
}

// testImage builds the image twice and looks into it.
func testImage(t *testing.T, src string) {
	tool(t, "buildah")
	if os.Getuid() != 0 {
		t.Skip("buildah mounts an image for root alone")
	}
	store := t.TempDir()
	buildah := func(args ...string) string {
		return must(t, "buildah", append([]string{"--log-level", "error", "--storage-driver", "vfs", "--root", filepath.Join(store, "root"), "--runroot", filepath.Join(store, "run")}, args...)...)
	}
	var ids []string
	for range 2 {
		out := buildah("build", "--platform", "linux/amd64", "--isolation", "chroot", "--timestamp", "1767323045", "--no-cache", "--quiet",
			"-f", filepath.Join(src, "scripts/release/Containerfile"), filepath.Join(src, "dist/bin"))
		ids = append(ids, strings.TrimSpace(out))
	}
	if ids[0] != ids[1] || len(ids[0]) != 64 {
		t.Errorf("two builds: %q", ids)
	}
	container := strings.TrimSpace(buildah("from", ids[0]))
	root := strings.TrimSpace(buildah("mount", container))
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "docker-credential-regshape regshape" {
		t.Errorf("the image holds %s", got)
	}
	program := read(t, filepath.Join(src, "dist/bin/linux_amd64/regshape"))
	for _, name := range names {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil || info.Mode() != 0o755 || string(read(t, filepath.Join(root, name))) != string(program) {
			t.Errorf("%s in the image: %v, %v", name, info.Mode(), err)
		}
	}
	buildah("rm", container)
}
