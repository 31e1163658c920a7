package registry

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"regshape/store/printable"
)

const rejectedText = "authentication rejected"

// Verify asks the registry at host ("host[:port]" as a caller types it; the names
// of Docker Hub are asked at registry-1.docker.io) whether it accepts cred.
//
// A scope such as "repository:team/app:pull" makes the token one for that scope, and
// where /v2/ refuses the credential, as registries do to robot accounts, the
// repository's tags decide instead. Without a scope only /v2/ counts.
//
// It takes no longer than Options.Timeout and ends at once with ctx; the Result is
// then Unreachable.
func (c *Client) Verify(ctx context.Context, host, scope string, cred Credential) Result {
	ctx, done, s, fail := c.open(ctx, host)
	if fail != nil {
		return s.result("", fail)
	}
	defer done()
	s.secrets.Learn(cred.Secret)
	ch, target, fail := s.approach(ctx, scope)
	if fail != nil {
		return s.result("", fail)
	}
	if cred.empty() {
		return s.result(ch.scheme, &failure{outcome: Rejected, message: rejectedText, advice: GiveCredential})
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
		return s.result(ch.scheme, fail)
	}
	out := s.result(ch.scheme, &failure{outcome: Verified, message: "the registry accepted the credential"})
	out.IdentityToken = identity
	return out
}

// Token obtains a bearer token for scope, or without one for the account alone; an
// empty credential asks for an anonymous token. The Outcome is Verified when the
// token server gave one, and Unverified, with an empty Token, when the registry does
// not ask for any. Whether the registry accepts the token is not tried.
func (c *Client) Token(ctx context.Context, host, scope string, cred Credential) (Token, Result) {
	ctx, done, s, fail := c.open(ctx, host)
	if fail != nil {
		return Token{}, s.result("", fail)
	}
	defer done()
	s.secrets.Learn(cred.Secret)
	ch, _, fail := s.approach(ctx, scope)
	if fail != nil {
		return Token{}, s.result("", fail)
	}
	if ch.scheme != "bearer" {
		return Token{}, s.result(ch.scheme, &failure{outcome: Protocol, message: "the registry gives out no tokens: it asks for Basic authentication"})
	}
	g, fail := s.grant(ctx, ch, scope, cred)
	if fail != nil {
		return Token{}, s.result(ch.scheme, fail)
	}
	out := s.result(ch.scheme, &failure{outcome: Verified, message: "the token server gave a token"})
	out.IdentityToken = g.refresh
	return Token{Value: g.access, ExpiresIn: g.expires}, out
}

// result is the one place where a Result is made. A nil session is one that could
// not be opened.
func (s *session) result(scheme string, f *failure) Result {
	r := Result{Outcome: f.outcome, Challenge: scheme, Message: f.message, Advice: f.advice, Suggested: f.suggested, Detail: f.detail}
	if s != nil && s.answered {
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

// prove sends auth to target, and by the scope's tags where /v2/ is closed. Nil
// means that the credential was accepted.
func (s *session) prove(ctx context.Context, target *url.URL, scope, auth string) *failure {
	verdict := s.try(ctx, target, auth)
	if verdict == nil || verdict.outcome != Rejected && verdict.outcome != Forbidden {
		return verdict
	}
	tags := s.tags(scope)
	if tags == nil {
		// A plain wrong password must not be sent hunting for scopes.
		if verdict.outcome == Forbidden || strings.HasPrefix(auth, "Bearer ") {
			verdict.advice = GiveScope
		}
		return verdict
	}
	if target.Path == tags.Path {
		return verdict
	}
	// A repository that everyone may read proves nothing about the credential.
	open, err := s.ask(ctx, question{url: tags})
	if err != nil {
		return s.explain(ctx, err)
	}
	if open.status != http.StatusUnauthorized && open.status != http.StatusForbidden {
		return verdict
	}
	return s.try(ctx, tags, auth)
}

// try sends auth to u. A repository without tags is 404 to those who may look.
func (s *session) try(ctx context.Context, u *url.URL, auth string) *failure {
	ans, err := s.ask(ctx, question{url: u, auth: auth})
	if err != nil {
		return s.explain(ctx, err)
	}
	switch {
	case ans.status == http.StatusUnauthorized:
		return &failure{outcome: Rejected, message: rejectedText, detail: s.detail(ans)}
	case ans.status == http.StatusForbidden:
		return s.forbidden(ans, "access forbidden")
	case ans.isPage(), ans.status == http.StatusNotFound && u.Path == "/v2/":
		return s.noRegistry(ans)
	case ans.status == http.StatusOK, ans.status == http.StatusNotFound:
		return nil
	}
	return s.unsuccessful(ans, "the registry")
}

func (s *session) forbidden(ans *answer, what string) *failure {
	f := &failure{outcome: Forbidden, message: what, detail: s.detail(ans)}
	if f.detail != "" {
		f.message += ": " + f.detail
	}
	return f
}

func (s *session) noRegistry(ans *answer) *failure {
	what := "it answers /v2/ with " + statusText(ans.status)
	if ans.isPage() {
		what = "it answers /v2/ with a web page"
	}
	return &failure{outcome: NotARegistry, message: "not a registry: " + what, advice: CheckName}
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

// basicAuth is the Authorization value of RFC 7617, which has no way to write a
// user name with a colon.
func basicAuth(cred Credential) (string, *failure) {
	if cred.IdentityToken {
		return "", &failure{
			outcome: Protocol, message: "the registry takes no identity tokens: it asks for Basic authentication",
			advice: GivePassword,
		}
	}
	return basicValue(cred.Username, cred.Secret)
}

var errColon = errors.New("a user name with a colon cannot be sent with Basic authentication")

func basicValue(user, secret string) (string, *failure) {
	if strings.Contains(user, ":") {
		return "", &failure{outcome: Protocol, message: errColon.Error()}
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret)), nil
}

// approach finds the challenge of the registry, and the URL that gave it. An
// Unverified outcome comes as a failure, too: there is nothing left to ask.
func (s *session) approach(ctx context.Context, scope string) (challenge, *url.URL, *failure) {
	target := s.at("/v2/")
	ans, err := s.ping(ctx)
	if err != nil {
		return challenge{}, nil, s.explain(ctx, err)
	}
	if tags := s.tags(scope); ans.status == http.StatusOK && !ans.isPage() && tags != nil {
		// Some registries open /v2/ to everyone and ask at the repository.
		if at, err := s.ask(ctx, question{url: tags}); err == nil && at.status == http.StatusUnauthorized {
			ans, target = at, tags
		}
	}
	switch {
	case ans.status == http.StatusUnauthorized && !sameOrigin(ans.url, s.base):
		f := &failure{outcome: Protocol, message: "the registry redirects to " + origin(ans.url) + ", which asks for a login of its own"}
		f.advice, f.suggested = redirectAdvice(s.base, ans.url)
		return challenge{}, nil, f
	case ans.status == http.StatusUnauthorized:
		ch, fail := choose(ans)
		return ch, s.at(target.Path), fail
	case ans.status == http.StatusForbidden:
		return challenge{}, nil, s.forbidden(ans, "the registry refuses access before it asks for a credential")
	case ans.status == http.StatusNotFound, ans.isPage():
		return challenge{}, nil, s.noRegistry(ans)
	case ans.status == http.StatusOK:
		return challenge{}, nil, &failure{outcome: Unverified, message: "the registry did not ask for a credential"}
	}
	return challenge{}, nil, s.unsuccessful(ans, "the registry")
}

// ping asks /v2/ without a credential, and finds out whether the registry speaks
// https or http. Only loopback falls back to http, and not once TLS was spoken.
func (s *session) ping(ctx context.Context) (*answer, error) {
	schemes := []string{"https"}
	if s.c.opt.PlainHTTP {
		schemes = []string{"http"}
	} else if s.loopback {
		schemes = append(schemes, "http")
	}
	if !s.c.opt.PlainHTTP {
		// A broken certificate file is no reason to fall back to http.
		if _, err := s.router.tlsFor(s.base); err != nil {
			return nil, err
		}
	}
	var err error
	for _, scheme := range schemes {
		s.base.Scheme = scheme
		var secured atomic.Bool
		trace := &httptrace.ClientTrace{TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil || speaksTLS(err) {
				secured.Store(true)
			}
		}}
		var ans *answer
		if ans, err = s.ask(httptrace.WithClientTrace(ctx, trace), question{url: s.at("/v2/")}); err == nil {
			s.answered = true
			return ans, nil
		}
		if secured.Load() || ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// choose takes Bearer before Basic: where both are offered, Basic is often the old
// way that not every account has.
func choose(ans *answer) (challenge, *failure) {
	all := parseChallenges(ans.header.Values("WWW-Authenticate"))
	var names []string
	for _, c := range all {
		if c.scheme == "bearer" && c.params["realm"] != "" {
			return c, nil
		}
		names = append(names, c.scheme)
	}
	for _, c := range all {
		if c.scheme == "basic" {
			return c, nil
		}
	}
	what := "the registry asks for a login but does not say how"
	if len(names) > 0 {
		what = "the registry offers no usable login, only: " + printable.Line(strings.Join(names, ", "), 100)
	}
	return challenge{}, &failure{outcome: Protocol, message: what}
}
