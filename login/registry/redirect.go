package registry

import (
	"context"
	"net/http"
	"net/url"

	"regshape/store/printable"
)

// maxRedirects is enough for host and path to be put right once each, with room.
const maxRedirects = 5

// follow sends q and follows redirects under this package's rules, which are
// stricter than http.Client's: that one lets Authorization follow to a subdomain
// and to another port.
func (s *session) follow(ctx context.Context, q question) (*answer, error) {
	for hops := 0; ; hops++ {
		ans, err := s.send(ctx, q)
		if err != nil || !isRedirect(ans.status) {
			return ans, err
		}
		if hops == maxRedirects {
			return nil, &failure{outcome: Protocol, message: "too many redirects from " + origin(q.url)}
		}
		next, refused := redirect(q, ans)
		if refused != nil {
			return nil, refused
		}
		q.url = next
	}
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirect decides where a redirect leads. A request with a secret stays at its
// origin: going on without the secret would let a public answer elsewhere pass for
// proof that the secret is right.
func redirect(q question, ans *answer) (*url.URL, *failure) {
	from := origin(q.url)
	next, err := q.url.Parse(ans.header.Get("Location"))
	if err != nil || ans.header.Get("Location") == "" || next.Host == "" ||
		next.Scheme != "https" && next.Scheme != "http" {
		return nil, &failure{outcome: Protocol, message: from + " redirects to nowhere"}
	}
	next.User = nil
	to := origin(next)
	switch {
	case q.url.Scheme == "https" && next.Scheme == "http":
		return nil, &failure{outcome: Protocol, message: "the redirect from " + from + " to plain " + to + " was refused"}
	case q.secret() && !sameOrigin(q.url, next):
		f := &failure{outcome: Protocol, message: from + " redirects to " + to + "; the credential was not sent there"}
		f.advice, f.suggested = redirectAdvice(q.url, next)
		return nil, f
	case q.form != nil && ans.status != http.StatusTemporaryRedirect && ans.status != http.StatusPermanentRedirect:
		// 301 to 303 turn a POST into a GET (RFC 9110 §15.4), which would lose the form.
		return nil, &failure{outcome: Protocol, message: "the redirect of a token request at " + from + " was refused"}
	}
	return next, nil
}

func redirectAdvice(from, to *url.URL) (advice Advice, suggested string) {
	// Without the flag the same address is asked by https.
	if from.Host == to.Host && from.Scheme == "http" && to.Scheme == "https" {
		return UseHTTPS, ""
	}
	return OtherRegistry, printable.Line(to.Host, 200)
}
