//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// docker login stores through the helper (config.json's credsStore), and every
// other tool sees it.
func TestDockerLogin(t *testing.T) {
	each(t, func(h *home, r *registry) {
		h.dockerLogin(r).ok("Login Succeeded").quiet()
		user, secret := h.secretOf(r.host)
		if user == "<token>" {
			// docker asks a token server for an identity token, and stores that.
			if r.realm == nil || secret == r.password {
				h.t.Error("a token, where there is no token server")
			}
		} else if user != r.user || secret != r.password {
			h.t.Errorf("stored user %q, or another secret than the password", user)
		}
		h.t.Logf("docker stored user %q", user)
		h.run("regshape", "auth", "list").ok(r.host).quiet()
		h.allSee(r)

		// docker itself must have written no more than a marker.
		data, err := os.ReadFile(filepath.Join(h.dir, ".docker", "config.json"))
		h.must(err)
		var config struct {
			Auths      map[string]map[string]any `json:"auths"`
			CredsStore string                    `json:"credsStore"`
		}
		h.must(json.Unmarshal(data, &config))
		if config.CredsStore != "regshape" || len(config.Auths[r.host]) != 0 {
			h.t.Error("config.json holds more than a marker for the registry")
		}

		h.run("docker", "logout", r.host).ok().quiet()
		h.notFound(r.host)
		h.noneSees(r)
	})
}

// docker login with a wrong password stores nothing.
func TestDockerWrongPassword(t *testing.T) {
	each(t, func(h *home, r *registry) {
		h.runIn("wrong", "docker", "login", "-u", r.user, "--password-stdin", r.host).refused().quiet()
		h.stores(map[string]string{})
	})
}

// podman login, pull, push and logout, with registries.conf naming the helper.
func TestPodmanLogin(t *testing.T) {
	each(t, func(h *home, r *registry) {
		flags := h.podmanFlags()
		h.runIn(r.password, "podman", append(flags, "login", "-u", r.user, "--password-stdin", r.host)...).
			ok("Login Succeeded").quiet()
		h.stores(map[string]string{r.host: r.user})
		h.podman("login", "--get-login", r.host).ok(r.user).quiet()
		h.allSee(r)

		pushed := r.host + "/" + image + ":by-podman"
		h.podman("tag", r.ref(), pushed).ok()
		h.podman("push", "--quiet", pushed).ok().quiet()
		h.run("skopeo", "inspect", "docker://"+pushed).ok("by-podman")
		h.noAuthFile()

		h.podman("logout", r.host).ok().quiet()
		h.notFound(r.host)
		h.noneSees(r)
		h.podman("push", "--quiet", pushed).refused().quiet()
	})
}

// skopeo login, copy and logout, with auth.json's credHelpers naming the helper
// and registries.conf silent about it.
func TestSkopeoLogin(t *testing.T) {
	each(t, func(h *home, r *registry) {
		conf, err := os.ReadFile(filepath.Join(h.dir, registriesConf))
		h.must(err)
		h.write(registriesConf, string(conf[len(helperLine):]))
		marker, err := json.Marshal(map[string]any{"credHelpers": map[string]string{r.host: "regshape"}})
		h.must(err)
		h.write("run/containers/auth.json", string(marker))

		h.runIn(r.password, "skopeo", "login", "-u", r.user, "--password-stdin", r.host).ok("Login Succeeded").quiet()
		h.stores(map[string]string{r.host: r.user})
		h.allSee(r)

		pushed := r.host + "/" + image + ":by-skopeo"
		h.run("skopeo", "copy", "--quiet", "docker://"+r.ref(), "docker://"+pushed).ok().quiet()
		h.run("docker", "manifest", "inspect", "--insecure", pushed).ok("schemaVersion")
		h.podman("pull", "--quiet", pushed).ok().quiet()

		h.run("skopeo", "logout", r.host).ok().quiet()
		h.notFound(r.host)
		h.noneSees(r)
	})
}

// A login that regshape made is one that podman's and skopeo's logout removes.
func TestForeignLogout(t *testing.T) {
	each(t, func(h *home, r *registry) {
		for _, logout := range []func() result{
			func() result { return h.podman("logout", r.host) },
			func() result { return h.run("skopeo", "logout", r.host) },
			func() result { return h.run("docker", "logout", r.host) },
		} {
			h.login(r, r.password).ok("Login Succeeded")
			logout().ok().quiet()
			h.notFound(r.host)
		}
		h.noneSees(r)
	})
}

// noAuthFile fails the test when podman's own file holds more than markers.
func (h *home) noAuthFile() {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dir, "run", "containers", "auth.json"))
	if os.IsNotExist(err) {
		return
	}
	h.must(err)
	var file struct {
		Auths map[string]map[string]any `json:"auths"`
	}
	h.must(json.Unmarshal(data, &file))
	for address, entry := range file.Auths {
		if len(entry) != 0 {
			h.t.Errorf("auth.json holds a login for %s", address)
		}
	}
}
