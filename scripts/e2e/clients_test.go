//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"regshape/scripts/testregistry/canary"
)

// tool is a real client that can look at a private image.
type tool struct {
	name string
	look func(h *home, r *registry) result
}

// tools are asked one after another in every scenario. None of these commands
// carries a credential: what they use is what the helper gives them.
var tools = []tool{
	{"docker", func(h *home, r *registry) result {
		// --insecure is docker's word for plain http and for a CA it does not know.
		return h.run("docker", "manifest", "inspect", "--insecure", r.ref())
	}},
	{"skopeo", func(h *home, r *registry) result {
		return h.run("skopeo", "inspect", "docker://"+r.ref())
	}},
	{"podman", func(h *home, r *registry) result {
		return h.podman("pull", "--quiet", r.ref())
	}},
}

// podman runs podman with storage of its own below the home; vfs, as overlay
// does not mount everywhere.
func (h *home) podman(args ...string) result {
	h.t.Helper()
	return h.run("podman", append(h.podmanFlags(), args...)...)
}

func (h *home) podmanFlags() []string {
	return []string{
		"--root", filepath.Join(h.dir, "podman"), "--runroot", filepath.Join(h.dir, "podman-run"),
		"--tmpdir", filepath.Join(h.dir, "podman-tmp"),
		"--storage-driver", "vfs", "--events-backend", "file", "--cgroup-manager", "cgroupfs",
	}
}

// allSee fails the test unless every tool gets the private image.
func (h *home) allSee(r *registry) {
	h.t.Helper()
	for _, tool := range tools {
		tool.look(h, r).ok().quiet()
	}
}

// noneSees fails the test unless the registry refuses every tool: for want of
// credentials, and not because the tool cannot reach it.
func (h *home) noneSees(r *registry) {
	h.t.Helper()
	for _, tool := range tools {
		got := tool.look(h, r).refused().quiet()
		said := strings.ToLower(got.stdout + got.stderr)
		if !strings.Contains(said, "unauthorized") && !strings.Contains(said, "authentication required") &&
			!strings.Contains(said, "no basic auth credentials") {
			h.t.Fatalf("refused, but not for want of credentials:\n%s", got)
		}
	}
}

// each plays a scenario against each registry, in a clean home.
func each(t *testing.T, scenario func(h *home, r *registry)) {
	for _, r := range registries {
		t.Run(r.name, func(t *testing.T) {
			h := newHome(t)
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the registry's log ends:\n%s", canary.Redact(r.logTail(), h.secrets...))
				}
			})
			scenario(h, r)
		})
	}
}

// login logs in with regshape itself.
func (h *home) login(r *registry, password string, more ...string) result {
	h.t.Helper()
	args := append([]string{"auth", "login", r.host, "-u", r.user, "--password-stdin"}, more...)
	if r.caPEM != nil {
		args = append(args, "--ca-file", h.caFile(r))
	}
	return h.runIn(password+"\n", "regshape", args...)
}

// dockerLogin logs in with docker: today's, which without an engine speaks https only, or
// else Debian's.
func (h *home) dockerLogin(r *registry) result {
	h.t.Helper()
	program := debianDocker
	if r.caPEM != nil {
		program = "docker"
	}
	return h.dockerLoginWith(program, r, r.password)
}

func (h *home) dockerLoginWith(program string, r *registry, password string) result {
	h.t.Helper()
	before := h.env
	defer func() { h.env = before }()
	if r.caPEM != nil {
		h.env = append(slices.Clone(before), "SSL_CERT_FILE="+h.caFile(r))
	}
	return h.runIn(password, program, "login", "-u", r.user, "--password-stdin", r.host)
}

// caFile is where podman and its kin look for a registry's authority.
func (h *home) caFile(r *registry) string {
	return filepath.Join(h.dir, ".config", "containers", "certs.d", r.host, "ca.crt")
}

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
		status := []string{"auth", "status", r.host}
		if r.caPEM != nil {
			status = append(status, "--ca-file", h.caFile(r))
		}
		h.run("regshape", status...).ok("verified").quiet()
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
		refusal := "401 Unauthorized" // docker's own words
		if r.realm != nil {
			refusal = "unauthorized: incorrect username or password"
		}
		if r.caPEM != nil {
			h.dockerLoginWith("docker", r, "wrong").refused(refusal).quiet()
		}
		h.dockerLoginWith(debianDocker, r, "wrong").refused(refusal).quiet()
		h.stores(map[string]string{})
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
