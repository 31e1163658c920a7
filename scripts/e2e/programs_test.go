//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"regshape/scripts/testenv"
)

// systemPath is where Debian puts programs. Whatever else a machine has is not used.
const systemPath = "/usr/sbin:/usr/bin:/sbin:/bin"

// fromDebian are the programs of Debian's own that have a newer sister in clientsDir.
const (
	debianDocker  = "/usr/bin/docker"
	debianPodman  = "/usr/bin/podman"
	debianBuildah = "/usr/bin/buildah"
)

// clientsDir has the programs that install.sh builds, by their names in clients/programs.
var clientsDir string

// useOnly leaves the machine's own programs out of PATH, but for go, and reports what
// install.sh has not installed.
func useOnly() error {
	goProgram, err := exec.LookPath("go")
	if err != nil {
		return err
	}
	if err := os.Setenv("PATH", systemPath+":"+filepath.Dir(goProgram)); err != nil {
		return err
	}
	if clientsDir, err = filepath.Abs(filepath.Join("..", "..", "bin", "clients")); err != nil {
		return err
	}
	versions, err := pinned()
	if err != nil {
		return err
	}
	need := []string{debianDocker, debianPodman, debianBuildah, "skopeo", "docker-registry", "htpasswd", "sshd", "ssh"}
	for name, p := range versions {
		if !p.long {
			need = append(need, filepath.Join(clientsDir, name))
		}
	}
	for _, program := range need {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w; run scripts/e2e/install.sh", err)
		}
	}
	return nil
}

// pin is a line of clients/programs.
type pin struct {
	version string
	long    bool // takes minutes to build, and so may not be there
}

// pinned reads clients/programs.
var pinned = sync.OnceValues(func() (map[string]pin, error) {
	data, err := os.ReadFile(filepath.Join("clients", "programs"))
	if err != nil {
		return nil, err
	}
	pins := map[string]pin{}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) < 4 || words[0] == "#" {
			continue
		}
		version := strings.TrimSuffix(strings.TrimPrefix(words[2], "v"), "+incompatible")
		pins[words[0]] = pin{version: version, long: strings.Contains(line, " long ")}
	}
	return pins, nil
})

// versionOf is the version of a program as the tables have it: what is pinned, or what a
// program of Debian's says of itself.
func versionOf(t testing.TB, program string) string {
	t.Helper()
	pins, err := pinned()
	if err != nil {
		t.Fatal(err)
	}
	if pin, ok := pins[program]; ok {
		return pin.version
	}
	said, err := testenv.Command(testenv.Environ(t.TempDir()), program, "--version").CombinedOutput()
	version := regexp.MustCompile(`\d+\.\d+\.\d+`).FindString(string(said))
	if err != nil || version == "" {
		t.Fatalf("%s --version: %v: %s", program, err, said)
	}
	return version + " (Debian)"
}
