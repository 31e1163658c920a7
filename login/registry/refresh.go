package registry

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Refresh renews the access token of a device login (RFC 6749 §6). The grant's
// RefreshToken is the one to keep: the one given, or what the issuer put in its place, in
// which case the old one may be void already. Rejected means that the user has to log in
// again. Scope and Audience are not sent: the issuer keeps what was granted.
func (c *Client) Refresh(ctx context.Context, d DeviceClient, refreshToken string) (DeviceGrant, Result) {
	s, u, fail := c.openIssuer(d.Issuer)
	if fail != nil {
		return DeviceGrant{}, s.result("", fail)
	}
	defer s.router.close()
	s.secrets.learn(refreshToken)
	ctx, done := s.timed(ctx)
	defer done()
	meta, fail := s.discover(ctx, d.Issuer, u)
	if fail != nil {
		return DeviceGrant{}, s.result("", fail)
	}
	ans, err := s.ask(ctx, question{url: meta.token, once: true, form: url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}, "client_id": {d.ClientID},
	}})
	if err != nil {
		return DeviceGrant{}, s.result("", s.issuerNamed(s.explain(ctx, err)))
	}
	g, fail := s.readRefreshed(ans, refreshToken)
	if fail != nil {
		return DeviceGrant{}, s.result("", fail)
	}
	g.Scope = d.Scope
	return g, s.result("", &failure{outcome: Verified, message: "the access token was renewed"})
}

// readRefreshed judges the token endpoint's answer.
func (s *session) readRefreshed(ans *answer, refreshToken string) (DeviceGrant, *failure) {
	if ans.status != http.StatusOK {
		return DeviceGrant{}, s.refusal(ans)
	}
	var body struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Expires any    `json:"expires_in"`
		ID      string `json:"id_token"`
		Error   any
	}
	if err := json.Unmarshal(ans.body, &body); err != nil || ans.cut {
		return DeviceGrant{}, &failure{outcome: Protocol, message: s.issuerWho() + " answered without a usable token"}
	}
	if body.Error != nil && body.Access == "" {
		return DeviceGrant{}, s.refusal(ans) // some say so with 200
	}
	g := DeviceGrant{AccessToken: body.Access, RefreshToken: first(body.Refresh, refreshToken), Username: claimedName(body.ID)}
	if seconds := lifetime(body.Expires); seconds >= 1 {
		now := s.c.now()
		g.Expires = expiry(now.Add(time.Duration(min(seconds, maxLife.Seconds()))*time.Second), now)
	}
	return g, s.usable(g)
}

// lifetime reads expires_in, which some issuers put in quotes.
func lifetime(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case string:
		var n float64
		if json.Unmarshal([]byte(v), &n) == nil {
			return n
		}
	}
	return 0
}
