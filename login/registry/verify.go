package registry

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"regshape/store"
	"regshape/store/printable"
)

const rejectedText = "authentication rejected"

// Verify asks the registry of an address (registry-1.docker.io for Docker Hub) whether it
// accepts cred.
//
// With a scope such as "repository:team/app:pull" the token is for that scope, and where
// /v2/ refuses the credential, as some registries do for robot accounts, the repository's
// tags decide instead. Without a scope only /v2/ counts.
//
// It takes no longer than Options.Timeout and returns at once when ctx ends; the Result is
// then Unreachable.
func (c *Client) Verify(ctx context.Context, address store.Address, scope string, cred Credential) Result {
	ctx, done, s, fail := c.open(ctx, address)
	if fail != nil {
		return fail.result()
	}
	defer done()
	s.secrets.Learn(cred.Secret)
	ch, target, fail := s.findChallenge(ctx, scope)
	if fail != nil {
		return s.result(fail)
	}
	if cred.empty() {
		return s.result(&failure{outcome: Rejected, message: rejectedText, advice: GiveCredential})
	}
	var identity string
	if ch.scheme == "basic" {
		var auth string
		if auth, fail = basicAuth(cred); fail == nil {
			fail = s.prove(ctx, target, scope, auth)
		}
	} else {
		identity, fail = s.proveToken(ctx, ch, target, scope, cred)
	}
	if fail != nil {
		return s.result(fail)
	}
	out := s.result(&failure{outcome: Verified, message: "the registry accepted the credential"})
	out.IdentityToken, out.TokenServer = identity, ch.scheme == "bearer"
	return out
}

// Token obtains a bearer token for scope, or without one for the account alone; an empty
// credential requests an anonymous token. The Outcome is Verified when the token server
// issued one, and Unverified, with an empty Token, when the registry needs none. Whether the
// registry accepts the token is not checked.
func (c *Client) Token(ctx context.Context, address store.Address, scope string, cred Credential) (Token, Result) {
	ctx, done, s, fail := c.open(ctx, address)
	if fail != nil {
		return Token{}, fail.result()
	}
	defer done()
	s.secrets.Learn(cred.Secret)
	ch, _, fail := s.findChallenge(ctx, scope)
	if fail != nil {
		if fail.outcome == Unverified {
			fail.advice = NoToken
		}
		return Token{}, s.result(fail)
	}
	if ch.scheme != "bearer" {
		return Token{}, s.result(&failure{
			outcome: Protocol, message: "the registry does not issue tokens: it uses Basic authentication",
			advice: NoToken,
		})
	}
	g, fail := s.grant(ctx, ch, scope, cred)
	if fail != nil {
		return Token{}, s.result(fail)
	}
	out := s.result(&failure{outcome: Verified, message: "the token server issued a token"})
	out.IdentityToken = g.refresh
	return Token{Value: g.access, ExpiresIn: g.expires}, out
}

// result is f with how the registry was reached.
func (s *session) result(f *failure) Result {
	r := f.result()
	if s.answered {
		r.Transport = s.base.Scheme
		if r.Transport == "https" && s.c.opt.Insecure {
			r.Transport = "https-insecure"
		}
	}
	return r
}

// proveToken obtains a token and sends it to target.
func (s *session) proveToken(ctx context.Context, ch challenge, target *url.URL, scope string, cred Credential) (identity string, fail *failure) {
	g, fail := s.grant(ctx, ch, scope, cred)
	if fail == nil {
		fail = s.prove(ctx, target, scope, "Bearer "+g.access)
	}
	return g.refresh, fail
}

// prove sends auth to target, and where /v2/ refuses it to the tags of the scope. Nil means
// that the credential was accepted.
func (s *session) prove(ctx context.Context, target *url.URL, scope, auth string) *failure {
	verdict := s.try(ctx, target, auth)
	if verdict == nil || verdict.outcome != Rejected && verdict.outcome != Forbidden {
		return verdict
	}
	tags := s.tags(scope)
	if tags == nil {
		// A wrong password must not be blamed on the scope.
		if verdict.outcome == Forbidden || strings.HasPrefix(auth, "Bearer ") {
			verdict.advice = GiveScope
		}
		return verdict
	}
	if target.Path == tags.Path {
		return verdict
	}
	// A public repository proves nothing about the credential.
	open, fail := s.do(ctx, request{url: tags})
	if fail != nil {
		return fail
	}
	if open.status != http.StatusUnauthorized && open.status != http.StatusForbidden {
		return verdict
	}
	return s.try(ctx, tags, auth)
}

// try sends auth to u. A repository without tags is 404 to those who may read it.
func (s *session) try(ctx context.Context, u *url.URL, auth string) *failure {
	res, fail := s.do(ctx, request{url: u, auth: auth})
	if fail != nil {
		return fail
	}
	switch {
	case res.status == http.StatusUnauthorized:
		return &failure{outcome: Rejected, message: rejectedText, detail: s.detail(res)}
	case res.status == http.StatusForbidden:
		return s.forbidden(res, "access forbidden")
	case res.isPage(), res.status == http.StatusNotFound && u.Path == "/v2/":
		return s.notARegistry(res)
	case res.status == http.StatusOK, res.status == http.StatusNotFound:
		return nil
	}
	return s.statusFailure(res, theRegistry)
}

func (s *session) forbidden(res *response, what string) *failure {
	f := &failure{outcome: Forbidden, message: what, detail: s.detail(res)}
	if f.detail != "" {
		f.message += ": " + f.detail
	}
	return f
}

func (s *session) notARegistry(res *response) *failure {
	what, advice := "a web page", CheckName
	if res.status == http.StatusNotFound { // most servers say it with a page
		what, advice = statusText(res.status), NoAPI
	}
	return &failure{outcome: NotARegistry, message: "not a registry: it answers /v2/ with " + what, advice: advice}
}

func (s *session) at(path string) *url.URL {
	return &url.URL{Scheme: s.base.Scheme, Host: s.base.Host, Path: path}
}

// tags is the URL of the tags of the first repository in scope, or nil. The scope's
// form is distribution's: type:name:actions, several separated by blanks.
func (s *session) tags(scope string) *url.URL {
	for _, one := range strings.Fields(scope) {
		name, ok := strings.CutPrefix(one, "repository:")
		if i := strings.LastIndexByte(name, ':'); ok && i > 0 {
			name = name[:i]
			if strings.ContainsAny(name, `:?#\%`) || strings.Contains("/"+name+"/", "/../") {
				continue
			}
			return s.at("/v2/" + name + "/tags/list")
		}
	}
	return nil
}

// basicAuth is the Authorization value of RFC 7617, which cannot encode a user name with a
// colon.
func basicAuth(cred Credential) (string, *failure) {
	if cred.IdentityToken {
		return "", &failure{
			outcome: Protocol, message: "the registry does not accept identity tokens: it uses Basic authentication",
			advice: GivePassword,
		}
	}
	return basicValue(cred.Username, cred.Secret)
}

func basicValue(user, secret string) (string, *failure) {
	if strings.Contains(user, ":") {
		return "", &failure{outcome: Protocol, message: "a user name with a colon cannot be sent with Basic authentication", advice: CheckUsername}
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret)), nil
}

// findChallenge gets the registry's challenge and the URL that it is for. An Unverified
// outcome is a failure, too: there is nothing left to ask.
func (s *session) findChallenge(ctx context.Context, scope string) (challenge, *url.URL, *failure) {
	target := s.at("/v2/")
	res, fail := s.ping(ctx)
	if fail != nil {
		return challenge{}, nil, fail
	}
	if tags := s.tags(scope); res.status == http.StatusOK && !res.isPage() && tags != nil {
		// Some registries leave /v2/ open and ask for a credential at the repository.
		if at, fail := s.do(ctx, request{url: tags}); fail == nil && at.status == http.StatusUnauthorized {
			res, target = at, tags
		}
	}
	switch {
	case res.status == http.StatusUnauthorized && !sameOrigin(res.url, s.base):
		f := &failure{outcome: Protocol, message: "the registry redirects to " + origin(res.url) + ", which wants its own login"}
		f.advice, f.suggested = redirectAdvice(s.base, res.url)
		return challenge{}, nil, f
	case res.status == http.StatusUnauthorized:
		ch, fail := chooseChallenge(res)
		return ch, s.at(target.Path), fail
	case res.status == http.StatusForbidden:
		return challenge{}, nil, s.forbidden(res, "the registry refuses access before it asks for a credential")
	case res.status == http.StatusNotFound, res.isPage():
		return challenge{}, nil, s.notARegistry(res)
	case res.status == http.StatusOK:
		return challenge{}, nil, &failure{outcome: Unverified, message: "the registry did not ask for a credential"}
	}
	return challenge{}, nil, s.statusFailure(res, theRegistry)
}

// ping requests /v2/ without a credential, and finds out whether the registry speaks https
// or http. Only loopback falls back to http, and not from a server that speaks TLS.
func (s *session) ping(ctx context.Context) (res *response, fail *failure) {
	schemes := []string{"https"}
	if s.c.opt.PlainHTTP {
		schemes = []string{"http"}
	} else if loopback(s.base.Host) {
		schemes = append(schemes, "http")
	}
	if !s.c.opt.PlainHTTP {
		// An invalid certificate file must not cause a fallback to http.
		if _, err := s.router.tlsFor(s.base); err != nil {
			return nil, s.explain(ctx, err)
		}
	}
	for _, scheme := range schemes {
		s.base.Scheme = scheme
		var secured atomic.Bool
		trace := &httptrace.ClientTrace{TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil || speaksTLS(err) {
				secured.Store(true)
			}
		}}
		if res, fail = s.do(httptrace.WithClientTrace(ctx, trace), request{url: s.at("/v2/")}); fail == nil {
			s.answered = true
			return res, nil
		}
		if secured.Load() || ctx.Err() != nil {
			break
		}
	}
	return nil, fail
}

// chooseChallenge prefers Bearer to Basic: where both are offered, Basic is often a legacy
// method that not every account has. A Bearer whose realm is not a URL counts only where there
// is no Basic: nobody can get a token from it. A realm that is a URL and is refused for safety
// is not passed over, although Basic would do no harm: clients that take the stored login would
// send the password there.
func chooseChallenge(res *response) (challenge, *failure) {
	all := parseChallenges(res.header.Values("WWW-Authenticate"))
	for _, usable := range []func(challenge) bool{
		func(c challenge) bool { return c.scheme == "bearer" && realmURL(c.params["realm"]) != nil },
		func(c challenge) bool { return c.scheme == "basic" },
		func(c challenge) bool { return c.scheme == "bearer" && c.params["realm"] != "" }, // parseRealm says what is wrong
	} {
		if i := slices.IndexFunc(all, usable); i >= 0 {
			return all[i], nil
		}
	}
	var names []string
	for _, c := range all {
		names = append(names, c.scheme)
	}
	what := "the registry wants a login but names no method"
	if len(names) > 0 {
		what = "the registry offers no supported login method, only: " + printable.Line(strings.Join(names, ", "), 100)
	}
	return challenge{}, &failure{outcome: Protocol, message: what}
}
