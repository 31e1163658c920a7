//go:build e2e

package e2e

import (
	"testing"

	"regshape/scripts/testregistry"
)

// One login with an identity token serves docker, skopeo and podman, until the token
// server takes it back.
func TestIdentityToken(t *testing.T) {
	each(t, func(h *home, r *registry) {
		if r.realm == nil {
			h.login(r, r.password, "--identity-token").refused("log in without --identity-token").quiet()
			h.stores(map[string]string{})
			return
		}
		tokens, ok := r.realm.Config.Handler.(*testregistry.TokenServer)
		if !ok {
			h.t.Fatalf("the realm is a %T", r.realm.Config.Handler)
		}
		h.login(r, r.password, "--identity-token").ok("Login Succeeded").quiet()
		user, token := h.secretOf(r.host)
		if user != "<token>" || token == r.password {
			h.t.Fatalf("stored user %q, or the password", user)
		}
		h.allSee(r)
		h.run("regshape", "auth", "status").ok("verified").quiet()
		h.run("regshape", "auth", "token", r.host, "--scope", image).ok("eyJ")

		// The token itself can be carried to another home.
		h.run("regshape", "auth", "logout", r.host).ok()
		h.noneSees(r)
		h.runIn(token+"\n", "regshape", "auth", "login", r.host, "--identity-token", "--password-stdin").ok("Login Succeeded").quiet()
		h.allSee(r)

		tokens.Revoke(r.user)
		h.run("regshape", "auth", "status").refused("rejected", "the identity token has ended or was revoked", "--identity-token").quiet()
		h.runIn(token+"\n", "regshape", "auth", "login", r.host, "--identity-token", "--password-stdin").refused("authentication rejected").quiet()
		h.run("docker", "manifest", "inspect", "--insecure", r.ref()).refused().quiet()
	})
}
