package registry

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"regshape/scripts/testregistry"
	"regshape/store"
)

// bomb is maxBody of zeros, which may follow each other for ever (RFC 1952 §2.2).
var bomb = sync.OnceValue(func() []byte { return gzipped(string(make([]byte, maxBody))) })

// endless sends zeros until the client has had enough.
func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	for r.Context().Err() == nil {
		_, _ = w.Write(bomb())
		_ = http.NewResponseController(w).Flush()
	}
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.Bytes()
}

func TestGzip_registry(t *testing.T) {
	for name, tt := range map[string]struct {
		cred    Credential
		want    Outcome
		message string
	}{
		"password":       {alice, Verified, accepted},
		"identity token": {identity, Verified, accepted},
		"wrong password": {wrong, Rejected, rejectedText},
		"robot":          {Credential{Username: "robot", Secret: "x"}, Forbidden, "access forbidden: not yours"},
	} {
		for _, secure := range []bool{false, true} {
			s := serve(t, secure, func(s *site, w http.ResponseWriter, r *http.Request) {
				testregistry.Zipped(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch user, _, _ := r.BasicAuth(); {
					case r.URL.Path == "/token" && user == "robot":
						reply(w, http.StatusOK, map[string]any{"token": "robots-token"})
					case r.Header.Get("Authorization") == "Bearer robots-token":
						reply(w, http.StatusForbidden, map[string]any{"errors": []any{map[string]any{"message": "not yours"}}})
					default:
						bearerRegistry(s, w, r)
					}
				})).ServeHTTP(w, r)
			})
			if r := client(t, Options{Insecure: true}).Verify(t.Context(), store.ParseAddress(s.host()), "", tt.cred); r.Outcome != tt.want || r.Message != tt.message {
				t.Errorf("%s, TLS %t: got %s: %s, want %s: %s", name, secure, r.Outcome, r.Message, tt.want, tt.message)
			}
		}
	}
}

func TestGzip_issuer(t *testing.T) {
	issuer := testregistry.NewIssuer(testregistry.IssuerOptions{})
	s := httptest.NewServer(testregistry.Zipped(issuer))
	t.Cleanup(s.Close)
	c, d := client(t, Options{}), DeviceClient{Issuer: s.URL, ClientID: "cli"}
	g, r := c.DeviceLogin(t.Context(), d, (&watched{}).screen())
	if r.Outcome != Verified || !issuer.Accepts(g.AccessToken) {
		t.Fatalf("login: got %s: %s", r.Outcome, r.Message)
	}
	if g, r = c.Refresh(t.Context(), d, g.RefreshToken); r.Outcome != Verified || !issuer.Accepts(g.AccessToken) {
		t.Errorf("refresh: got %s: %s", r.Outcome, r.Message)
	}
	if r := c.Revoke(t.Context(), d, g.RefreshToken); r.Outcome != Verified {
		t.Errorf("revoke: got %s: %s", r.Outcome, r.Message)
	}
}

// What is read is bounded after decompression, at every place that reads an answer.
func TestGzip_bomb(t *testing.T) {
	token := serve(t, false, func(s *site, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			endless(w, r)
			return
		}
		bearerRegistry(s, w, r)
	})
	for name, tt := range map[string]struct {
		host, message string
		want          Outcome
	}{
		"/v2/":         {serve(t, false, func(_ *site, w http.ResponseWriter, r *http.Request) { endless(w, r) }).host(), "the registry did not ask for a credential", Unverified},
		"token server": {token.host(), "the token server " + token.host() + " answered without a usable token", Protocol},
	} {
		if r := client(t, Options{}).Verify(t.Context(), store.ParseAddress(tt.host), "", alice); r.Outcome != tt.want || r.Message != tt.message {
			t.Errorf("%s: got %s: %s, want %s: %s", name, r.Outcome, r.Message, tt.want, tt.message)
		}
	}
	issuer := testregistry.NewIssuer(testregistry.IssuerOptions{})
	for path, want := range map[string]string{"/.well-known/oauth-authorization-server": "metadata is not valid", "/token": "usable token", "/device": "too long"} {
		s := serve(t, false, func(_ *site, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				endless(w, r)
				return
			}
			issuer.ServeHTTP(w, r)
		})
		c, d := client(t, Options{}), DeviceClient{Issuer: s.URL, ClientID: "cli"}
		ask := func() (DeviceGrant, Result) { return c.DeviceLogin(t.Context(), d, (&watched{}).screen()) }
		if path == "/token" {
			ask = func() (DeviceGrant, Result) { return c.Refresh(t.Context(), d, "refresh-canary-token") }
		}
		if _, r := ask(); r.Outcome != Protocol || !strings.Contains(r.Message, want) {
			t.Errorf("%s: got %s: %s, want %q in it", path, r.Outcome, r.Message, want)
		}
	}
}

// What is not what its header says is not guessed at.
func TestGzip_invalid(t *testing.T) {
	squeezed := string(gzipped(`{"token":"access-canary-token"}`))
	for name, tt := range map[string]struct {
		encoding, body string
		want           Outcome
	}{
		"good":                        {"GZIP", squeezed, Verified},
		"without its check sum":       {"gzip", squeezed[:len(squeezed)-8], Verified},
		"cut off":                     {"gzip", squeezed[:20], Protocol},
		"not compressed":              {"gzip", `{"token":"access-canary-token"}`, Protocol},
		"empty":                       {"gzip", "", Protocol},
		"an encoding not asked for":   {"br", squeezed, Protocol},
		"compressed without a header": {"", squeezed, Protocol},
	} {
		s := serve(t, false, func(s *site, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/token" {
				bearerRegistry(s, w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			if tt.encoding != "" {
				w.Header().Set("Content-Encoding", tt.encoding)
			}
			_, _ = io.WriteString(w, tt.body)
		})
		r := client(t, Options{}).Verify(t.Context(), store.ParseAddress(s.host()), "", alice)
		if r.Outcome != tt.want {
			t.Errorf("%s: got %s: %s, want %s", name, r.Outcome, r.Message, tt.want)
		}
	}
}
