//go:build e2e

package e2e

import (
	"encoding/json"
	"net"
	"path/filepath"
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

// What docker stored is verified too, an identity token included.
func TestStatusOfDockersLogin(t *testing.T) {
	each(t, func(h *home, r *registry) {
		h.dockerLogin(r).ok("Login Succeeded").quiet()
		args := []string{"auth", "status", r.host}
		if r.caPEM != nil {
			args = append(args, "--ca-file", filepath.Join(h.dir, ".config", "containers", "certs.d", r.host, "ca.crt"))
		}
		h.run("regshape", args...).ok("verified").quiet()
	})
}
