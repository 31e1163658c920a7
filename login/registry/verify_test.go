package registry

import (
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"time"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestVerify(t *testing.T) {
	wrong := Credential{Username: "alice", Secret: "wrong"}
	status := func(code int) func(*site, http.ResponseWriter, *http.Request) {
		return func(_ *site, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	challenge := func(values ...string) func(*site, http.ResponseWriter, *http.Request) {
		return func(s *site, w http.ResponseWriter, r *http.Request) {
			if basicOK(r) {
				return
			}
			for _, v := range values {
				w.Header().Add("WWW-Authenticate", strings.ReplaceAll(v, "URL", s.URL))
			}
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	page := func(_ *site, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	// afterLogin answers code to whoever is logged in.
	afterLogin := func(code int) func(*site, http.ResponseWriter, *http.Request) {
		return func(s *site, w http.ResponseWriter, r *http.Request) {
			if basicOK(r) {
				w.WriteHeader(code)
				return
			}
			basicRegistry(s, w, r)
		}
	}
	tokenAnswer := func(code int, body string) func(*site, http.ResponseWriter, *http.Request) {
		return func(s *site, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(code)
				_, _ = io.WriteString(w, body)
				return
			}
			bearerRegistry(s, w, r)
		}
	}
	for _, tt := range []struct {
		name    string
		handler func(*site, http.ResponseWriter, *http.Request)
		cred    Credential
		want    Outcome
		scheme  string
		message string
	}{
		{"basic", basicRegistry, alice, Verified, "basic", ""},
		{"basic wrong", basicRegistry, wrong, Rejected, "basic", "authentication rejected"},
		{"basic nobody", basicRegistry, Credential{}, Rejected, "basic", "authentication rejected"},
		{"basic forbidden", afterLogin(403), alice, Forbidden, "basic", "access forbidden"},
		{"basic then 404", afterLogin(404), alice, NotARegistry, "basic", "404"},
		{"basic then 418", afterLogin(418), alice, Protocol, "basic", "418"},
		{"basic colon", basicRegistry, Credential{Username: "a:b", Secret: "x"}, Protocol, "basic", "colon"},
		{"basic identity token", basicRegistry, Credential{Secret: "x", IdentityToken: true}, Protocol, "basic", "identity"},
		{"bearer", bearerRegistry, alice, Verified, "bearer", ""},
		{"bearer wrong", bearerRegistry, wrong, Rejected, "bearer", "authentication rejected"},
		{"bearer identity", bearerRegistry, Credential{Secret: "refresh-canary-token", IdentityToken: true}, Verified, "bearer", ""},
		{"bearer identity wrong", bearerRegistry, Credential{Secret: "x", IdentityToken: true}, Rejected, "bearer", "authentication rejected"},
		{"bearer forbidden", tokenAnswer(403, `{"errors":[{"code":"DENIED","message":"not you"}]}`), alice, Forbidden, "bearer", "not you"},
		{"bearer no token", tokenAnswer(200, `{"token":""}`), alice, Protocol, "bearer", "without a usable token"},
		{"bearer nonsense", tokenAnswer(200, `<html>`), alice, Protocol, "bearer", "without a usable token"},
		{"bearer header injection", tokenAnswer(200, `{"token":"a\r\nX: y"}`), alice, Protocol, "bearer", "without a usable token"},
		{"bearer huge", tokenAnswer(200, `{"token":"a","x":"`+strings.Repeat("y", maxBody)+`"}`), alice, Protocol, "bearer", "without a usable token"},
		{"bearer other token", tokenAnswer(200, `{"token":"other"}`), alice, Rejected, "bearer", "authentication rejected"},
		{"bearer access_token", tokenAnswer(200, `{"access_token":"access-canary-token","expires_in":"7"}`), alice, Verified, "bearer", ""},
		{"bearer invalid_grant", tokenAnswer(400, `{"error":"invalid_grant"}`), alice, Rejected, "bearer", "authentication rejected"},
		{"bearer gone", tokenAnswer(404, ``), alice, Protocol, "bearer", "404"},
		{"bearer without realm", challenge(`Bearer service="x"`), alice, Protocol, "", "bearer"},
		{"bearer without realm, basic", challenge(`Bearer service="x"`, `Basic realm="y"`), alice, Verified, "basic", ""},
		{"mixed", challenge(`Negotiate`, `Basic realm="a, b"`), alice, Verified, "basic", ""},
		{"mixed in one", challenge(`Negotiate abc==, BASIC realm = "x"`), alice, Verified, "basic", ""},
		{"unusable", challenge(`Negotiate abc==, Digest realm="x"`), alice, Protocol, "", "negotiate, digest"},
		{"mute", challenge(), alice, Protocol, "", "does not say how"},
		{"never asks", status(200), alice, Unverified, "", ""},
		{"web page", page, alice, NotARegistry, "", "web page"},
		{"not found", status(404), alice, NotARegistry, "", "404"},
		{"forbidden at once", status(403), alice, Forbidden, "", "before"},
		{"odd", status(204), alice, Protocol, "", "204"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, false, tt.handler)
			r := client(t, Options{}).Verify(t.Context(), s.host(), "", tt.cred)
			if r.Outcome != tt.want || r.Challenge != tt.scheme || !strings.Contains(r.Message, tt.message) {
				t.Errorf("got %s %q %q, want %s %q %q", r.Outcome, r.Challenge, r.Message, tt.want, tt.scheme, tt.message)
			}
			if r.Message == "" || r.Transport != "http" {
				t.Errorf("message %q, transport %q", r.Message, r.Transport)
			}
		})
	}
}

// TestTokenMethods has token servers that know one method only.
func TestTokenMethods(t *testing.T) {
	for _, tt := range []struct {
		only string
		code int
		cred Credential
	}{
		{"POST", 405, alice},
		{"POST", 404, alice},
		{"GET", 405, Credential{Secret: alice.Secret, IdentityToken: true}},
	} {
		s := serve(t, false, func(s *site, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" && r.Method != tt.only {
				w.WriteHeader(tt.code)
				return
			}
			if u, p, ok := r.BasicAuth(); ok && u == "<token>" && p == alice.Secret && r.Form == nil {
				reply(w, 200, map[string]string{"token": "access-canary-token"})
				return
			}
			bearerRegistry(s, w, r)
		})
		if r := client(t, Options{}).Verify(t.Context(), s.host(), "", tt.cred); r.Outcome != Verified {
			t.Errorf("only %s: %v\n%s", tt.only, r, s.seen())
		}
	}
}

func TestIdentityToken(t *testing.T) {
	for _, postOnly := range []bool{false, true} {
		s := serve(t, false, func(s *site, w http.ResponseWriter, r *http.Request) {
			if postOnly && r.Method == http.MethodGet {
				r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "offline_token", "other")
			}
			bearerRegistry(s, w, r)
		})
		r := client(t, Options{WantIdentityToken: true}).Verify(t.Context(), s.host(), "", alice)
		if r.Outcome != Verified || r.IdentityToken != "refresh-canary-token" {
			t.Errorf("post only %t: %v, token %q", postOnly, r, r.IdentityToken)
		}
		if r := client(t, Options{}).Verify(t.Context(), s.host(), "", alice); r.IdentityToken != "" {
			t.Error("a refresh token that nobody asked for")
		}
	}
}

func TestToken(t *testing.T) {
	c := client(t, Options{})
	s := serve(t, false, bearerRegistry)
	tok, r := c.Token(t.Context(), s.host(), "repository:a:pull", alice)
	if tok.Value != "access-canary-token" || tok.ExpiresIn != 5*time.Minute || r.Outcome != Verified {
		t.Errorf("token %q for %s, %v", tok.Value, tok.ExpiresIn, r)
	}
	if tok, r := c.Token(t.Context(), serve(t, false, basicRegistry).host(), "", alice); tok.Value != "" || r.Outcome != Protocol {
		t.Errorf("basic: %v", r)
	}
	anonymous := serve(t, false, func(s *site, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" && r.Header.Get("Authorization") == "" && !r.URL.Query().Has("account") {
			reply(w, 200, map[string]any{"token": "anon", "expires_in": 1e300})
			return
		}
		bearerRegistry(s, w, r)
	})
	if tok, r := c.Token(t.Context(), anonymous.host(), "", Credential{}); tok.Value != "anon" || tok.ExpiresIn != maxLife {
		t.Errorf("anonymous: %v %s", r, tok.ExpiresIn)
	}
}

func TestBadAddress(t *testing.T) {
	c := client(t, Options{})
	for _, host := range []string{"", "a b", "a/b", "u@h", "h:0", "h:99999", "h:", "h\n", "[::1", "h?x", ":5000"} {
		if r := c.Verify(t.Context(), host, "", alice); r.Outcome != Protocol || r.Message != errAddress.Error() {
			t.Errorf("%q: %v", host, r)
		}
	}
	for in, want := range map[string]string{
		"docker.io": hubAPI, "index.docker.io": hubAPI, "Registry.Hub.Docker.com:443": hubAPI, "::1": "[::1]",
		"[::1]:5000": "[::1]:5000", "GHCR.io": "ghcr.io", "docker.io:5000": "docker.io:5000", "my_reg": "my_reg",
	} {
		if got, _, err := apiHost(in); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for in, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.9.9.9": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"a.localhost": false, "localhost.example": false, "10.0.0.1": false, "0.0.0.0": false,
	} {
		if _, got, _ := apiHost(in); got != want {
			t.Errorf("%q: loopback %t", in, got)
		}
	}
}
