//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// authJSON is the file that podman login writes.
const authJSON = "run/containers/auth.json"

// podmanLogin logs in with podman or skopeo, for a registry or a namespace.
func (h *home) podmanLogin(tool string, as *registry, where string) result {
	h.t.Helper()
	args := []string{"login", "--tls-verify=false", "-u", as.user, "--password-stdin", where}
	if tool == "podman" {
		args = append(h.podmanFlags(), args...)
	}
	return h.runIn(as.password, tool, args...)
}

// uses fails the test unless podman, skopeo and podman 6's own code send this account.
func (h *home) uses(s *shared, as *registry) {
	h.t.Helper()
	s.forget()
	h.run("skopeo", "inspect", "docker://"+as.ref()).ok().quiet()
	s.asked(h.t, as)
	h.podman("pull", "--quiet", as.ref()).ok().quiet()
	s.asked(h.t, as)
	for _, rules := range []string{"podman5", "podman6"} {
		if got := h.run(filepath.Join(clientsDir, "podmanprobe"), rules, "get", as.host+"/"+image).ok(); strings.TrimSpace(got.stdout) != as.user {
			h.t.Errorf("%s uses another account than %s:\n%s", rules, as.user, got)
		}
	}
}

// A namespace's login stays in podman's file, and podman uses it after setup as before: also
// beside a login for the whole registry, where the file comes first.
func TestPodmanNamespace(t *testing.T) {
	s := newShared(t)
	h := plainHome(t)
	h.secrets = append(h.secrets, s.writer.password, s.reader.password)
	h.allowHTTP(s.writer.host)
	namespace := s.writer.host + "/" + strings.Split(image, "/")[0]
	h.podmanLogin("podman", s.writer, namespace).ok("Login Succeeded").quiet()
	h.uses(s, s.writer)

	h.run("regshape", "auth", "setup", "--podman").ok(namespace, "stays in").quiet()
	h.uses(s, s.writer)
	h.run("regshape", "auth", "import", "--remove").quiet() // it names what it keeps
	h.uses(s, s.writer)
	h.run("regshape", "auth", "doctor").says("podman, skopeo and buildah use regshape").quiet()

	h.login(s.reader, s.reader.password).ok("Login Succeeded").quiet()
	h.run("regshape", "auth", "doctor").refused("in place of its own for "+namespace, "regshape auth setup --podman").quiet()
	h.run("regshape", "auth", "setup", "--podman").ok("looks into its files first").quiet()
	h.uses(s, s.writer)
	s.forget()
	h.run("skopeo", "inspect", "docker://"+s.reader.host+"/other/app").refused().quiet() // there is no such image
	s.asked(t, s.reader)
	if got := h.run("regshape", "auth", "doctor"); strings.Contains(got.stdout, "in place of its own") {
		t.Errorf("doctor has not seen the new order:\n%s", got)
	}
	h.podmanLogin("skopeo", s.writer, s.writer.host).ok().quiet()
	if n := len(h.plaintext()); n != 2 {
		t.Errorf("got %d logins in plaintext, want the namespace's and, as setup warned, the new one", n)
	}

	// Without the namespace regshape comes first again.
	h.must(os.Remove(filepath.Join(h.dir, authJSON)))
	h.run("regshape", "auth", "setup", "--podman").ok("Setup done").quiet()
	h.uses(s, s.reader)
}

// With the list that setup writes, a login for a registry goes into the store, one for a
// namespace into podman's file, and none for a registry of which a locked store has one.
func TestPodmanLogins(t *testing.T) {
	for _, tool := range []string{"podman", "skopeo"} {
		t.Run(tool, func(t *testing.T) {
			s := newShared(t)
			h := plainHome(t)
			const passphrase = "a passphrase for the store"
			h.secrets = append(h.secrets, s.writer.password, s.reader.password, passphrase)
			h.allowHTTP(s.writer.host)
			h.run("regshape", "auth", "setup", "--podman").ok("Setup done").quiet()

			h.podmanLogin(tool, s.writer, s.writer.host).ok("Login Succeeded").quiet()
			h.noAuthFile()
			h.stores(map[string]string{s.writer.host: s.writer.user})
			h.podmanLogin(tool, s.writer, s.writer.host+"/mine").ok("Login Succeeded").quiet()
			if got := h.plaintext(); len(got) != 1 || got[0] != s.writer.host+"/mine in "+authJSON {
				t.Errorf("got %q in plaintext, want the namespace's login", got)
			}
			h.must(os.Remove(filepath.Join(h.dir, authJSON)))
			if tool != "podman" {
				return // the passphrase costs seconds
			}

			h.runIn(passphrase+"\n", "regshape", "auth", "key", "protect", "--passphrase-file", "-").ok().quiet()
			h.run("regshape", "auth", "lock").ok().quiet()
			h.podmanLogin(tool, s.reader, s.writer.host).refused("store is locked").quiet()
			h.noAuthFile()
			// A locked store has no login for another registry, and takes none: podman goes on to
			// its file, as doctor says.
			other := newShared(t)
			h.secrets = append(h.secrets, other.writer.password)
			h.allowHTTP(other.writer.host)
			h.podmanLogin(tool, other.writer, other.writer.host).ok("Login Succeeded").quiet()
			if got := h.plaintext(); len(got) != 1 {
				t.Errorf("got %q in plaintext, want one login", got)
			}
			h.run("regshape", "auth", "doctor").says("and for any registry while the store is locked")
			h.must(os.Remove(filepath.Join(h.dir, authJSON)))
		})
	}
}
