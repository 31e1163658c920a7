//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
)

// Setup takes over from Docker Desktop's helper, whether it can be started or not.
func TestExampleWSL(t *testing.T) {
	setup := recipe(t, "WSL", "bash")[0]
	const config = `{"credsStore": "desktop.exe"}`
	t.Run("no Windows", func(t *testing.T) {
		h, r := example(t)
		h.write(".docker/config.json", config)
		tools[0].look(h, r).refused().quiet()
		h.script(r, setup).refused("docker-credential-desktop.exe is not on PATH", "nothing was changed", "add --keep").quiet()
		if got := h.files()[".docker/config.json"]; got != config {
			t.Errorf("the refusal left %q", got)
		}
		h.script(r, "regshape auth setup --keep").ok("Setup done").quiet()
		h.login(r, r.password).ok("Login Succeeded").quiet()
		tools[0].look(h, r).ok().quiet()
	})
	t.Run("Windows", func(t *testing.T) {
		h, r := example(t)
		h.write(".docker/config.json", config)
		h.program("docker-credential-desktop.exe", `#!/bin/sh
case $1 in
list) printf '{"%s":"alice"}\n' "$DESKTOP_HOST" ;;
get) printf '{"ServerURL":"%s","Username":"alice","Secret":"%s"}\n' "$DESKTOP_HOST" "$DESKTOP_SECRET" ;;
*) exit 1 ;;
esac
`)
		h.env = append(h.env, "DESKTOP_HOST="+r.host, "DESKTOP_SECRET="+r.password)
		h.script(r, setup).ok("Imported "+r.host, "No problems found").quiet()
		h.must(os.Remove(filepath.Join(h.dir, "bin", "docker-credential-desktop.exe")))
		h.allSee(r)
		// Docker Desktop starts again.
		h.write(".docker/config.json", config)
		h.script(r, "regshape auth doctor").refused("docker-credential-desktop.exe", "regshape auth setup").quiet()
	})
}

// staticBuild builds regshape as make does, for an image in which there is nothing else.
func staticBuild(t *testing.T, dir string) {
	t.Helper()
	build := testenv.Command(testenv.Go("CGO_ENABLED=0"), "go", "build", "-o", dir+"/", "regshape")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
}

// nobody is the user that plays the service's: Debian's "nobody".
const nobody = 65534

// A service reads the key from where systemd puts it, and runs as a user of its own. There
// is no systemd to start it here: the test does what the unit says, line by line.
func TestExampleSystemd(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: the service is another user")
	}
	h, r := example(t)
	// Nobody may enter the home.
	top, err := os.MkdirTemp("", "unit-")
	h.must(err)
	t.Cleanup(func() { h.must(os.RemoveAll(top)) })
	in := func(names ...string) string { return filepath.Join(append([]string{top}, names...)...) }
	for _, dir := range []string{top, in("bin"), in("home"), in("home", ".config"), in("home", ".config", "containers")} {
		h.must(os.MkdirAll(dir, 0o755))
		h.must(os.Chmod(dir, 0o755))
	}
	h.must(os.Mkdir(in("credentials"), 0o700))
	install := func(from, to string, mode os.FileMode) {
		t.Helper()
		data, err := os.ReadFile(from)
		h.must(err)
		h.must(os.WriteFile(to, data, mode))
	}
	install(filepath.Join(binDir, "regshape"), in("bin", "regshape"), 0o755)
	h.must(os.Symlink("regshape", in("bin", "docker-credential-regshape")))
	for _, name := range []string{"policy.json", "registries.conf"} {
		install(filepath.Join(h.dir, ".config", "containers", name), in("home", ".config", "containers", name), 0o644)
	}
	here := strings.NewReplacer("/etc/app", in("etc"), "/var/lib/app", in("var"), "chown -R app:", "chown -R nobody:", exampleHost, r.host)

	h.script(r, here.Replace(recipe(t, "systemd services", "bash")[0]), "REGSHAPE_PASSWORD="+r.password).ok("Login Succeeded", in("var", "regshape")).quiet()
	h.sealed(in("var"), r.password)

	unit := recipe(t, "systemd services", "ini")[0]
	verifyUnit(t, in("app.service"), unit)
	command := testenv.Command([]string{"PATH=" + in("bin") + ":/usr/bin:/bin", "HOME=" + in("home"), "TMPDIR=" + in("var")}, "false")
	for _, line := range strings.Split(here.Replace(unit), "\n") {
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "LoadCredential":
			name, file, _ := strings.Cut(value, ":")
			install(file, in("credentials", name), 0o400)
		case "Environment":
			command.Env = append(command.Env, strings.ReplaceAll(value, "%d", in("credentials")))
		case "ExecStart":
			words := strings.Fields(value)
			command.Path, command.Args = words[0], words
		}
	}
	h.must(os.RemoveAll(in("etc"))) // root's; the service has its own copy
	for _, path := range []string{in("credentials"), in("credentials", "regshape-key")} {
		h.must(os.Chown(path, nobody, nobody))
	}
	command.Dir = in("var")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("the service: %v\n%s", err, out)
	}
	if _, err := os.Stat(in("var", "image", "index.json")); err != nil {
		t.Errorf("the service has copied nothing: %v", err)
	}

	// What the folder of the state is worth without the key.
	command = testenv.Command([]string{"REGSHAPE_STORE=" + in("var", "regshape")}, in("bin", "docker-credential-regshape"), "get")
	command.Stdin = strings.NewReader(r.host)
	if out, err := command.CombinedOutput(); err == nil || strings.Contains(string(out), r.password) {
		t.Error("the store opens without the key")
	}
}

// sealed fails the test when a file below a folder holds a secret.
func (h *home) sealed(dir string, secrets ...string) {
	h.t.Helper()
	files, found, err := canary.Tree(dir, secrets...)
	if err != nil || files == 0 || len(found) > 0 {
		h.t.Errorf("of %d files in %s hold a secret: %v, %v", files, dir, found, err)
	}
}

// verifyUnit lets systemd itself read the unit, where Debian's tool for it is installed.
func verifyUnit(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not installed: the unit is read by this test alone")
		return
	}
	// It exits with 0 for a line that it does not know, and speaks of other units, too.
	out, err := testenv.Command(testenv.Environ(t.TempDir()), tool, "verify", "--man=no", path).CombinedOutput()
	if err != nil || strings.Contains(string(out), filepath.Base(path)) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
