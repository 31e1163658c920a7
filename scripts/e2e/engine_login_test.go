//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"regshape/scripts/testregistry/canary"
	"regshape/scripts/testterminal"
)

// What docker's client does with an engine, and at Docker Hub, whose names are ours here.
func TestDockerHub(t *testing.T) {
	if !inside() {
		if os.Geteuid() != 0 {
			t.Skip("needs root, for namespaces of its own")
		}
		t.Parallel() // beside the matrix: the longest part of it only waits
		if err := reexec(t, subtests("TestDockerHub")); err != nil {
			t.Fatal(err)
		}
		return
	}
	work := t.TempDir()
	hub, err := startHub(work)
	if hub != nil {
		t.Cleanup(hub.stop)
	}
	if err != nil {
		t.Fatal(err)
	}
	dockerd, err := startEngine(work + "/engine")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dockerd.stop(); err != nil {
			t.Error(err)
		}
	})
	home := func(t *testing.T) *home {
		h := newHome(t)
		h.env = append(h.env, "DOCKER_HOST=unix://"+dockerd.socket)
		h.secrets = append(h.secrets, hub.password, hub.core)
		return h
	}
	t.Run("web login", func(t *testing.T) { webLogin(t, home(t), hub) })
	t.Run("again", func(t *testing.T) { loginAgain(t, home(t), hub) })
	t.Run("two accounts", func(t *testing.T) { buildsWithTwo(t, dockerd) })
	t.Run("renewals", func(t *testing.T) { pullsThroughRenewals(t, home(t)) })
	t.Run("asks again", func(t *testing.T) { asksAgain(t, home(t)) })
}

// webLogin is docker login without arguments: Docker Hub shows a code, the user confirms it
// in a browser, and the client gets a personal access token.
func webLogin(t *testing.T, h *home, hub *registry) {
	issuer := newHubIssuer(h, hub)
	all := map[string]string{hubKey: hub.user, accessKey: hub.user, refreshKey: hub.user}
	login := func() {
		t.Helper()
		term := testterminal.Start(t, h.env, h.lookPath("docker"), "login")
		term.Await("Your one-time device confirmation code is: ")
		term.Await(issuer.userCode)
		h.stores(map[string]string{})
		issuer.confirm()
		if code := term.ExitCode(); code != 0 || !strings.Contains(term.Text(), "Login Succeeded") || canary.Find([]byte(term.Text()), h.secrets...) != "" {
			t.Fatalf("exit %d:\n%s", code, canary.Redact(term.Text(), h.secrets...))
		}
		h.stores(all)
	}
	calls := h.recordCalls()
	login()
	did := func(want ...string) {
		t.Helper()
		if got := calls(); !slices.Equal(got, want) {
			t.Errorf("asked the helper: %q, want %q", got, want)
		}
	}
	did("get "+hubKey, "store "+accessKey, "store "+refreshKey, "store "+hubKey)
	for address, want := range map[string]string{hubKey: hub.password, accessKey: issuer.access, refreshKey: issuer.refresh + ".." + issuer.client} {
		if user, secret := h.secretOf(address); user != hub.user || secret != want {
			t.Errorf("%s: user %q, or another's secret", address, user)
		}
	}
	h.lists(map[string]string{"docker.io": hub.user, accessKey: hub.user, refreshKey: hub.user})
	h.run("regshape", "auth", "status").ok("verified").quiet()
	h.run("docker", "pull", "--quiet", hub.ref()).ok().quiet()
	h.podman("pull", "--quiet", hub.ref()).ok().quiet()
	if left := h.plaintext(); len(left) > 0 {
		t.Errorf("in plaintext: %v", left)
	}

	calls()
	h.run("docker", "logout").ok("Removing login credentials for " + hubKey).quiet()
	did("get "+refreshKey, "erase "+accessKey, "erase "+refreshKey, "erase "+hubKey)
	h.stores(map[string]string{})
	if !slices.Equal(issuer.revoked, []string{issuer.refresh}) {
		t.Errorf("revoked %d tokens, want the refresh token", len(issuer.revoked))
	}
	h.run("docker", "pull", "--quiet", hub.ref()).refused("unauthorized").quiet()

	// regshape's logout removes the tokens, too.
	login()
	h.run("regshape", "auth", "logout", "docker.io").ok("Removing login credentials").quiet()
	h.stores(map[string]string{})
}

// hubIssuer answers docker's web login at login.docker.com and hub.docker.com.
type hubIssuer struct {
	client, deviceCode, userCode string
	access, refresh, password    string

	mu        sync.Mutex
	confirmed bool
	revoked   []string
}

// newHubIssuer puts it in front of Docker Hub's token server.
func newHubIssuer(h *home, hub *registry) *hubIssuer {
	claims, err := json.Marshal(map[string]any{"sub": "1", "https://hub.docker.com": map[string]string{"username": hub.user}})
	h.must(err)
	part := base64.RawURLEncoding.EncodeToString
	i := &hubIssuer{
		deviceCode: rand.Text(), userCode: "ABCD-EFGH", refresh: rand.Text(), password: hub.password,
		access: part([]byte(`{"alg":"RS256"}`)) + "." + part(claims) + "." + part([]byte(rand.Text())),
	}
	h.secrets = append(h.secrets, i.deviceCode, i.access, i.refresh)
	tokens := hub.realm.Config.Handler
	hub.realm.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "auth.docker.io" {
			tokens.ServeHTTP(w, r)
			return
		}
		status, body := i.answer(r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	})
	return i
}

func (i *hubIssuer) confirm() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.confirmed = true
}

func (i *hubIssuer) answer(r *http.Request) (status int, body any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	refused := map[string]string{"error": "invalid_request", "error_description": "no such request here"}
	switch r.Method + " " + r.Host + r.URL.Path {
	case "POST login.docker.com/oauth/device/code":
		i.client, i.confirmed = r.FormValue("client_id"), false
		return http.StatusOK, map[string]any{
			"device_code": i.deviceCode, "user_code": i.userCode, "expires_in": 60, "interval": 1,
			"verification_uri_complete": "https://login.docker.com/activate?user_code=" + i.userCode,
		}
	case "POST login.docker.com/oauth/token":
		switch {
		case r.FormValue("device_code") != i.deviceCode:
			return http.StatusForbidden, refused
		case !i.confirmed:
			return http.StatusForbidden, map[string]string{"error": "authorization_pending", "error_description": "not yet"}
		}
		return http.StatusOK, map[string]any{"access_token": i.access, "refresh_token": i.refresh, "token_type": "Bearer", "expires_in": 3600}
	case "POST login.docker.com/oauth/revoke":
		i.revoked = append(i.revoked, r.FormValue("token"))
		return http.StatusOK, nil
	case "POST hub.docker.com/v2/access-tokens/desktop-generate":
		if r.Header.Get("Authorization") == "Bearer "+i.access {
			return http.StatusCreated, map[string]any{"data": map[string]string{"token": i.password}}
		}
	}
	return http.StatusUnauthorized, refused
}

// loginAgain is docker login with a login in the store, which docker's client verifies with an
// engine only, and stores again.
func loginAgain(t *testing.T, h *home, hub *registry) {
	h.runIn(hub.password+"\n", "regshape", "auth", "login", "docker.io", "-u", hub.user, "--password-stdin", "--for", "8h").ok().quiet()
	before := h.ownFiles()
	calls := h.recordCalls()
	h.run("docker", "login").ok("Authenticating with existing credentials... [Username: "+hub.user+"]", "Login Succeeded").quiet()
	if got, want := calls(), []string{"get " + hubKey, "store " + hubKey}; !slices.Equal(got, want) {
		t.Errorf("asked the helper: %q, want %q", got, want)
	}
	// The login is that of regshape, with its end.
	if !slices.Equal(h.ownFiles(), before) {
		t.Error("the store has changed")
	}
}
