package registry

import (
	"strings"
	"testing"
	"time"

	"regshape/scripts/testregistry"
)

func TestRefreshAndRevoke(t *testing.T) {
	for _, tt := range []struct {
		name            string
		opts            testregistry.IssuerOptions
		token           string // "" for the login's own
		refresh, revoke Outcome
		message         string
	}{
		{"kept", testregistry.IssuerOptions{}, "", Verified, Verified, ""},
		{"rotated", testregistry.IssuerOptions{Rotate: true}, "", Verified, Verified, ""},
		{"no life", testregistry.IssuerOptions{TokenLife: -1}, "", Verified, Verified, ""},
		{"no revocation", testregistry.IssuerOptions{NoRevocation: true}, "", Verified, Unverified, ""},
		{"revocation fails", testregistry.IssuerOptions{RevokeStatus: 400}, "", Verified, Protocol, ""},
		{"void", testregistry.IssuerOptions{}, "another-token", Rejected, Verified, "no longer accepts"},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			issuer, d, c := startIssuer(t, tt.opts, Options{})
			g, r := c.DeviceLogin(t.Context(), d, (&watched{}).screen())
			if r.Outcome != Verified || g.Expires.IsZero() != (tt.opts.TokenLife < 0) {
				t.Fatalf("%v, expires %v", r, g.Expires)
			}
			token := first(tt.token, g.RefreshToken)
			again, r := c.Refresh(t.Context(), d, token)
			if r.Outcome != tt.refresh || !strings.Contains(r.Message, tt.message) {
				t.Fatalf("refresh: %v", r)
			}
			if tt.refresh == Verified {
				if !issuer.Accepts(again.AccessToken) || again.AccessToken == g.AccessToken || (again.RefreshToken != token) != tt.opts.Rotate {
					t.Error("not what the issuer gave")
				}
				token = again.RefreshToken
			}
			if r := c.Revoke(t.Context(), d, token); r.Outcome != tt.revoke {
				t.Errorf("revoke: %v", r)
			}
		})
	}
}

func TestLifetime(t *testing.T) {
	for _, tt := range []struct {
		in   any
		want float64
	}{{3600.0, 3600}, {"3600", 3600}, {"soon", 0}, {nil, 0}, {true, 0}, {[]any{}, 0}} {
		if got := lifetime(tt.in); got != tt.want {
			t.Errorf("lifetime(%v) = %v, want %v", tt.in, got, tt.want)
		}
	}
	now := time.Now()
	if got := expiry(now.Add(2*maxLife), now); got.After(now.Add(maxLife)) {
		t.Errorf("expiry %v is beyond reason", got)
	}
}
