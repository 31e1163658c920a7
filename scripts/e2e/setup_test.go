//go:build e2e

package e2e

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plainHome is a home in which nothing knows regshape yet.
func plainHome(t *testing.T) *home {
	t.Helper()
	h := newHome(t)
	conf, err := os.ReadFile(filepath.Join(h.dir, registriesConf))
	h.must(err)
	h.write(registriesConf, strings.TrimPrefix(string(conf), helperLine))
	h.must(os.RemoveAll(filepath.Join(h.dir, ".docker")))
	// Without any login there, docker takes pass for its store where that is installed.
	h.write(".docker/config.json", `{"auths": {"unrelated.example": {}}}`)
	return h
}

// plainLogins logs in to one registry with docker and to another with podman: both leave
// the password in a file, unencrypted.
func (h *home) plainLogins(byDocker, byPodman *registry) {
	h.t.Helper()
	h.dockerLogin(byDocker).ok("Login Succeeded")
	flags := append(h.podmanFlags(), "login", "-u", byPodman.user, "--password-stdin", byPodman.host)
	h.runIn(byPodman.password, "podman", flags...).ok("Login Succeeded")
	if n := len(h.plaintext()); n != 2 {
		h.t.Fatalf("%d logins in plaintext, want docker's and podman's", n)
	}
}

// plaintext lists the logins that stand unencrypted in JSON files below the home. Docker
// keeps an identity token beside an empty password; it is watched for leaks, too.
func (h *home) plaintext() []string {
	h.t.Helper()
	var found []string
	for name, content := range h.files() {
		var file struct {
			Auths map[string]struct{ Auth, IdentityToken string }
		}
		if !strings.HasSuffix(name, ".json") || json.Unmarshal([]byte(content), &file) != nil {
			continue
		}
		for address, entry := range file.Auths {
			if entry.Auth != "" {
				found = append(found, address+" in "+name)
			}
			if entry.IdentityToken != "" {
				h.secrets = append(h.secrets, entry.IdentityToken)
			}
		}
	}
	return found
}

// files are the files below the home with their contents, but for what is the tools' own:
// images, and regshape's store and record.
func (h *home) files() map[string]string {
	h.t.Helper()
	files := map[string]string{}
	h.must(filepath.WalkDir(h.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(h.dir, path)
		if err != nil {
			return err
		}
		switch name {
		case "podman", "podman-run", "podman-tmp", "tmp", ".local", ".config/regshape", ".cache":
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		files[name] = string(data)
		return err
	}))
	return files
}

// sameFiles fails the test unless the files are what they were.
func (h *home) sameFiles(before map[string]string) {
	h.t.Helper()
	after := h.files()
	if maps.Equal(before, after) {
		return
	}
	for name := range before {
		if before[name] != after[name] {
			h.t.Errorf("%s is another one", name)
		}
	}
	h.t.Errorf("%d files, before %d", len(after), len(before))
}

// buildah pulls the private image by name, with storage of its own.
func (h *home) buildah(r *registry) result {
	h.t.Helper()
	return h.run("buildah", "--root", filepath.Join(h.dir, "podman"), "--runroot", filepath.Join(h.dir, "podman-run"),
		"--storage-driver", "vfs", "pull", "--quiet", r.ref())
}

// Setup and import move plaintext logins of docker and podman into the store, where all
// tools find them, and no file holds one any more.
func TestSetupAndImport(t *testing.T) {
	for i, r := range registries {
		t.Run(r.name, func(t *testing.T) {
			setupAndImport(t, r, registries[(i+1)%3], registries[(i+2)%3])
		})
	}
}

func setupAndImport(t *testing.T, byDocker, byPodman, neither *registry) {
	h := plainHome(t)
	h.plainLogins(byDocker, byPodman)

	h.run("regshape", "auth", "setup").ok(byDocker.host, byPodman.host, "Setup done").quiet()
	h.run("regshape", "auth", "import", "--remove").ok().quiet()
	if left := h.plaintext(); len(left) > 0 {
		t.Errorf("still in plaintext: %v", left)
	}
	for _, r := range []*registry{byDocker, byPodman} {
		h.allSee(r)
		h.buildah(r).ok().quiet()
	}
	h.run("skopeo", "inspect", "docker://"+neither.ref()).refused().quiet()

	// From now on the tools' own logins go there, too.
	flags := append(h.podmanFlags(), "login", "-u", neither.user, "--password-stdin", neither.host)
	h.runIn(neither.password, "podman", flags...).ok("Login Succeeded").quiet()
	h.allSee(neither)
	h.dockerLogin(byDocker).ok("Login Succeeded").quiet()
	if left := h.plaintext(); len(left) > 0 {
		t.Errorf("in plaintext after new logins: %v", left)
	}
}

// Setup and its undoing leave all files as they were, and the tools with their logins.
func TestSetupUndo(t *testing.T) {
	h := plainHome(t)
	byDocker, byPodman := registries[0], registries[1]
	h.plainLogins(byDocker, byPodman)
	before := h.files()

	h.run("regshape", "auth", "setup").ok("Setup done").quiet()
	h.allSee(byDocker)
	h.allSee(byPodman)
	h.run("regshape", "auth", "setup", "--undo").ok().quiet()
	h.sameFiles(before)
	h.run("docker", "manifest", "inspect", "--insecure", byDocker.ref()).ok().quiet()
	h.run("skopeo", "inspect", "docker://"+byPodman.ref()).ok().quiet()

	// The passwords stand in these two files again, as the tools wrote them.
	h.must(os.RemoveAll(filepath.Join(h.dir, ".docker")))
	h.must(os.RemoveAll(filepath.Join(h.dir, "run", "containers")))
}
