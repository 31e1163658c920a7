//go:build e2e

package e2e

import (
	"encoding/json"
	"net"
	"testing"
)

// statusRow is what the test reads of one row of status --json.
type statusRow struct{ Registry, Status, Transport string }

// statuses asks for the status of every stored login, registry -> row.
func (h *home) statuses(code int) map[string]statusRow {
	h.t.Helper()
	got := h.run("regshape", "auth", "status", "--json").quiet()
	var rows []statusRow
	if err := json.Unmarshal([]byte(got.stdout), &rows); err != nil || got.code != code {
		h.t.Fatalf("want exit %d and JSON (%v):\n%s", code, err, got)
	}
	found := map[string]statusRow{}
	for _, row := range rows {
		found[row.Registry] = row
	}
	return found
}

// Logins made with regshape, docker and podman are all verified in the way that their
// registry wants; a changed password and a registry that is gone are told apart.
func TestStatus(t *testing.T) {
	h := newHome(t)
	for _, r := range registries {
		h.login(r, r.password).ok("Login Succeeded")
	}
	good := h.statuses(0)
	for _, r := range registries {
		transport := "http"
		if r.caPEM != nil {
			transport = "https"
		}
		if row := good[r.host]; row.Status != "verified" || row.Transport != transport {
			t.Errorf("%s: %+v", r.name, row)
		}
		h.run("regshape", "auth", "status", r.host).ok("verified").quiet()
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	h.must(err)
	gone := listener.Addr().String()
	h.must(listener.Close())
	h.storeRaw(gone, "alice", "of a registry that is gone")
	want := map[string]string{gone: "unreachable"}
	for _, r := range registries {
		h.storeRaw(r.host, r.user, "changed since")
		want[r.host] = "rejected"
	}
	for host, row := range h.statuses(1) {
		if row.Status != want[host] {
			t.Errorf("%s: %+v, want %s", host, row, want[host])
		}
	}
	h.run("regshape", "auth", "status").refused("authentication rejected", "connection refused").quiet()
}

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
	open := startPublic(t)
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
