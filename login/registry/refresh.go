package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"
)

// Refresh renews the access token of a device login (RFC 6749 §6). The grant's
// RefreshToken is the one to keep: the one given, or the issuer's replacement, in which case
// the old one may be void already. Rejected means that the user has to log in again. Scope
// and Audience are not sent: the issuer keeps what was granted.
func (c *Client) Refresh(ctx context.Context, d DeviceClient, refreshToken string) (g DeviceGrant, r Result) {
	r = c.withIssuer(ctx, d.Issuer, refreshToken, func(ctx context.Context, s *session, u *url.URL) *failure {
		meta, fail := s.discover(ctx, d.Issuer, u)
		if fail != nil {
			return fail
		}
		res, fail := s.do(ctx, request{url: meta.token, once: true, form: url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}, "client_id": {d.ClientID},
		}})
		if fail != nil {
			return s.asIssuer(fail)
		}
		renewed, fail := s.readRefreshed(res, refreshToken)
		if fail != nil {
			return fail
		}
		g = renewed
		g.Scope = d.Scope
		return &failure{outcome: Verified, message: "the access token was renewed"}
	})
	return g, r
}

// readRefreshed reads the token endpoint's response.
func (s *session) readRefreshed(res *response, refreshToken string) (DeviceGrant, *failure) {
	if res.status != http.StatusOK {
		return DeviceGrant{}, s.oauthRefusal(res)
	}
	var body struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Expires any    `json:"expires_in"`
		ID      string `json:"id_token"`
		Error   any
	}
	if err := json.Unmarshal(res.body, &body); err != nil || res.cut {
		return DeviceGrant{}, &failure{outcome: Protocol, message: s.issuerLabel() + " answered without a usable token"}
	}
	if body.Error != nil && body.Access == "" {
		return DeviceGrant{}, s.oauthRefusal(res) // some issuers send errors with 200
	}
	g := DeviceGrant{AccessToken: body.Access, RefreshToken: first(body.Refresh, refreshToken), Username: claimedName(body.ID)}
	if seconds := lifetime(body.Expires); seconds >= 1 {
		now := s.c.now()
		g.Expires = expiry(now.Add(time.Duration(min(seconds, maxLife.Seconds()))*time.Second), now)
	}
	return g, s.checkGrant(g)
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

// Revoke revokes a device login's refresh token at its issuer (RFC 7009). The outcome is
// Verified when that succeeded, Unverified when the issuer offers no revocation, else
// what went wrong. It takes no longer than Options.Timeout.
func (c *Client) Revoke(ctx context.Context, d DeviceClient, refreshToken string) Result {
	return c.withIssuer(ctx, d.Issuer, refreshToken, func(ctx context.Context, s *session, u *url.URL) *failure {
		meta, fail := s.discover(ctx, d.Issuer, u)
		if fail != nil {
			return fail
		}
		if meta.revocation == nil {
			return &failure{outcome: Unverified, message: s.issuerLabel() + " offers no revocation"}
		}
		res, fail := s.do(ctx, request{url: meta.revocation, form: url.Values{
			"token": {refreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {d.ClientID},
		}})
		switch {
		case fail != nil:
			return s.asIssuer(fail)
		case res.status != http.StatusOK:
			return s.oauthRefusal(res)
		}
		return &failure{outcome: Verified, message: "the refresh token was revoked"}
	})
}

// expiredText is the message of an expired code.
const expiredText = "the code has expired"

// oauthFailure turns an error of x/oauth2 into an outcome and a message. Its own texts hold the
// body of the response and are never shown.
func (s *session) oauthFailure(ctx context.Context, err error) *failure {
	var retrieve *oauth2.RetrieveError
	var f *failure
	switch {
	case errors.As(err, &f):
		return s.asIssuer(f)
	case errors.As(err, &retrieve) && retrieve.Response != nil:
		return s.oauthRefusal(&response{status: retrieve.Response.StatusCode, header: retrieve.Response.Header, body: retrieve.Body})
	case ctx.Err() != nil, errors.As(err, new(interface{ Timeout() bool })):
		return s.asIssuer(s.explain(ctx, err))
	}
	// The transport succeeded, so this is a body that x/oauth2 could not read.
	return &failure{outcome: Protocol, message: s.issuerLabel() + " answered without a usable token"}
}

// oauthRefusal turns an OAuth2 error (RFC 6749 §5.2, RFC 8628 §3.5) into a failure.
func (s *session) oauthRefusal(res *response) *failure {
	var body struct{ Error any }
	_ = json.Unmarshal(res.body, &body) // what does not parse has no code
	code, _ := body.Error.(string)
	f := &failure{outcome: Forbidden, detail: s.detail(res)}
	switch code {
	case "access_denied":
		f.outcome, f.message, f.advice = Rejected, "the login was denied in the browser", ConfirmAgain
	case "expired_token":
		f.outcome, f.message, f.advice = Expired, expiredText, ConfirmAgain
	case "invalid_client", "unauthorized_client":
		f.message = s.issuerLabel() + " does not allow this client the device login"
		f.advice = CheckClientID
	case "unsupported_grant_type":
		f.message, f.advice = s.issuerLabel()+" does not support device logins", GivePassword
	case "invalid_scope":
		f.message, f.advice = s.issuerLabel()+" refuses the scope", OtherScope
	case "invalid_grant":
		f.outcome, f.message, f.advice = Rejected, s.issuerLabel()+" no longer accepts the code or token", ConfirmAgain
	default:
		if isRedirect(res.status) {
			return &failure{outcome: Protocol, message: s.issuerLabel() + " redirects; the redirect was not followed"}
		}
		return s.statusFailure(res, s.issuerLabel())
	}
	return f
}

// claimedName is the user name in an ID token's payload (OpenID Connect Core §5.1), or "".
// Its signature is not checked: the name is shown, and then verified by the registry. A
// claim that cannot be a user name of Basic authentication is skipped.
func claimedName(token string) string {
	var claims struct {
		Name    any `json:"preferred_username"`
		Email   any
		Subject any `json:"sub"`
	}
	if !readClaims(token, &claims) {
		return ""
	}
	for _, claim := range []any{claims.Name, claims.Email, claims.Subject} {
		if name, _ := claim.(string); usableName(name) {
			return name
		}
	}
	return ""
}

// readClaims decodes the payload of a JWT (RFC 7519 §3), unverified.
func readClaims(token string, claims any) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	return err == nil && json.Unmarshal(payload, claims) == nil
}

func usableName(name string) bool {
	return name != "" && len(name) <= 255 && !strings.ContainsFunc(name, func(r rune) bool {
		return r == ':' || r == unicode.ReplacementChar || !unicode.IsPrint(r)
	})
}

// pending is the issuer's response while the user has not confirmed.
func pending(req *http.Request, code string) *http.Response {
	body := `{"error":"` + code + `"}`
	return buffered(&http.Response{
		Status: "400 Bad Request", StatusCode: http.StatusBadRequest, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Request: req,
	}, []byte(body))
}
