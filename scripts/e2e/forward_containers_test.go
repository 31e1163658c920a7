//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

// Forwards into containers, as the recipes start them. What stands in for kubectl runs the words
// behind its -- in podman's container.
func forwardToContainers(t *testing.T, near *home, r *registry, e *engine) {
	near = near.on(t)
	near.env = append(slices.Clone(near.env), "DOCKER_HOST=unix://"+e.socket)
	root := filepath.Join(near.dir, "image")
	config := containerImage(t, near, root)
	near.program("podman", "#!/bin/sh\nexec "+debianPodman+" "+quoted(near.podmanFlags())+` "$@"`+"\n") // today's is built without seccomp
	podman := filepath.Join(near.dir, "bin", "podman")
	near.program("kubectl", `#!/bin/sh
test "$1 $2 $3 $4" = 'exec -i app --' && shift 4 && exec podman exec -i app "$@"
`)
	ran := []string{"--detach", "--name", "app", "--network", "host", "--user", "vscode", "--env", "HOME=/home/vscode"}
	sleeps := []string{"/bin/sleep", "1000"}
	near.run(podman, append(append(append([]string{"run", "--cgroups=disabled"}, ran...), "--rootfs", root), sleeps...)...).ok()
	t.Cleanup(func() { near.run(podman, "rm", "--force", "--time", "0", "app").ok() })
	near.script(r, "tar -C "+root+" -c . | docker import - image").ok()
	label := []string{"--label", "devcontainer.local_folder=" + near.dir}
	near.run("docker", append(append(append([]string{"run"}, append(ran, label...)...), "image"), sleeps...)...).ok()
	t.Cleanup(func() { near.run("docker", "rm", "--force", "app").ok() })

	lines := append(strings.Split(strings.TrimSpace(recipe(t, "Containers", "bash")[0]), "\n"), recipe(t, "Dev containers", "bash")[0])
	for _, line := range lines {
		engine := podman
		if strings.Contains(line, "docker exec") {
			engine = "docker"
		}
		t.Run(line, func(t *testing.T) {
			near := near.on(t)
			inside := func(words ...string) result {
				t.Helper()
				return near.run(engine, append([]string{"exec", "app"}, words...)...)
			}
			inside(strings.Fields(config.PostCreateCommand)...).ok()
			look := func() result {
				t.Helper()
				return inside("docker", "manifest", "inspect", "--insecure", r.ref()).quiet()
			}
			look().refused("no basic auth credentials")
			lent := byLine(t, near, r, line)
			lent.stands()
			look().ok("schemaVersion")
			lent.interrupt()
			look().refused("no basic auth credentials")
		})
	}
}

// devContainer is what is read of a dev container's configuration.
type devContainer struct{ PostCreateCommand string }

// containerImage makes the image of the recipe: regshape, docker, and what a container waits with.
func containerImage(t *testing.T, h *home, root string) (config devContainer) {
	t.Helper()
	text := recipe(t, "Dev containers", "json")[0]
	h.must(json.Unmarshal([]byte(text), &config))
	if strings.Contains(strings.ToLower(text), "mount") {
		t.Errorf("the dev container mounts something: %s", text)
	}
	bin := filepath.Join(root, "usr", "local", "bin")
	for _, dir := range []string{bin, filepath.Join(root, "etc"), filepath.Join(root, "tmp"), filepath.Join(root, "home", "vscode")} {
		h.must(os.MkdirAll(dir, 0o755))
	}
	staticBuild(t, bin)
	h.must(os.Symlink("regshape", filepath.Join(bin, "docker-credential-regshape")))
	h.must(os.WriteFile(filepath.Join(root, "etc", "passwd"), []byte("root:x:0:0::/root:/bin/sh\nvscode:x:1000:1000::/home/vscode:/bin/sh\n"), 0o644))
	h.must(os.Chmod(filepath.Join(root, "tmp"), 0o777|os.ModeSticky))
	h.must(os.Chown(filepath.Join(root, "home", "vscode"), 1000, 1000))
	out, err := testenv.Command(h.env, "ldd", "/bin/sleep").Output()
	h.must(err)
	files := map[string]string{"/bin/sleep": "/bin/sleep", h.lookPath("docker"): "/usr/local/bin/docker"}
	for _, word := range strings.Fields(string(out)) {
		if strings.HasPrefix(word, "/") {
			files[word] = word
		}
	}
	for from, to := range files {
		data, err := os.ReadFile(from)
		h.must(err)
		to = filepath.Join(root, to)
		h.must(os.MkdirAll(filepath.Dir(to), 0o755))
		h.must(os.WriteFile(to, data, 0o755))
	}
	return config
}
