package registry

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"regshape/store/printable"
)

// FuzzTokenAnswer: whatever a token server says ends in a token that fits a header, or
// in a failure that fits a terminal.
func FuzzTokenAnswer(f *testing.F) {
	for _, body := range []string{
		`{"token":"a.b.c","expires_in":300,"issued_at":"2026-01-01T00:00:00Z"}`, `{"access_token":"x","refresh_token":"y"}`,
		`{"error":"invalid_grant","error_description":"no\u001b[31m"}`, `{"errors":[{"code":"DENIED","message":"\u202e"}]}`,
		`{"details":"s3cret-canary-password"}`, `{"expires_in":-1e308,"token":1}`, `[[[[`, `<html>`, "\xff\x00",
	} {
		for _, status := range []int{200, 400, 401, 403, 429, 500} {
			f.Add(status, "application/json", "3", []byte(body))
		}
		f.Add(400, "text/plain", "soon", []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, kind, after string, body []byte) {
		c := client(t, Options{})
		s := &session{c: c, base: &url.URL{Scheme: "https", Host: "reg.example"}, secrets: &redactor{}}
		s.secrets.Learn(alice.Secret)
		server := &tokenServer{s: s, who: "the token server auth.example", realm: &url.URL{Scheme: "https", Host: "auth.example"}, cred: alice}
		g, fail := server.read(&response{
			status: status, body: body[:min(len(body), maxBody)], cut: len(body) > maxBody,
			header: http.Header{"Content-Type": {kind}, "Retry-After": {after}},
		})
		if fail == nil {
			if status != http.StatusOK || g.access == "" || strings.ContainsFunc(g.access, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Errorf("status %d gave the token %q", status, g.access)
			}
			if g.expires < time.Second || g.expires > maxLife {
				t.Errorf("it lives for %s", g.expires)
			}
			return
		}
		if fail.outcome == "" || fail.outcome == Verified || fail.outcome == Unverified {
			t.Errorf("the outcome of a failure is %q", fail.outcome)
		}
		for _, text := range []string{fail.message, fail.detail} {
			if text != printable.Line(text, 400) || strings.Contains(text, alice.Secret) {
				t.Errorf("not fit to print: %q", text)
			}
		}
	})
}
