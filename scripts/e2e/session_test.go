//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/page"
	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
	"regshape/scripts/testterminal"
)

// sessions are what the README shows of a terminal, in their order, under the marks of
// their places. A prompt is answered with the password.
var sessions = []struct {
	mark  string
	lines []string
}{
	{"setup", []string{"regshape auth setup"}},
	{"session", []string{
		"regshape auth login registry.example.com -u alice",
		"docker pull --quiet registry.example.com/team/app",
		"podman pull --quiet registry.example.com/team/app",
		"regshape auth status",
		"cat ~/.docker/config.json",
	}},
}

// The sessions of the README are what these lines show in a new home, word for word.
func TestSession(t *testing.T) {
	if !inside() {
		if os.Geteuid() != 0 {
			t.Skip("needs root, for namespaces of its own")
		}
		if err := reexec(t, "^TestSession$"); err != nil {
			t.Fatal(err)
		}
		return
	}
	const password = "canary-of-the-session"
	env := sessionPlace(t, password)
	for _, s := range sessions {
		var shown strings.Builder
		shown.WriteString("```console\n")
		for _, line := range s.lines {
			fmt.Fprintf(&shown, "$ %s\n%s", line, atTerminal(t, env, line, password))
		}
		shown.WriteString("```")
		if strings.Contains(shown.String(), password) {
			t.Errorf("%s shows the password", s.mark)
		}
		const readme = "../../README.md"
		if page.Writing() {
			if err := page.Write(readme, s.mark, shown.String()); err != nil {
				t.Fatal(err)
			}
		}
		if err := page.Check(readme, s.mark, shown.String()); err != nil {
			t.Errorf("%v (REGSHAPE_WRITE=1 writes it):\n%s", err, shown.String())
		}
	}
}

// sessionPlace makes alice's home, a registry that has her image, and an engine; it
// returns the environment of her programs.
func sessionPlace(t *testing.T, password string) []string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	mount := func(args ...string) {
		t.Helper()
		if out, err := testenv.Command(testenv.Environ(t.TempDir()), "mount", args...).CombinedOutput(); err != nil {
			t.Fatalf("mount %q: %v: %s", args, err, out)
		}
	}
	work, err := os.MkdirTemp("", "s-")
	must(err)
	const home = "/home/alice"
	mount("-t", "tmpfs", "none", "/home")
	must(os.Mkdir(home, 0o700))

	authority, err := testregistry.NewAuthority()
	must(err)
	own := filepath.Join(work, "authorities.pem")
	must(os.WriteFile(own, authority.CertPEM(), 0o644))
	mount("--bind", own, authorities)
	registry := testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: map[string]string{"alice": password}})
	_, err = registry.Seed("team/app", "latest")
	must(err)
	_, err = serveTLS(authority, sessionAddress, http.Handler(registry), sessionName)
	must(err)

	dockerd, err := startEngine(filepath.Join(work, "engine"))
	must(err)
	t.Cleanup(func() {
		if err := dockerd.stop(); err != nil {
			t.Error(err)
		}
	})
	storage := filepath.Join(work, "storage.conf")
	must(os.WriteFile(storage, fmt.Appendf(nil, "[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", work+"/images", work+"/run"), 0o644))
	// Podman 4 looks for the network of an older podman first, and warns where Debian left half of one.
	containers := filepath.Join(work, "containers.conf")
	must(os.WriteFile(containers, []byte("[network]\nnetwork_backend = \"netavark\"\n"), 0o644))
	return []string{
		"PATH=" + binDir + ":" + filepath.Dir(debianDocker) + ":" + os.Getenv("PATH"), "HOME=" + home, "TERM=xterm", "LANG=C.UTF-8",
		"DOCKER_HOST=unix://" + dockerd.socket, "CONTAINERS_STORAGE_CONF=" + storage, "CONTAINERS_CONF=" + containers,
	}
}

// atTerminal runs a line as a shell at a terminal does, and returns what is shown.
func atTerminal(t *testing.T, env []string, line, password string) string {
	t.Helper()
	term := testterminal.Start(t, env, "sh", "-c", "cd && "+line)
	if strings.Contains(line, " login ") {
		term.Await("Password for ")
		term.AwaitEcho(false)
		term.Input(password + "\n")
	}
	if code := term.ExitCode(); code != 0 {
		t.Fatalf("%s: exit code %d:\n%s", line, code, term.Text())
	}
	var out strings.Builder
	for shown := range strings.Lines(term.Text()) {
		shown = strings.TrimRight(shown, " \r\n")
		// What a line began with and was written over, such as progress, is not seen any more.
		out.WriteString(shown[strings.LastIndexByte(shown, '\r')+1:] + "\n")
	}
	return out.String()
}

// The README's first command, as printed, in a fresh home. Go's caches are kept, so that
// the test needs no network.
func TestReadmeDemo(t *testing.T) {
	home := t.TempDir()
	cmd := testenv.Command(testenv.Environ(home, append(testenv.GoSettings(), "TMPDIR="+os.TempDir())...), "make", "demo")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for _, want := range []string{"Login Succeeded", "\nDone: one login served docker, podman, skopeo;"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
	for _, name := range []string{"regshape", "docker-credential-regshape"} {
		if _, err := os.Stat(filepath.Join(home, ".local", "bin", name)); err != nil {
			t.Error(err)
		}
	}
}
