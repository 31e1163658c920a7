//go:build e2e

package e2e

import (
	"net/http/httptest"
	"testing"

	"regshape/scripts/testregistry"
)

// crane is a client that asks for the repository first, then for the host, and gives up
// on any answer but the exact not-found text.
func (h *home) crane(args ...string) result {
	h.t.Helper()
	return h.run("crane", append(args, "--insecure")...)
}

// What each client shows of a locked store, and that it does not keep anybody from what
// is public.
func TestLockedStore(t *testing.T) {
	const line = "store is locked: run 'regshape auth unlock'"
	public := testregistry.New(testregistry.Options{})
	if _, err := public.Seed(image, "latest"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(public)
	defer server.Close()
	open := &registry{name: "public", host: server.Listener.Addr().String()}
	each(t, func(h *home, r *registry) {
		h.login(r, r.password).ok("Login Succeeded")
		h.allowHTTP(open.host)
		h.secrets = append(h.secrets, "a long passphrase")
		h.runIn("a long passphrase\n", "regshape", "auth", "key", "protect", "--passphrase-file", "-").ok().quiet()
		h.t.Cleanup(func() { h.run("regshape", "auth", "lock") })
		h.allSee(r)
		h.crane("manifest", r.ref()).ok("schemaVersion").quiet()

		h.run("regshape", "auth", "lock").ok().quiet()
		for _, tool := range tools {
			// docker's line begins with that of the helper, podman's ends with it.
			tool.look(h, r).refused(line).quiet()
			tool.look(h, open).ok().quiet()
		}
		h.crane("manifest", r.ref()).refused(line).quiet()
		h.crane("manifest", open.ref()).ok("schemaVersion").quiet()
		h.notFound("not-stored.example")
		if get := h.runIn(r.host, "docker-credential-regshape", "get"); get.code != 1 || get.stderr != r.host+": "+line+"\n" {
			h.t.Errorf("the helper says:\n%s", get)
		}
		h.run("docker-credential-regshape", "list").refused(line).quiet()
		h.login(r, r.password).refused("store is locked", "regshape auth unlock").quiet()

		h.runIn("another one\n", "regshape", "auth", "unlock", "--passphrase-file", "-").refused("passphrase is wrong").quiet()
		h.runIn("a long passphrase\n", "regshape", "auth", "unlock", "--passphrase-file", "-").ok().quiet()
		h.allSee(r)
		h.crane("manifest", r.ref()).ok("schemaVersion").quiet()
	})
}
