//go:build e2e

package e2e

import (
	"crypto/rand"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testregistry"
)

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
	h.notFound(r.host)
	h.noneSees(r)
	h.run("regshape", "auth", "refresh", r.host).ok("Renewed the login of " + r.host)
	h.secrets = append(h.secrets, issuer.Secrets()...)
	h.allSee(r)
	h.run("regshape", "auth", "logout", r.host).ok("Removing login credentials").quiet()
	h.noneSees(r)
	if issuer.Live() != 0 || len(issuer.Revoked()) != 1 {
		t.Errorf("%d refresh tokens live, %d revoked after logout", issuer.Live(), len(issuer.Revoked()))
	}
}
