package registry

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestHubToken(t *testing.T) {
	enc := base64.RawURLEncoding.EncodeToString
	access := enc([]byte(`{}`)) + "." + enc([]byte(`{"https://hub.docker.com":{"username":"alice"}}`)) + "." + enc([]byte("s"))
	house := newHouse(t)
	for _, tt := range []struct {
		name, access, body string
		status             int
		want               Outcome
		user, token        string
	}{
		{"made", access, `{"data":{"token":"dckr_pat_canary"}}`, http.StatusCreated, Verified, "alice", "dckr_pat_canary"},
		{"no claims", "opaque", `{"data":{"token":"dckr_pat_canary"}}`, http.StatusCreated, Verified, "", "dckr_pat_canary"},
		{"refused", access, `{"message":"no"}`, http.StatusForbidden, Forbidden, "", ""},
		{"not made", access, `{"data":{"token":"dckr_pat_canary"}}`, http.StatusOK, Protocol, "", ""},
		{"empty", access, `{}`, http.StatusCreated, Protocol, "", ""},
		{"no JSON", access, `<html>`, http.StatusCreated, Protocol, "", ""},
		{"a header's end", access, `{"data":{"token":"a\r\nb"}}`, http.StatusCreated, Protocol, "", ""},
		{"down", access, ``, http.StatusBadGateway, Unreachable, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := ""
			hub := house.startTLS(t, func(w http.ResponseWriter, r *http.Request) {
				asked += r.Method + " " + r.Host + r.URL.Path + " " + r.Header.Get("Authorization")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			})
			c, err := New(Options{CAFile: house.caFile, Timeout: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			c.proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
			c.dial = at(map[string]listening{"hub.docker.com:443": {"203.0.113.1", hub}})
			user, token, r := c.HubToken(t.Context(), tt.access)
			if r.Outcome != tt.want || user != tt.user || token != tt.token || strings.Contains(r.Message, tt.access) {
				t.Errorf("%v: user %q", r, user)
			}
			if want := "POST hub.docker.com/v2/access-tokens/desktop-generate Bearer " + tt.access; asked != want {
				t.Errorf("asked %q, want once %q", asked, want)
			}
		})
	}
}
