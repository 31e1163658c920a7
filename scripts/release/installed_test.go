//go:build release

package main

import (
	"bufio"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
)

// enter makes this machine's system into one of its own, in a mount namespace: an overlay
// takes what is written, homes and temporary directories are empty, and regshape is not there.
// It is pivoted into, since in a chroot podman could not make its user namespace.
const enter = `set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
for dir in proc sys dev; do mount --rbind "/$dir" "$dir"; done
for dir in root home tmp run var/tmp; do mount -t tmpfs none "$dir"; done
chmod 1777 tmp var/tmp
rm -f usr/local/bin/*regshape* usr/bin/*regshape*
mkdir tmp/old
pivot_root . tmp/old
umount -l /tmp/old
rmdir /tmp/old
echo entered
exec cat`

// machine is such a system.
type machine struct {
	t    *testing.T
	pid  string
	root string // its files as seen from outside
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("mounts and users of its own need Linux and root")
	}
	for _, name := range []string{"unshare", "nsenter", "pivot_root", "useradd", "su", "dpkg", "man", "podman", "skopeo", "docker"} {
		tool(t, name)
	}
	cmd := testenv.Command(testenv.Environ(t.TempDir()), "unshare", "--mount", "--propagation", "private", "sh", "-c", enter, "sh", t.TempDir())
	hold, err := cmd.StdinPipe() // cat, and with it the namespace, ends when this closes
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	t.Cleanup(func() {
		hold.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the namespace: %v: %s", err, complaint.String())
		}
	})
	if line != "entered\n" {
		t.Fatalf("no namespace: %s", complaint.String())
	}
	pid := strconv.Itoa(cmd.Process.Pid)
	return &machine{t: t, pid: pid, root: filepath.Join("/proc", pid, "root")}
}

// as runs a line of shell as root, or as a user after a login of hers.
func (m *machine) as(user, line string) (string, error) {
	m.t.Helper()
	args := []string{"--target", m.pid, "--mount", "--root", "--wd"}
	if user == "root" {
		args = append(args, "sh", "-c", line)
	} else {
		args = append(args, "su", "-", user, "-c", line)
	}
	return try(m.t, []string{"DEBIAN_FRONTEND=noninteractive"}, "nsenter", args...)
}

// ok runs a line that must succeed, and say each of the words.
func (m *machine) ok(user, line string, words ...string) string {
	m.t.Helper()
	out, err := m.as(user, line)
	if err != nil {
		m.t.Fatalf("%s: %s: %v\n%s", user, line, err, out)
	}
	for _, word := range words {
		if !strings.Contains(out, word) {
			m.t.Errorf("%s: %s: no %q in\n%s", user, line, word, out)
		}
	}
	return out
}

// fails runs a line that must fail, and say why.
func (m *machine) fails(user, line, why string) {
	m.t.Helper()
	if out, err := m.as(user, line); err == nil || !strings.Contains(out, why) {
		m.t.Errorf("%s: %s: want a failure that says %q: %v\n%s", user, line, why, err, out)
	}
}

// testInstalled is the package's life on a machine: install, use, upgrade, remove, purge.
func testInstalled(t *testing.T, dist string) {
	m := newMachine(t)
	registry := testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: map[string]string{"carol": "a pass phrase"}})
	if _, err := registry.Seed("team/app", "latest"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry)
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	m.ok("root", "useradd --create-home --shell /bin/bash carol")
	deb := read(t, filepath.Join(dist, "regshape_1.2.3_linux_amd64.deb"))
	if err := os.WriteFile(filepath.Join(m.root, "tmp/regshape.deb"), deb, 0o644); err != nil {
		t.Fatal(err)
	}
	m.fails("carol", "regshape version", "not found")

	if out := m.ok("root", "dpkg -i /tmp/regshape.deb", "regshape auth setup"); strings.Count(out, "regshape: ") != 1 {
		t.Errorf("a first install says one line:\n%s", out)
	}
	m.ok("carol", "regshape version && docker-credential-regshape version", "v1.2.3")
	m.ok("root", "export HOME=/root && regshape auth setup --kubelet --bin-dir /usr/bin --config /tmp/providers.json && regshape auth doctor --kubelet && regshape auth setup --undo")
	m.ok("root", "! test -e /tmp/providers.json && test -h /usr/bin/"+provider)
	m.ok("carol", "man -w regshape docker-credential-regshape regshape-credential-provider regshape-auth-login", "/usr/share/man/man1/regshape.1.gz")
	m.ok("carol", "MANPAGER=cat man regshape", "log in to container registries once")
	m.ok("carol", `bash -c 'source /usr/share/bash-completion/bash_completion; _completion_loader regshape; complete -p regshape'`, "regshape")
	m.ok("root", "dpkg --verify regshape && dpkg --audit")

	// Without a login nobody gets the image.
	clients := []string{
		"podman pull --tls-verify=false " + host + "/team/app",
		"docker manifest inspect --insecure " + host + "/team/app",
		"skopeo inspect --tls-verify=false docker://" + host + "/team/app",
	}
	m.ok("carol", "regshape auth setup")
	for _, line := range clients {
		m.fails("carol", line, "")
	}
	m.ok("carol", "printf %s 'a pass phrase' | regshape auth login "+host+" -u carol --password-stdin", "Login Succeeded")
	for _, line := range clients {
		m.ok("carol", line)
	}
	m.ok("carol", "printf %s 'a pass phrase' | podman login --tls-verify=false -u carol --password-stdin "+host, "Login Succeeded")
	m.ok("carol", "podman login --get-login "+host, "carol")
	m.ok("carol", "docker-credential-regshape list", `"carol"`)

	if out := m.ok("root", "dpkg -i /tmp/regshape.deb"); strings.Contains(out, "regshape: ") || strings.Contains(out, "auth setup") {
		t.Errorf("an upgrade has nothing to say:\n%s", out)
	}
	m.ok("carol", clients[1])

	// What the words at removal name is what setup has written, and mends both tools.
	m.ok("carol", `grep '"credsStore": *"regshape"' .docker/config.json && ls .config/containers/registries.conf.d/50-regshape.conf`)
	m.ok("root", "dpkg -r regshape", "regshape auth setup --undo", `"credsStore": "regshape"`, "~/.docker/config.json",
		"~/.config/containers/registries.conf.d/50-regshape.conf")
	m.fails("carol", clients[0], helper)
	m.fails("carol", clients[1], "no basic auth credentials") // docker itself names no helper
	m.ok("carol", `mv .docker/config.json .docker/set-up && sed 's/"credsStore": *"regshape"//' .docker/set-up > .docker/config.json &&
		mv .config/containers/registries.conf.d/50-regshape.conf drop-in`)
	if out, err := m.as("carol", clients[0]); err == nil || strings.Contains(out, helper) {
		t.Errorf("mended by hand, %s: %v\n%s", clients[0], err, out)
	}
	purged := m.ok("root", "dpkg -P regshape", "logins and keys are left")
	for _, dir := range []string{".local/share/regshape", ".local/state/regshape", ".config/regshape"} {
		m.ok("carol", `test -n "$(find `+dir+` -type f)"`)
		if !strings.Contains(purged, "~/"+dir) {
			t.Errorf("purge does not name ~/%s:\n%s", dir, purged)
		}
	}
	m.fails("root", "test -e /usr/bin/regshape || test -h /usr/bin/"+helper+" || test -e /usr/share/doc/regshape || dpkg -s regshape", "not installed")

	// A change of mind finds everything as it was.
	m.ok("root", "dpkg -i /tmp/regshape.deb", "regshape auth setup")
	m.ok("carol", "mv .docker/set-up .docker/config.json && "+clients[1])
	m.ok("carol", "regshape auth list", host)
}
