package registry

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"regshape/store/printable"
)

const (
	clientID = "regshape"
	// tokenLife is the default of distribution's token specification for expires_in.
	tokenLife = 60 * time.Second
	// maxLife bounds expires_in, so that no arithmetic overflows.
	maxLife = 10 * 365 * 24 * time.Hour
)

// grant is what a token server issued.
type grant struct {
	access, refresh string
	expires         time.Duration
}

// tokenServer is the realm of one challenge, with the parameters of its requests.
type tokenServer struct {
	s      *session
	realm  *url.URL
	who    string
	values url.Values // service and scopes
	cred   Credential
}

// grant gets a token as the challenge ch asks for it.
func (s *session) grant(ctx context.Context, ch challenge, scope string, cred Credential) (grant, *failure) {
	realm, fail := parseRealm(ch.params["realm"], s.base)
	if fail != nil {
		return grant{}, fail
	}
	t := &tokenServer{
		s: s, realm: realm, who: "the token server " + printable.Line(realm.Host, 200),
		values: url.Values{}, cred: cred,
	}
	if service := ch.params["service"]; service != "" {
		t.values.Set("service", service)
	}
	// The challenge's own scope is ignored, as docker does at a login: at /v2/ it is an
	// example of a repository, which the account need not have.
	if scopes := strings.Fields(scope); len(scopes) > 0 {
		t.values["scope"] = scopes
	}
	g, fail := t.obtain(ctx)
	s.secrets.Learn(g.access)
	s.secrets.Learn(g.refresh)
	return g, fail
}

// realmURL is the URL of a realm, or nil where no client could ask there.
func realmURL(realm string) *url.URL {
	u := httpURL(realm)
	if u == nil {
		return nil
	}
	if _, err := strconv.ParseUint(port(u), 10, 16); err != nil {
		return nil
	}
	return u
}

// parseRealm checks the realm of a Bearer challenge before anything is sent there.
// Where it resolves to is checked at dial time.
func parseRealm(realm string, registry *url.URL) (*url.URL, *failure) {
	u := realmURL(realm)
	refuse := func(what string) (*url.URL, *failure) {
		return nil, &failure{outcome: Protocol, message: what}
	}
	switch {
	case u == nil:
		return refuse("the token realm is not an http or https URL")
	case u.User != nil:
		return refuse("the token realm at " + printable.Line(u.Host, 200) + " carries a user name and was refused")
	case u.Scheme == "http" && registry.Scheme == "https":
		return refuse("the token realm " + origin(u) + " is plain http though the registry is https; nothing was sent to it")
	}
	u.Fragment = ""
	return u, nil
}

// obtain asks the token server: with an identity token by OAuth2's refresh grant, as every
// client does that takes the stored login; with a password by Docker's GET with Basic, or
// where the server has none, and responds 404 or 405, by OAuth2, too.
func (t *tokenServer) obtain(ctx context.Context) (grant, *failure) {
	s, cred := t.s, t.cred
	ways := []func(context.Context) (*response, *failure){t.get, t.post}
	switch {
	case cred.IdentityToken:
		ways = ways[1:]
	case cred.empty():
		ways = ways[:1]
	}
	var (
		res     *response
		fail    *failure
		missing bool
	)
	for _, way := range ways {
		if res, fail = way(ctx); fail != nil {
			return grant{}, t.named(fail)
		}
		if missing = res.status == http.StatusNotFound || res.status == http.StatusMethodNotAllowed; !missing {
			break
		}
	}
	if missing && cred.IdentityToken {
		return grant{}, &failure{outcome: Protocol, message: t.who + " does not accept identity tokens", advice: GivePassword}
	}
	g, fail := t.read(res)
	if fail != nil {
		return grant{}, fail
	}
	if s.c.opt.WantIdentityToken && g.refresh == "" && !cred.IdentityToken && !cred.empty() {
		// Some servers issue refresh tokens for POST only. A failure does no harm: the
		// caller sees that there is none.
		if res, fail := t.post(ctx); fail == nil {
			if more, fail := t.read(res); fail == nil {
				g.refresh = more.refresh
			}
		}
	}
	return g, nil
}

// get is Docker's protocol (distribution, spec/auth/token).
func (t *tokenServer) get(ctx context.Context) (*response, *failure) {
	u := *t.realm
	q := u.Query()
	for name, values := range t.values {
		q[name] = values
	}
	auth := ""
	if !t.cred.empty() {
		var fail *failure
		if auth, fail = basicValue(t.cred.Username, t.cred.Secret); fail != nil {
			return nil, fail
		}
		q.Set("account", t.cred.Username)
	}
	if t.s.c.opt.WantIdentityToken {
		q.Set("offline_token", "true")
		q.Set("client_id", clientID)
	}
	u.RawQuery = q.Encode()
	return t.s.do(ctx, request{url: &u, auth: auth})
}

// post is OAuth2 (distribution, spec/auth/oauth; RFC 6749 §4.3 and §6).
func (t *tokenServer) post(ctx context.Context) (*response, *failure) {
	form := url.Values{"client_id": {clientID}}
	for name, values := range t.values {
		form.Set(name, strings.Join(values, " "))
	}
	if t.cred.IdentityToken {
		form.Set("grant_type", "refresh_token")
		form.Set("refresh_token", t.cred.Secret)
	} else {
		form.Set("grant_type", "password")
		form.Set("username", t.cred.Username)
		form.Set("password", t.cred.Secret)
	}
	if t.s.c.opt.WantIdentityToken {
		form.Set("access_type", "offline")
	}
	return t.s.do(ctx, request{url: t.realm, form: form, once: t.cred.IdentityToken})
}

// named names the token server in a connection error.
func (t *tokenServer) named(f *failure) *failure {
	out := *f
	switch f.outcome {
	case Unreachable, TLS, Protocol:
		if !strings.Contains(f.message, t.realm.Host) && f.advice != CheckUsername {
			out.message = t.who + ": " + f.message
		}
	}
	return &out
}

// read reads the token server's response.
func (t *tokenServer) read(res *response) (grant, *failure) {
	var body struct {
		Token   string
		Access  string  `json:"access_token"`
		Refresh string  `json:"refresh_token"`
		Expires float64 `json:"expires_in"`
		Error   any
	}
	// A body that does not parse leaves the token empty, which is checked below; an
	// expires_in in quotes does no harm.
	_ = json.Unmarshal(res.body, &body)
	code, _ := body.Error.(string)
	rejected := &failure{outcome: Rejected, message: rejectedText, detail: t.s.detail(res)}
	switch {
	case res.status == http.StatusUnauthorized:
		return grant{}, rejected
	case res.status == http.StatusForbidden:
		return grant{}, t.s.forbidden(res, t.who+" forbids access")
	case res.status == http.StatusBadRequest && code == "invalid_grant":
		// RFC 6749 §5.2: the password or refresh token is wrong, expired or revoked.
		return grant{}, rejected
	case res.status == http.StatusBadRequest && (code == "unauthorized_client" || code == "invalid_scope" || code == "access_denied"):
		return grant{}, t.s.forbidden(res, t.who+" forbids access")
	case res.status != http.StatusOK:
		return grant{}, t.s.statusFailure(res, t.who)
	}
	g := grant{access: first(body.Token, body.Access), refresh: body.Refresh, expires: tokenLife}
	if body.Expires >= 1 {
		g.expires = time.Duration(min(body.Expires, maxLife.Seconds())) * time.Second
	}
	// A token is visible ASCII (RFC 6750 §2.1); anything else could not be a header.
	odd := strings.ContainsFunc(g.access, func(r rune) bool { return r <= ' ' || r >= 0x7f })
	if res.cut || g.access == "" || odd {
		return grant{}, &failure{outcome: Protocol, message: t.who + " answered without a usable token"}
	}
	return g, nil
}
