package registry

import (
	"io"
	"log"
	"net/http"
	"testing"
	"time"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

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
