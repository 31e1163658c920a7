package registry

import (
	"net/http"
	"strings"
	"testing"
)

func TestRedirect(t *testing.T) {
	other := serve(t, true, basicRegistry)
	otherPlain := serve(t, false, basicRegistry)
	to := func(path, location string, code int, withAuth bool) func(*site, http.ResponseWriter, *http.Request) {
		return func(s *site, w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path && withAuth == (r.Header.Get("Authorization") != "" || r.Method == http.MethodPost) {
				if location != "" {
					w.Header().Set("Location", location)
				}
				w.WriteHeader(code)
				return
			}
			if r.URL.Path == "/v2/" || r.URL.Path == "/token" {
				bearerRegistry(s, w, r)
				return
			}
			r.URL.Path = strings.TrimPrefix(r.URL.Path, "/moved")
			bearerRegistry(s, w, r)
		}
	}
	identity := Credential{Secret: "refresh-canary-token", IdentityToken: true}
	for _, tt := range []struct {
		name    string
		handler func(*site, http.ResponseWriter, *http.Request)
		cred    Credential
		want    Outcome
		message string
	}{
		{"same origin", to("/v2/", "/moved/v2/", 302, true), alice, Verified, ""},
		{"same origin, ping", to("/v2/", "/moved/v2/", 301, false), alice, Verified, ""},
		{"token, same origin", to("/token", "/moved/token", 307, true), alice, Verified, ""},
		{"post 307", to("/token", "/moved/token", 307, true), identity, Verified, ""},
		{"post 308", to("/token", "/moved/token", 308, true), identity, Verified, ""},
		{"post 302", to("/token", "/moved/token", 302, true), identity, Protocol, "token request"},
		{"secret elsewhere", to("/v2/", other.URL+"/v2/", 302, true), alice, Protocol, "not sent there"},
		{"token secret elsewhere", to("/token", other.URL+"/token", 307, true), alice, Protocol, "not sent there"},
		{"post elsewhere", to("/token", other.URL+"/token", 307, true), identity, Protocol, "not sent there"},
		{"ping elsewhere", to("/v2/", other.URL+"/v2/", 302, false), alice, Protocol, "login of its own"},
		{"downgrade", to("/v2/", otherPlain.URL+"/v2/", 302, false), alice, Protocol, "plain"},
		{"loop", to("/v2/", "/v2/", 302, false), alice, Protocol, "too many redirects"},
		{"nowhere", to("/v2/", "", 302, false), alice, Protocol, "nowhere"},
		{"odd scheme", to("/v2/", "file:///etc/passwd", 302, false), alice, Protocol, "nowhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, true, tt.handler)
			r := client(t, Options{Insecure: true}).Verify(t.Context(), s.host(), "", tt.cred)
			if r.Outcome != tt.want || !strings.Contains(r.Message, tt.message) {
				t.Errorf("%s: %q\n%s", r.Outcome, r.Message, s.seen())
			}
			if strings.Contains(other.seen(), "Basic") || strings.Contains(other.seen(), "POST") || otherPlain.seen() != "" {
				t.Errorf("asked elsewhere: %s %s", other.seen(), otherPlain.seen())
			}
		})
	}
	if n := strings.Count(other.seen(), "\n") + 1; n != 1 {
		t.Errorf("%d requests elsewhere, want the one bare ping", n)
	}
}

// TestRedirectInside: a public registry must not make us look around inside.
func TestRedirectInside(t *testing.T) {
	inner := serve(t, true, basicRegistry)
	reg := serve(t, true, func(_ *site, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://inner.example/latest/meta-data", http.StatusFound)
	})
	c := client(t, Options{Insecure: true})
	placed(c, map[string]string{"reg.example:443": "203.0.113.1", "inner.example:443": "169.254.169.254"},
		map[string]*site{"reg.example:443": reg, "inner.example:443": inner})
	r := c.Verify(t.Context(), "reg.example", "", alice)
	if r.Outcome != Protocol || !strings.Contains(r.Message, "inner.example") || inner.seen() != "" {
		t.Errorf("%v; asked: %s", r, inner.seen())
	}
}

// TestRedirectToTLS: --plain-http at a server that wants https says so.
func TestRedirectToTLS(t *testing.T) {
	secure := serve(t, true, basicRegistry)
	s := serve(t, false, func(_ *site, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, secure.URL+r.URL.Path, http.StatusMovedPermanently)
	})
	r := client(t, Options{PlainHTTP: true, Insecure: true}).Verify(t.Context(), s.host(), "", alice)
	if r.Outcome != Protocol || !strings.Contains(r.Hint, "--plain-http") {
		t.Errorf("%v, hint %q", r, r.Hint)
	}
}
