package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"regshape/store/printable"
)

var (
	errIssuer      = errors.New("the issuer is not a URL such as https://id.example.com")
	errIssuerHTTP  = errors.New("the issuer must use https; plain http is for loopback addresses alone")
	errIssuerExtra = errors.New("the issuer's URL has no user name, query or fragment (RFC 8414 §2)")
)

// CheckIssuer refuses a URL that cannot name an issuer (RFC 8414 §2): it is https, or
// http at a loopback address, and has no user name, query or fragment. The error does
// not repeat the URL.
func CheckIssuer(issuer string) error {
	_, err := parseIssuer(issuer)
	return err
}

func parseIssuer(issuer string) (*url.URL, error) {
	u := httpURL(issuer)
	switch {
	case u == nil:
		return nil, errIssuer
	case u.User != nil, u.RawQuery != "", u.ForceQuery, strings.Contains(issuer, "#"):
		return nil, errIssuerExtra
	case u.Scheme == "http" && !loopback(u.Host):
		return nil, errIssuerHTTP
	}
	return u, nil
}

// metadata is an issuer's (RFC 8414 §2, RFC 8628 §4). A nil URL is an endpoint that it does
// not have.
type metadata struct {
	device, token, revocation *url.URL
	scopes                    []string
}

// openIssuer prepares a session with an issuer in the place of a registry, whose own origin
// has to stay where it was first reached; every other one that its metadata names is under
// the dialGuard's check.
func (c *Client) openIssuer(issuer string) (*session, *url.URL, *failure) {
	u, err := parseIssuer(issuer)
	if err != nil {
		return nil, nil, &failure{outcome: Protocol, message: err.Error(), advice: GiveIssuer}
	}
	return c.newSession(&url.URL{Scheme: u.Scheme, Host: u.Host}, true), u, nil
}

// withIssuer runs ask with an issuer, within Options.Timeout. No message shows the secret.
// What ask returns is the result, also if it went well.
func (c *Client) withIssuer(ctx context.Context, issuer, secret string, ask func(context.Context, *session, *url.URL) *failure) Result {
	s, u, fail := c.openIssuer(issuer)
	if fail != nil {
		return fail.result()
	}
	defer s.router.close()
	s.secrets.Learn(secret)
	ctx, done := s.timed(ctx)
	defer done()
	return ask(ctx, s, u).result()
}

// discover reads the issuer's metadata from the URL of RFC 8414 §3, then from that of OpenID
// Connect Discovery §4. Metadata of another issuer ends the search, since that is what a
// mix-up attack looks like. A redirect to another origin counts as no metadata.
func (s *session) discover(ctx context.Context, issuer string, u *url.URL) (metadata, *failure) {
	path := strings.TrimSuffix(u.Path, "/")
	var found metadata
	last := &failure{}
	var elsewhere *failure
	for _, at := range []string{"/.well-known/oauth-authorization-server" + path, path + "/.well-known/openid-configuration"} {
		res, fail := s.do(ctx, request{url: s.at(at)})
		if fail != nil {
			return metadata{}, s.asIssuer(fail)
		}
		if res.status == http.StatusOK && !sameOrigin(res.url, s.base) {
			elsewhere = &failure{
				outcome: Protocol, message: s.issuerLabel() + " redirects to " + origin(res.url) + " for its metadata, which was refused",
				advice: CheckIssuerURL,
			}
			continue
		}
		if res.status != http.StatusOK || res.isPage() || len(res.body) == 0 {
			if last.message == "" || temporary(res.status) {
				last = s.statusFailure(res, s.issuerLabel())
			}
			continue
		}
		m, fail := readMetadata(issuer, s.base, res)
		if fail != nil {
			return metadata{}, s.asIssuer(fail)
		}
		if found = m; m.device != nil {
			break // OpenID's may have more than RFC 8414's
		}
	}
	if found.token == nil {
		switch {
		case last.outcome == Unreachable || last.outcome == Throttled:
			return metadata{}, last
		case elsewhere != nil:
			return metadata{}, elsewhere
		}
		return metadata{}, &failure{
			outcome: Protocol, message: s.issuerLabel() + " has no metadata (RFC 8414 or OpenID Connect)",
			advice: CheckIssuerURL,
		}
	}
	return found, nil
}

// readMetadata checks one document. Its issuer must be exactly the one that was asked (RFC
// 8414 §3.3).
func readMetadata(issuer string, base *url.URL, res *response) (metadata, *failure) {
	var body struct {
		Issuer     string
		Device     string   `json:"device_authorization_endpoint"`
		Token      string   `json:"token_endpoint"`
		Revocation string   `json:"revocation_endpoint"`
		Scopes     []string `json:"scopes_supported"`
	}
	if err := json.Unmarshal(res.body, &body); err != nil || res.cut || body.Token == "" {
		return metadata{}, &failure{outcome: Protocol, message: "its metadata is not valid"}
	}
	if body.Issuer != issuer {
		f := &failure{outcome: Protocol, message: "its metadata names another issuer; nothing was sent to it", advice: CheckIssuerURL}
		if strings.TrimSuffix(body.Issuer, "/") == strings.TrimSuffix(issuer, "/") {
			f.advice, f.suggested = UseIssuer, printable.Line(body.Issuer, 200)
		}
		return metadata{}, f
	}
	var m metadata
	for _, one := range []struct {
		text string
		to   **url.URL
	}{{body.Device, &m.device}, {body.Token, &m.token}, {body.Revocation, &m.revocation}} {
		if one.text == "" {
			continue
		}
		u, fail := parseEndpoint(one.text, base)
		if fail != nil {
			return metadata{}, fail
		}
		*one.to = u
	}
	m.scopes = body.Scopes
	return m, nil
}

// parseEndpoint checks a URL that an issuer names before anything is sent there or shown.
// Where it resolves to is checked at dial time.
func parseEndpoint(text string, base *url.URL) (*url.URL, *failure) {
	u := httpURL(text)
	switch {
	case u == nil:
		return nil, &failure{outcome: Protocol, message: "it names an address that is not an http or https URL"}
	case u.User != nil:
		return nil, &failure{outcome: Protocol, message: "it names an address with a user name in it, which was refused"}
	case u.Scheme == "http" && (base.Scheme != "http" || !loopback(u.Host)):
		return nil, &failure{outcome: Protocol, message: "it names " + origin(u) + ", which is plain http and was refused"}
	}
	u.Fragment = ""
	return u, nil
}

// scopeFor is the scope to request: the user's, else those of OpenID Connect for a user name
// and a refresh token, as far as the issuer lists them.
func (m metadata) scopeFor(wanted string) []string {
	if wanted != "" {
		return strings.Fields(wanted)
	}
	return slices.DeleteFunc([]string{"openid", "offline_access"}, func(scope string) bool {
		return !slices.Contains(m.scopes, scope)
	})
}

func (s *session) issuerLabel() string { return "the issuer " + printable.Line(s.base.Host, 200) }

// asIssuer names the issuer in a failure.
func (s *session) asIssuer(f *failure) *failure {
	out := *f
	if f.message != "interrupted" && !strings.Contains(f.message, s.base.Host) {
		out.message = s.issuerLabel() + ": " + f.message
	}
	return &out
}
