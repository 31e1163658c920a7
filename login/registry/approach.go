package registry

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"regshape/store/printable"
)

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
