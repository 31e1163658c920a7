package acceptance

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
)

// commandDocuments are those whose commands run, in the order in which a new user reads them.
var commandDocuments = []string{"README.md", "login/README.md", "store/keys/README.md", "store/README.md"}

// commandBlocks returns the contents of the shell blocks of a document.
func commandBlocks(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// Every command block of the README and what it leads to runs, in their order, in one clean
// home. Blocks with make are left to make: the demo to the end-to-end tests, the tests to
// whoever runs this.
func TestReadme_commands(t *testing.T) {
	t.Parallel()
	const secret = "canary-readme"
	server := httptest.NewServer(testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: map[string]string{"alice": secret}}))
	defer server.Close()
	home := t.TempDir()
	for _, dir := range []string{".local/bin", ".docker", ".config/containers"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	helper, err := exec.LookPath("docker-credential-regshape")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(helper, filepath.Join(home, ".local", "bin", "docker-credential-regshape")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "passphrase"), []byte("a canary of a passphrase\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The makers of secrets that the documents name, and ways to other machines.
	lent := "while [ $1 != regshape ]; do shift; done\nset -- " + server.Listener.Addr().String() + "/team \"$@\"\n" + lentOnce
	for name, does := range map[string]string{
		"pass": "echo " + secret, "docker-credential-ecr-login": `echo '{"ServerURL":"x","Username":"AWS","Secret":"x"}'`,
		"ssh": lent, "docker": lent,
	} {
		if err := os.WriteFile(filepath.Join(home, ".local", "bin", name), []byte("#!/bin/sh\n"+does+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	path := "PATH=" + filepath.Join(home, ".local", "bin") + ":" + os.Getenv("PATH")
	var made []string
	run := 0
	var blocks []string
	for _, name := range commandDocuments {
		blocks = append(blocks, commandBlocks(t, name)...)
	}
	for _, block := range blocks {
		if target, isMake := strings.CutPrefix(strings.TrimSpace(block), "make "); isMake {
			made = append(made, target)
			continue
		}
		run++
		if _, err := exec.LookPath("age"); err != nil && os.Getenv("CI") == "" && strings.Contains(block, "recovery.txt") {
			t.Logf("age is not installed, so this was not run:\n%s", block)
			continue
		}
		if os.Geteuid() != 0 && strings.Contains(block, "--kubelet") {
			t.Logf("this is for root, so it was not run:\n%s", block)
			continue
		}
		block = strings.NewReplacer("registry.example.com", server.Listener.Addr().String(), "/usr/local/libexec", home, "/etc/kubernetes", home).Replace(block)
		cmd := testenv.Command(testenv.Environ(home, "TOKEN="+secret, path), "bash", "-euo", "pipefail", "-c", block)
		// The tools need not be installed: their directories are enough for setup to see them.
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s\n%s", err, block, out)
		}
	}
	if run < 12 || !slices.Equal(made, []string{"demo", "test"}) {
		t.Errorf("%d blocks were run and %v left to make; the README should begin with demo and test", run, made)
	}
	for path, want := range map[string]string{
		".docker/config.json": `"credsStore": "regshape"`,
		".config/containers/registries.conf.d/50-regshape.conf": `credential-helpers = ["regshape", "containers-auth.json"]`,
		".config/regshape/profiles/work/config":                 `"key"`,
	} {
		if got, err := os.ReadFile(filepath.Join(home, path)); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s holds %q (%v), want %q", path, got, err, want)
		}
	}
}
