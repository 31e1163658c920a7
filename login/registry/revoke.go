package registry

import (
	"context"
	"net/http"
	"net/url"
)

// Revoke makes a device login's refresh token worthless at its issuer (RFC 7009). The
// outcome is Verified when it is, Unverified when the issuer offers no revocation, else
// what went wrong. It takes no longer than Options.Timeout.
func (c *Client) Revoke(ctx context.Context, d DeviceClient, refreshToken string) Result {
	s, u, fail := c.openIssuer(d.Issuer)
	if fail != nil {
		return s.result("", fail)
	}
	defer s.router.close()
	s.secrets.learn(refreshToken)
	ctx, done := s.timed(ctx)
	defer done()
	meta, fail := s.discover(ctx, d.Issuer, u)
	if fail != nil {
		return s.result("", fail)
	}
	if meta.revocation == nil {
		return s.result("", &failure{outcome: Unverified, message: s.issuerWho() + " offers no revocation"})
	}
	ans, err := s.ask(ctx, question{url: meta.revocation, form: url.Values{
		"token": {refreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {d.ClientID},
	}})
	switch {
	case err != nil:
		return s.result("", s.issuerNamed(s.explain(ctx, err)))
	case ans.status != http.StatusOK:
		return s.result("", s.refusal(ans))
	}
	return s.result("", &failure{outcome: Verified, message: "the refresh token was revoked"})
}
