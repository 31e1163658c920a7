//go:build e2e

package e2e

import (
	"crypto/rand"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testregistry"
)

// A wrong password stores nothing, and leaves alone what is stored.
func TestWrongPassword(t *testing.T) {
	each(t, func(h *home, r *registry) {
		const wrong = "not the password at all"
		h.secrets = append(h.secrets, wrong)
		refused := "Error: Login failed for " + r.host + ": authentication rejected"

		got := h.login(r, wrong).refused(refused).quiet()
		if got.code != 1 || got.stdout != "" {
			h.t.Errorf("want exit 1 and silence on stdout:\n%s", got)
		}
		h.stores(map[string]string{})
		h.notFound(r.host)

		h.login(r, r.password).ok("Login Succeeded")
		h.login(r, wrong).refused(refused).quiet()
		if user, secret := h.secretOf(r.host); user != r.user || secret != r.password {
			h.t.Error("a refused login changed the stored one")
		}
		h.allSee(r)
	})
}

// Nobody's login is lost, hidden or mixed up by the next registry's.
func TestThreeRegistriesAtOnce(t *testing.T) {
	h := newHome(t)
	want := map[string]string{}
	for _, r := range registries {
		h.login(r, r.password).ok("Login Succeeded")
		want[r.host] = r.user
	}
	h.stores(want)
	for _, r := range registries {
		if _, secret := h.secretOf(r.host); secret != r.password {
			t.Errorf("%s: another secret than the one of its login", r.name)
		}
		h.allSee(r)
	}
	for _, r := range registries {
		h.run("regshape", "auth", "logout", r.host).ok()
		delete(want, r.host)
		h.stores(want)
	}
}

// stores fails the test unless the helper holds exactly these addresses.
func (h *home) stores(want map[string]string) {
	h.t.Helper()
	if got := h.stored(); !maps.Equal(got, want) {
		h.t.Fatalf("stored: %v, want %v", got, want)
	}
}

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
		h.run("regshape", "auth", "status").refused("rejected", "the identity token has expired or was revoked", "--identity-token").quiet()
		h.runIn(token+"\n", "regshape", "auth", "login", r.host, "--identity-token", "--password-stdin").refused("authentication rejected").quiet()
		h.run("docker", "manifest", "inspect", "--insecure", r.ref()).refused().quiet()
	})
}

// A device login serves docker, podman and skopeo until its access token ends, again after
// a refresh, and no longer after logout.
func TestDeviceLoginServesEveryTool(t *testing.T) {
	issuer := testregistry.NewIssuer(testregistry.IssuerOptions{
		Rotate: true, TokenLife: 8, Claims: map[string]any{"preferred_username": "alice"},
	})
	at := httptest.NewServer(issuer)
	defer at.Close()
	password := rand.Text()
	tokens, err := testregistry.NewTokenServer(testregistry.TokenOptions{
		Users: map[string]string{"alice": password}, Alg: "RS256", Before: issuer.Admits("alice", password),
	})
	if err != nil {
		t.Fatal(err)
	}
	realm := httptest.NewServer(tokens)
	defer realm.Close()
	own := testregistry.New(testregistry.Options{Auth: testregistry.Bearer, Tokens: tokens, Realm: realm.URL + "/token"})
	if _, err := own.Seed(image, "latest"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(own)
	defer server.Close()
	r := &registry{name: "device", user: "alice", host: strings.TrimPrefix(server.URL, "http://")}

	h := newHome(t)
	h.allowHTTP(r.host)
	h.run("regshape", "auth", "login", r.host, "--device", "--device-issuer", at.URL, "--device-client-id", "cli").ok("Login Succeeded")
	ended := time.Now().Add(8 * time.Second)
	h.secrets = append(h.secrets, issuer.Secrets()...)
	h.allSee(r)
	time.Sleep(time.Until(ended))
	h.allSee(r) // the first of them has it renewed
	h.run("regshape", "auth", "refresh", r.host).ok("Renewed the login of " + r.host)
	h.secrets = append(h.secrets, issuer.Secrets()...)
	h.allSee(r)
	h.run("regshape", "auth", "logout", r.host).ok("Removing login credentials").quiet()
	h.noneSees(r)
	if issuer.Live() != 0 || len(issuer.Revoked()) != 1 {
		t.Errorf("%d refresh tokens live, %d revoked after logout", issuer.Live(), len(issuer.Revoked()))
	}
}
