package registry

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// alice is the account of every fake registry here.
var alice = Credential{Username: "alice", Secret: "s3cret-canary-password"}

// site is a fake registry with its token server, both at one origin. Handlers may be
// replaced by a test; hits lists what was asked.
type site struct {
	*httptest.Server
	mu   sync.Mutex
	hits []string
}

func (s *site) host() string {
	return strings.TrimPrefix(strings.TrimPrefix(s.URL, "https://"), "http://")
}

func (s *site) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.hits, "\n")
}

func serve(t *testing.T, secure bool, h func(s *site, w http.ResponseWriter, r *http.Request)) *site {
	t.Helper()
	s := &site{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		auth, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		s.hits = append(s.hits, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+auth))
		s.mu.Unlock()
		h(s, w, r)
	})
	s.Server = httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = quiet()
	if secure {
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func basicOK(r *http.Request) bool {
	u, p, ok := r.BasicAuth()
	return ok && u == alice.Username && p == alice.Secret
}

// basicRegistry asks for Basic everywhere below /v2/.
func basicRegistry(_ *site, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if !basicOK(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="fake"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// bearerRegistry is docker's flow, with refresh tokens.
func bearerRegistry(s *site, w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/token":
		_ = r.ParseForm()
		out := map[string]any{"token": "access-canary-token", "expires_in": 300}
		ok := basicOK(r)
		if r.Method == http.MethodPost {
			switch r.PostForm.Get("grant_type") {
			case "refresh_token":
				ok = r.PostForm.Get("refresh_token") == "refresh-canary-token"
			case "password":
				ok = r.PostForm.Get("username") == alice.Username && r.PostForm.Get("password") == alice.Secret
			}
		}
		if !ok {
			reply(w, http.StatusUnauthorized, map[string]any{"details": "incorrect username or password"})
			return
		}
		if r.Form.Get("offline_token") == "true" || r.Form.Get("access_type") == "offline" {
			out["refresh_token"] = "refresh-canary-token"
		}
		reply(w, http.StatusOK, out)
	case r.Header.Get("Authorization") != "Bearer access-canary-token":
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token",service="fake"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// client is New with short waits and no proxy from the environment.
func client(t *testing.T, opt Options) *Client {
	t.Helper()
	if opt.Timeout == 0 {
		opt.Timeout = 5 * time.Second
	}
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	c.proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	return c
}

type movedConn struct {
	net.Conn
	remote net.Addr
}

func (c movedConn) RemoteAddr() net.Addr { return c.remote }

// dialAs connects to a server as if that were at an address.
func dialAs(ctx context.Context, network, address string, server net.Addr, control controlFunc) (net.Conn, error) {
	if control != nil {
		if err := control(network, address, nil); err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: err}
		}
	}
	conn, err := dialNet(ctx, network, server.String(), nil)
	if err != nil {
		return nil, err
	}
	return movedConn{conn, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))}, nil
}

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
