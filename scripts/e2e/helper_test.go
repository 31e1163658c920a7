//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
)

// storeRaw stores a credential as docker does, without asking any registry.
func (h *home) storeRaw(address, user, secret string) {
	h.t.Helper()
	h.secrets = append(h.secrets, secret)
	h.runIn(storeInput(address, user, secret), "docker-credential-regshape", "store").ok().quiet()
}

func storeInput(address, user, secret string) string {
	input, _ := json.Marshal(map[string]string{"ServerURL": address, "Username": user, "Secret": secret}) // strings always marshal
	return string(input)
}

// storeAtOnce has one process of the helper store each of the inputs.
func (h *home) storeAtOnce(inputs []string) {
	h.t.Helper()
	running := make([]*exec.Cmd, len(inputs))
	outputs := make([]strings.Builder, len(inputs))
	for i, input := range inputs {
		command := testenv.Command(h.env, filepath.Join(binDir, "docker-credential-regshape"), "store")
		command.Dir = h.dir
		command.Stdin = strings.NewReader(input)
		command.Stdout, command.Stderr = &outputs[i], &outputs[i]
		h.must(command.Start())
		running[i] = command
	}
	for i, command := range running {
		if err := command.Wait(); err != nil {
			h.t.Errorf("login %d: %v\n%s", i, err, canary.Redact(outputs[i].String(), h.secrets...))
		}
	}
}

// The first logins of a new home, twenty at once, are all kept, and agree on one
// key.
func TestParallelFirstLogins(t *testing.T) {
	const n = 20
	h := newHome(t)
	want := map[string]string{}
	secrets := map[string]string{}
	var inputs []string
	for i := range n {
		address, user, secret := fmt.Sprintf("r%02d.example:5000", i), fmt.Sprintf("user%d", i), rand.Text()
		want[address], secrets[address] = user, secret
		h.secrets = append(h.secrets, secret)
		inputs = append(inputs, storeInput(address, user, secret))
	}
	h.storeAtOnce(inputs)
	h.stores(want)
	for address, secret := range secrets {
		if user, got := h.secretOf(address); user != want[address] || got != secret {
			t.Errorf("%s: the wrong user or secret", address)
		}
	}

	var keys, generations, entries []string
	for _, dir := range []string{".local/state/regshape", ".local/share/regshape", ".config/regshape"} {
		h.must(filepath.WalkDir(filepath.Join(h.dir, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			inGeneration := strings.HasPrefix(filepath.Base(filepath.Dir(path)), "g-")
			switch {
			case entry.IsDir() && strings.HasPrefix(entry.Name(), "g-"):
				generations = append(generations, path)
			case !entry.IsDir() && inGeneration:
				entries = append(entries, path)
			case !entry.IsDir() && strings.Contains(entry.Name(), "key"):
				keys = append(keys, path)
			}
			return nil
		}))
	}
	if len(keys) != 1 || len(generations) != 1 || len(entries) != n {
		t.Errorf("want 1 key, 1 generation and %d entries, and nothing left over:\n%v\n%v\n%v", n, keys, generations, entries)
	}
}

// Twenty logins to one registry at once leave one of them, whole.
func TestParallelLoginsToOneRegistry(t *testing.T) {
	const n = 20
	h := newHome(t)
	passwords := map[string]string{}
	var inputs []string
	for i := range n {
		user, secret := fmt.Sprintf("user%d", i), rand.Text()
		passwords[user] = secret
		h.secrets = append(h.secrets, secret)
		inputs = append(inputs, storeInput("one.example", user, secret))
	}
	h.storeAtOnce(inputs)
	user, secret := h.secretOf("one.example")
	if passwords[user] != secret || secret == "" {
		t.Errorf("user %q has another login's secret", user)
	}
	h.stores(map[string]string{"one.example": user})
}

// Docker Hub is one address, whoever asks; its tokens are others.
func TestDockerHubIsOneAddress(t *testing.T) {
	h := newHome(t)
	secret := rand.Text()
	h.storeRaw("https://index.docker.io/v1/", "hubuser", secret)
	for _, address := range []string{"https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io", "https://registry-1.docker.io/v2/"} {
		if user, got := h.secretOf(address); user != "hubuser" || got != secret {
			t.Errorf("%s: user %q, or another secret", address, user)
		}
	}
	h.notFound("https://index.docker.io/v1/access-token")
	h.stores(map[string]string{"https://index.docker.io/v1/": "hubuser"})
	h.run("docker", "logout").ok().quiet()
	h.notFound("docker.io")
}
