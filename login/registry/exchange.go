package registry

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"regshape/store/printable"
)

const (
	// maxRetries with the first wait doubling gives 1.75 s in all, which bridges a
	// restart behind a load balancer and is not yet felt as a hang.
	maxRetries  = 3
	firstWait   = 250 * time.Millisecond
	minimalWait = 100 * time.Millisecond
)

// question is one request; a form makes it a POST.
type question struct {
	url  *url.URL
	auth string // value of Authorization, or ""
	form url.Values
	// once is for what may have had its effect although no answer says so: an issuer that
	// replaces refresh tokens may take a second use for theft, and end the whole login (RFC
	// 6749 §10.4, RFC 9700 §4.14.2).
	once bool
}

func (q question) secret() bool { return q.auth != "" || q.form != nil }

// answer is what came back, after redirects and retries.
type answer struct {
	status int
	header http.Header
	body   []byte // at most maxBody; cut is set when there was more
	cut    bool
	url    *url.URL // where it came from
}

// ask sends q, follows redirects, and tries again on 429 and 5xx while there is
// time; of what is asked once, on 429 alone, which says that nothing was done (RFC 6585 §4).
// Errors are always a *failure.
func (s *session) ask(ctx context.Context, q question) (*answer, error) {
	for try := 0; ; try++ {
		ans, err := s.follow(ctx, q)
		if err != nil {
			return nil, s.explain(ctx, err)
		}
		wait, again := s.retryIn(ans, try)
		if !again || q.once && ans.status != http.StatusTooManyRequests {
			return ans, nil
		}
		if err := s.c.sleep(ctx, wait); err != nil {
			if errors.Is(context.Cause(ctx), errOutOfTime) {
				// The server did answer; that says more than a time-out.
				return ans, nil
			}
			return nil, s.explain(ctx, err)
		}
	}
}

// retryIn says whether an answer is worth another try and after how long. A wait
// that the server asks for is kept in full or not begun at all.
func (s *session) retryIn(ans *answer, try int) (time.Duration, bool) {
	if try == maxRetries || !temporary(ans.status) {
		return 0, false
	}
	now := s.c.now()
	wait, asked := retryAfter(ans.header, now)
	if !asked {
		wait = firstWait << try
	}
	wait = max(wait, minimalWait)
	return wait, wait < s.deadline.Sub(now)
}

func temporary(status int) bool {
	return status == http.StatusTooManyRequests || status >= 500 &&
		status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported
}

// retryAfter reads Retry-After (RFC 9110 §10.2.3): seconds, or a date. A value
// beyond a day counts as a day, so that no arithmetic can overflow.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	const day = 24 * time.Hour
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v != "" && strings.Trim(v, "0123456789") == "" {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return day, true
		}
		return min(time.Duration(n)*time.Second, day), true
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), day), true
	}
	return 0, false
}

// send makes one request, without redirects.
func (s *session) send(ctx context.Context, q question) (*answer, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if q.form != nil {
		method, body = http.MethodPost, strings.NewReader(q.form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, q.url.String(), body)
	if err != nil {
		// The cause quotes the URL.
		return nil, &failure{outcome: Protocol, message: "cannot make a request to " + origin(q.url)}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", s.c.opt.UserAgent)
	if q.form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if q.auth != "" {
		req.Header.Set("Authorization", q.auth)
	}
	if q.once && q.form != nil {
		sendOnce(req)
	}
	s.secrets.learnRequest(req)
	res, err := s.rt.RoundTrip(req)
	if err != nil {
		return nil, s.failed(ctx, q.url, err)
	}
	defer func() { _ = res.Body.Close() }()
	ans := &answer{status: res.StatusCode, header: res.Header, url: q.url}
	ans.body, err = io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	// A body that broke off is judged by what came: the status has the verdict, and
	// half a token does not parse.
	if len(ans.body) > maxBody {
		ans.body, ans.cut = ans.body[:maxBody], true
	}
	return ans, nil
}

var errSent = errors.New("the request was sent already")

// sendOnce keeps net/http from sending a form again by itself: over HTTP/2 it does when a
// server ends the stream with PROTOCOL_ERROR, which says nothing of what it did before.
func sendOnce(req *http.Request) {
	body := &onceBody{ReadCloser: req.Body}
	again := req.GetBody
	req.Body = body
	req.GetBody = func() (io.ReadCloser, error) {
		if body.read.Load() {
			return nil, errSent
		}
		return again()
	}
}

// onceBody knows whether it was read.
type onceBody struct {
	io.ReadCloser
	read atomic.Bool
}

func (b *onceBody) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.ReadCloser.Read(p)
}

// isPage reports whether the answer is a web page rather than a registry's.
func (a *answer) isPage() bool {
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	return a.header.Get("Docker-Distribution-Api-Version") == "" &&
		(kind == "text/html" || kind == "application/xhtml+xml")
}

func statusText(code int) string {
	// The server's own reason phrase is left out; it could say anything.
	return strings.TrimRight(strconv.Itoa(code)+" "+http.StatusText(code), " ")
}

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
