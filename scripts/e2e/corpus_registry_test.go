//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
)

// account is who a client came as: the user name with the secret, so that the same name with
// another password is another one.
type account string

const anonymous account = "anonymous"

func accountOf(user, password, identityToken, registryToken string) account {
	var parts []string
	// Beside an identity token the user name alone means nothing: a helper cannot keep it.
	if password != "" || user != "" && identityToken == "" {
		parts = append(parts, user+":"+password)
	}
	if identityToken != "" {
		parts = append(parts, "token:"+identityToken)
	}
	if registryToken != "" {
		parts = append(parts, "bearer:"+registryToken)
	}
	if parts == nil {
		return anonymous
	}
	return account(strings.Join(parts, " "))
}

// known reports whether a client used a login.
func (a account) known() bool { return a != anonymous && !strings.HasPrefix(string(a), "error") }

// witness is a registry that has nothing. It takes every login, hands out a token even
// without one, and remembers who asked for which tag.
type witness struct {
	mu   sync.Mutex
	seen map[string]account
}

// as is who asked for a tag, and false if nobody did.
func (w *witness) as(tag string) (account, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	who, ok := w.seen[tag]
	return who, ok
}

const tokenPrefix = "witnessed-"

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		w.token(rw, r)
		return
	}
	rw.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	rw.Header().Set("Content-Type", "application/json")
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		rw.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="https://%s/token",service=%q`, r.Host, r.Host))
		rw.WriteHeader(http.StatusUnauthorized)
		_, _ = rw.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`))
		return
	}
	who := accountOf("", "", "", bearer)
	if text, own := strings.CutPrefix(bearer, tokenPrefix); own {
		decoded, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			http.Error(rw, "a broken token", http.StatusBadRequest)
			return
		}
		who = account(decoded)
	}
	if dir, tag := path.Split(r.URL.Path); path.Base(dir) == "manifests" {
		w.mu.Lock()
		w.seen[tag] = who
		w.mu.Unlock()
		rw.WriteHeader(http.StatusNotFound)
		_, _ = rw.Write([]byte(`{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`))
		return
	}
	_, _ = rw.Write([]byte(`{}`))
}

// token issues a token that names the account.
func (w *witness) token(rw http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	who := accountOf(user, password, "", "")
	if r.Method == http.MethodPost {
		who = accountOf(r.PostFormValue("username"), r.PostFormValue("password"), r.PostFormValue("refresh_token"), "")
	}
	text := tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(who))
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(map[string]any{"token": text, "access_token": text, "expires_in": 300})
}

// startWitness serves the names, and Docker Hub's. It changes files in /etc, and so runs in
// namespaces only.
func startWitness(t *testing.T, names []string) *witness {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if !inside() {
		t.Fatal("the corpus's names can be served in namespaces only")
	}
	hosts := ownHosts
	for _, name := range names {
		hosts += "10.1.1.1 " + name + "\n"
	}
	must(os.WriteFile("/etc/hosts", []byte(hosts), 0o644))
	authority, err := testregistry.NewAuthority()
	must(err)
	own := t.TempDir() + "/authorities.pem"
	must(os.WriteFile(own, authority.CertPEM(), 0o644))
	if out, err := testenv.Command(testenv.Environ(t.TempDir()), "mount", "--bind", own, authorities).CombinedOutput(); err != nil {
		t.Fatalf("mount over %s: %v: %s", authorities, err, out)
	}
	certified := append(slices.Clone(names), "registry-1.docker.io", "index.docker.io", "docker.io", "127.0.0.1", "::1")
	w := &witness{seen: map[string]account{}}
	for _, address := range []string{"10.1.1.1:443", "10.1.1.1:5000", "10.1.1.1:80", hubAddress, "127.0.0.1:5000", "[::1]:5000"} {
		server, err := serveTLS(authority, address, w, certified...)
		must(err)
		t.Cleanup(server.Close)
	}
	return w
}

// standIn is an engine that runs nothing. It remembers the logins that docker's client sends
// with a pull, by tag, and with the last build.
type standIn struct {
	mu    sync.Mutex
	pulls map[string]account
	build map[string]authConfig
}

func (s *standIn) pulled(tag string) (account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, ok := s.pulls[tag]
	return who, ok
}

// built is nil unless there was a build since it was last asked.
func (s *standIn) built() map[string]authConfig {
	s.mu.Lock()
	defer s.mu.Unlock()
	logins := s.build
	s.build = nil
	return logins
}

// authConfig is a login as docker's API has it.
type authConfig struct{ Username, Password, IdentityToken, RegistryToken string }

func (c authConfig) account() account {
	return accountOf(c.Username, c.Password, c.IdentityToken, c.RegistryToken)
}

// startStandIn serves an engine's API at a socket until the test ends.
func startStandIn(t *testing.T, socket string) *standIn {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &standIn{pulls: map[string]account{}}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: s}}
	server.Start()
	t.Cleanup(server.Close)
	return s
}

func (s *standIn) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Api-Version", "1.41")
	rw.Header().Set("Ostype", "linux")
	rw.Header().Set("Content-Type", "application/json")
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	switch path.Base(r.URL.Path) {
	case "create":
		var login authConfig
		err = decodeHeader(r.Header.Get("X-Registry-Auth"), &login)
		s.pulls[r.URL.Query().Get("tag")] = login.account()
	case "build":
		s.build = map[string]authConfig{}
		err = decodeHeader(r.Header.Get("X-Registry-Config"), &s.build)
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = rw.Write([]byte("{}\n"))
}

// decodeHeader reads base64 of JSON, which docker pads and other clients do not.
func decodeHeader(text string, to any) error {
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(data) == 0 {
		return err
	}
	return json.Unmarshal(data, to)
}

// resolve is the login of a registry as docker's engine takes it out of those of a build:
// the exact key, else any whose host it is.
func resolve(logins map[string]authConfig, host string) account {
	key := host
	if host == "docker.io" {
		key = "https://index.docker.io/v1/"
	}
	if login, ok := logins[key]; ok {
		return login.account()
	}
	for _, other := range slices.Sorted(maps.Keys(logins)) {
		bare := strings.TrimPrefix(strings.TrimPrefix(other, "http://"), "https://")
		if bare, _, _ = strings.Cut(bare, "/"); bare == key {
			return logins[other].account()
		}
	}
	return anonymous
}
