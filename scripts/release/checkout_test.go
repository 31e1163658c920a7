//go:build release

package main

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// The whole release of this checkout's files, uncommitted ones too, made from copies that
// are commits of their own. It takes one to three minutes.
func TestRelease(t *testing.T) {
	tool(t, "git")
	// Nothing of a first build may show in the second: not its directory, home, caches,
	// umask, time zone or settings.
	first := newCopy(t, t.TempDir())
	second := filepath.Join(t.TempDir(), "another", "directory with a space")
	must(t, "git", "clone", "-q", first, second)
	ignoreBuilt(t, second)
	cache := strings.TrimSpace(must(t, "go", "env", "GOCACHE"))
	modules := "GOMODCACHE=" + strings.TrimSpace(must(t, "go", "env", "GOMODCACHE"))
	key, signers := newKey(t)
	usual := []string{modules, "GOCACHE=" + cache, "HOME=" + t.TempDir(), "REGSHAPE_SIGNING_KEY=" + key}
	makeRelease(t, first, "umask 022", usual)
	makeRelease(t, second, "umask 077", []string{
		modules, "GOCACHE=" + t.TempDir(), "HOME=" + t.TempDir(), "TZ=Asia/Kathmandu", "LC_ALL=C",
		"GOFLAGS=-trimpath", "CGO_ENABLED=0", // what go run compiles, the release then finds in the cache
		"GOARM64=v9.0", "SOURCE_DATE_EPOCH=1", "REGSHAPE_SIGNING_KEY=",
	})
	dist := filepath.Join(first, "dist")

	t.Run("reproducible", func(t *testing.T) {
		list := read(t, filepath.Join(dist, sums))
		if again := read(t, filepath.Join(second, "dist", sums)); !bytes.Equal(list, again) {
			t.Errorf("two builds of one commit:\n%s%s", list, again)
		}
		for _, ending := range []string{".cdx.json", ".deb", ".rpm", ".tar.gz"} {
			if !strings.Contains(string(list), "  regshape_1.2.3_linux_amd64"+ending+"\n") {
				t.Errorf("no %s in\n%s", ending, list)
			}
		}
		program, err := os.Stat(filepath.Join(second, "dist/bin/linux_amd64/regshape"))
		if err != nil {
			t.Fatal(err)
		}
		if program.Mode() != 0o755 {
			t.Errorf("built under another umask: %v", program.Mode())
		}
		if out := must(t, "sh", "-c", `cd "$1" && sha256sum --check --strict SHA256SUMS`, "sh", dist); strings.Count(out, ": OK\n") != 4 {
			t.Errorf("sha256sum: %s", out)
		}
	})
	t.Run("signature", func(t *testing.T) {
		if err := verify(t, dist, signers, namespace); err != nil {
			t.Errorf("verify: %v", err)
		}
		if _, err := os.Stat(filepath.Join(second, "dist", sums+".sig")); err == nil {
			t.Error("signed without a key")
		}
	})
	t.Run("program", func(t *testing.T) { testProgram(t, first) })
	t.Run("archive", func(t *testing.T) {
		list := listTar(t, read(t, filepath.Join(dist, "regshape_1.2.3_linux_amd64.tar.gz")), when)
		wantLines(t, list, "regshape_1.2.3_linux_amd64/", []string{
			"-rwxr-xr-x 0/0 regshape", "Lrwxrwxrwx 0/0 docker-credential-regshape -> regshape", "Lrwxrwxrwx 0/0 regshape-credential-provider -> regshape",
			"-rw-r--r-- 0/0 LICENSE", "-rw-r--r-- 0/0 LICENSES-THIRD-PARTY", "-rw-r--r-- 0/0 README.md", "-rw-r--r-- 0/0 CHANGELOG.md",
			"-rw-r--r-- 0/0 SECURITY.md", "-rw-r--r-- 0/0 login/README.md", "-rw-r--r-- 0/0 store/README.md", "-rw-r--r-- 0/0 store/keys/README.md", "-rw-r--r-- 0/0 scripts/e2e/README.md",
			"-rw-r--r-- 0/0 man/regshape.1", "-rw-r--r-- 0/0 man/docker-credential-regshape.1", "-rw-r--r-- 0/0 man/regshape-credential-provider.1", "-rw-r--r-- 0/0 man/regshape-auth-login.1",
			"-rw-r--r-- 0/0 completions/regshape.bash", "-rw-r--r-- 0/0 completions/_regshape", "-rw-r--r-- 0/0 completions/regshape.fish",
		})
	})
	t.Run("bill", func(t *testing.T) { testBill(t, dist) })
	t.Run("deb", func(t *testing.T) { testDeb(t, filepath.Join(dist, "regshape_1.2.3_linux_amd64.deb")) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, filepath.Join(dist, "regshape_1.2.3_linux_amd64.rpm")) })
	t.Run("image", func(t *testing.T) { testImage(t, first) })
	t.Run("installed", func(t *testing.T) { testInstalled(t, dist) })
	t.Run("upgraded", func(t *testing.T) { testUpgrade(t, dist, usual) })
}

// newCopy makes dir/src a commit of what this checkout holds, without what git ignores.
func newCopy(t *testing.T, dir string) string {
	t.Helper()
	dir = filepath.Join(dir, "src")
	for name := range strings.SplitSeq(must(t, "git", "-C", "../..", "ls-files", "-co", "--exclude-standard", "-z"), "\x00") {
		from := filepath.Join("../..", name)
		info, err := os.Lstat(from)
		if name == "" || os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if info.Mode()&os.ModeSymlink != 0 {
			link, err := os.Readlink(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(link, to); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(to, read(t, from), info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	commitAll(t, dir, "v1.2.3")
	ignoreBuilt(t, dir)
	return dir
}

// ignoreBuilt has git overlook what make and the release write.
func ignoreBuilt(t *testing.T, dir string) {
	t.Helper()
	write(t, filepath.Join(dir, ".git/info/exclude"), "/dist\n/bin\n")
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// makeRelease runs the command in a copy, as `make release` does.
func makeRelease(t *testing.T, src, umask string, env []string) {
	t.Helper()
	out, err := try(t, env, "sh", "-c", umask+` && cd "$1" && go run ./scripts/release -only linux/amd64`, "sh", src)
	if err != nil {
		t.Fatalf("release: %v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// wantLines sees that a listing has each line, whatever stands between.
func wantLines(t *testing.T, list, cut string, want []string) {
	t.Helper()
	list = "\n" + strings.ReplaceAll(list, cut, "")
	for _, line := range want {
		if !strings.Contains(list, "\n"+line+"\n") {
			t.Errorf("no %q in\n%s", line, list)
		}
	}
}

// testProgram sees that the program is the one of `make build`, whole, static and stripped.
func testProgram(t *testing.T, src string) {
	program := filepath.Join(src, "dist/bin/linux_amd64/regshape")
	if out := must(t, program, "version"); !strings.HasPrefix(out, "regshape v1.2.3 (commit ") || !strings.Contains(out, "2026-01-02T03:04:05Z") {
		t.Errorf("version: %s", out)
	}
	if out := must(t, filepath.Join(filepath.Dir(program), helper), "version"); !strings.Contains(out, "v1.2.3") {
		t.Errorf("version of the second name: %s", out)
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if libraries, _ := f.ImportedLibraries(); len(libraries) > 0 || f.Section(".interp") != nil {
		t.Errorf("not static: %v", libraries)
	}
	if f.Section(".symtab") != nil || f.Section(".debug_info") != nil {
		t.Error("not stripped")
	}
	if runtime.GOARCH == "amd64" {
		must(t, "make", "-C", src, "build")
		if !bytes.Equal(read(t, program), read(t, filepath.Join(src, "bin/regshape"))) {
			t.Error("`make build` makes another program of the same commit")
		}
	}
}

func testBill(t *testing.T, dist string) {
	data := read(t, filepath.Join(dist, "regshape_1.2.3_linux_amd64.cdx.json"))
	var b cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(data), cdx.BOMFileFormatJSON).Decode(&b); err != nil {
		t.Fatal(err)
	}
	// Either would differ each time.
	if b.SerialNumber != "" || b.Metadata.Timestamp != "" {
		t.Errorf("serial number %q, timestamp %q", b.SerialNumber, b.Metadata.Timestamp)
	}
	if b.Metadata.Component.Version != "1.2.3" || !strings.HasPrefix(must(t, "sha256sum", filepath.Join(dist, "bin/linux_amd64/regshape")), (*b.Metadata.Component.Hashes)[0].Value+" ") {
		t.Errorf("not this program: %+v", b.Metadata)
	}
	// Another reader of the same program: every module that go version finds, and no more.
	listed := must(t, "go", "version", "-m", filepath.Join(dist, "bin/linux_amd64/regshape"))
	want := map[string]bool{"pkg:golang/std@" + strings.Fields(listed)[1][len("go"):]: true}
	for line := range strings.Lines(listed) {
		if f := strings.Fields(line); len(f) == 4 && f[0] == "dep" {
			want["pkg:golang/"+f[1]+"@"+f[2]] = true
		}
	}
	for _, c := range *b.Components {
		if !want[c.PackageURL] {
			t.Errorf("%s is not in the program", c.PackageURL)
		}
		delete(want, c.PackageURL)
	}
	if len(want) > 0 || len(*b.Components) < 5 {
		t.Errorf("%d components, not listed: %v", len(*b.Components), want)
	}
}
