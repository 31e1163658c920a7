package testregistry

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// ask sends one token request and returns status and body.
func ask(t *testing.T, s *TokenServer, form url.Values, basic string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/token?"+form.Encode(), nil)
	if form.Has("grant_type") {
		r = httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if basic != "" {
		r.SetBasicAuth(user, basic)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	body := map[string]any{}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("answer is not JSON: %v", err)
	}
	return w.Code, body
}

func TestTokenGrants(t *testing.T) {
	s, err := NewTokenServer(TokenOptions{Users: map[string]string{user: password}})
	if err != nil {
		t.Fatal(err)
	}
	scope := []string{"repository:localhost:5000/a:pull,push"}
	service := []string{s.Service()}

	status, body := ask(t, s, url.Values{"service": service, "scope": scope, "offline_token": {"true"}}, password)
	if status != http.StatusOK {
		t.Fatalf("GET: status %d", status)
	}
	claims, ok := s.Verify(body["token"].(string))
	if !ok || claims.Subject != user || len(claims.Access) != 1 || claims.Access[0].String() != scope[0] {
		t.Errorf("claims %+v, want %s for %s", claims, scope[0], user)
	}
	refresh, _ := body["refresh_token"].(string)
	if refresh == "" {
		t.Fatal("no refresh token, though offline_token=true asked for one")
	}

	oauth := func(grant, secret string) int {
		form := url.Values{"service": service, "scope": scope, "grant_type": {grant}, "client_id": {"test"}}
		if grant == "password" {
			form.Set("username", user)
			form.Set("password", secret)
		} else {
			form.Set("refresh_token", secret)
		}
		status, body := ask(t, s, form, "")
		if status == http.StatusOK {
			if _, ok := s.Verify(body["access_token"].(string)); !ok {
				t.Errorf("%s: the token is refused", grant)
			}
		}
		return status
	}
	for _, c := range []struct {
		grant, secret string
		want          int
	}{
		{"password", password, 200},
		{"password", "wrong", 401},
		{"refresh_token", refresh, 200},
		{"refresh_token", refresh + "x", 401},
		{"refresh_token", "", 401},
		{"authorization_code", "", 401},
	} {
		if got := oauth(c.grant, c.secret); got != c.want {
			t.Errorf("%s: status %d, want %d", c.grant, got, c.want)
		}
	}
	s.Revoke(user)
	if got := oauth("refresh_token", refresh); got != 401 {
		t.Errorf("revoked refresh token: status %d, want 401", got)
	}

	for name, c := range map[string]struct {
		form  url.Values
		basic string
		want  int
	}{
		"wrong password":  {url.Values{"service": service}, "wrong", 401},
		"no credentials":  {url.Values{"service": service}, "", 401},
		"another service": {url.Values{"service": {"other"}}, password, 400},
	} {
		if status, body := ask(t, s, c.form, c.basic); status != c.want || body["token"] != nil {
			t.Errorf("%s: status %d, want %d and no token", name, status, c.want)
		}
	}
	if _, body := ask(t, s, url.Values{"service": service}, password); body["refresh_token"] != nil {
		t.Error("a refresh token that nobody asked for")
	}
}

func TestVerify_expired(t *testing.T) {
	now := time.Now()
	s, err := NewTokenServer(TokenOptions{Users: map[string]string{user: password}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	_, body := ask(t, s, url.Values{"service": {s.Service()}}, password)
	token := body["token"].(string)
	if _, ok := s.Verify(token); !ok {
		t.Error("the new token is refused")
	}
	if _, ok := s.Verify(token + "x"); ok {
		t.Error("a token that was not issued is taken")
	}
	now = now.Add(tokenLife + time.Second)
	if _, ok := s.Verify(token); ok {
		t.Error("the expired token is taken")
	}
}
