package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode"

	"golang.org/x/oauth2"
)

// expiredText is what every way to run out of time says.
const expiredText = "the code has expired; run the command again"

// refused turns an error of x/oauth2 into the outcome and the words for it. Its own texts
// hold the answer's body and are never shown.
func (s *session) refused(ctx context.Context, err error) *failure {
	var said *oauth2.RetrieveError
	var f *failure
	switch {
	case errors.As(err, &f):
		return s.issuerNamed(f)
	case errors.As(err, &said) && said.Response != nil:
		return s.refusal(&answer{status: said.Response.StatusCode, header: said.Response.Header, body: said.Body})
	case ctx.Err() != nil, errors.As(err, new(interface{ Timeout() bool })):
		return s.issuerNamed(s.explain(ctx, err))
	}
	// Its transport answered, so this is a body that x/oauth2 could not read.
	return &failure{outcome: Protocol, message: s.issuerWho() + " answered without a usable token"}
}

// refusal puts an OAuth2 error (RFC 6749 §5.2, RFC 8628 §3.5) into words.
func (s *session) refusal(ans *answer) *failure {
	var body struct{ Error any }
	_ = json.Unmarshal(ans.body, &body) // what does not parse has no code
	code, _ := body.Error.(string)
	f := &failure{outcome: Forbidden, detail: s.detail(ans)}
	switch code {
	case "access_denied":
		f.outcome, f.message = Rejected, "the login was denied in the browser"
	case "expired_token":
		f.outcome, f.message = Expired, expiredText
	case "invalid_client", "unauthorized_client":
		f.message = s.issuerWho() + " does not let this client log in with a device"
		f.advice = CheckClientID
	case "unsupported_grant_type":
		f.message = s.issuerWho() + " allows no device logins"
	case "invalid_scope":
		f.message, f.advice = s.issuerWho()+" refuses the scope", OtherScope
	case "invalid_grant":
		f.outcome, f.message = Rejected, s.issuerWho()+" no longer accepts the code or token"
	default:
		if isRedirect(ans.status) {
			return &failure{outcome: Protocol, message: s.issuerWho() + " redirects; nothing was sent on"}
		}
		return s.unsuccessful(ans, s.issuerWho())
	}
	return f
}

// claimedName is the user name in an ID token's payload (OpenID Connect Core §5.1), or "".
// Its signature is not checked: the name is shown, and then proved by the registry. What
// could not be a user name of Basic authentication is passed over.
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

// pending is an answer as the issuer would give it while the user has not confirmed.
func pending(req *http.Request, code string) *http.Response {
	body := `{"error":"` + code + `"}`
	return buffered(&http.Response{
		Status: "400 Bad Request", StatusCode: http.StatusBadRequest, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Request: req,
	}, []byte(body))
}
