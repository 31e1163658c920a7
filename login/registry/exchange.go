package registry

import (
	"bytes"
	"context"
	"encoding/json"
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
	// maxRetries with a doubling wait takes 1.75 s in all: enough for a restart behind a
	// load balancer, and short of looking like a hang.
	maxRetries  = 3
	firstWait   = 250 * time.Millisecond
	minimalWait = 100 * time.Millisecond
)

// request is an HTTP request; with a form it is a POST.
type request struct {
	url  *url.URL
	auth string // value of Authorization, or ""
	form url.Values
	// once is for requests that may have taken effect although no response came: an issuer
	// that rotates refresh tokens may treat a second use as theft, and end the whole login
	// (RFC 6749 §10.4, RFC 9700 §4.14.2).
	once bool
}

func (q request) secret() bool { return q.auth != "" || q.form != nil }

// response is the final one, after redirects and retries.
type response struct {
	status int
	header http.Header
	body   []byte // at most maxBody; cut is set when there was more, or nothing arrived of it
	cut    bool
	url    *url.URL // of the server that sent it
}

// do sends q, follows redirects, and retries on 429 and 5xx while there is time; with
// once set on 429 alone, which means that nothing was done (RFC 6585 §4).
func (s *session) do(ctx context.Context, q request) (*response, *failure) {
	for try := 0; ; try++ {
		res, err := s.follow(ctx, q)
		if err != nil {
			return nil, s.explain(ctx, err)
		}
		wait, again := s.retryIn(res, try)
		if !again || q.once && res.status != http.StatusTooManyRequests {
			return res, nil
		}
		if err := s.c.sleep(ctx, wait); err != nil {
			if errors.Is(context.Cause(ctx), errOutOfTime) {
				// The server's response says more than a time-out.
				return res, nil
			}
			return nil, s.explain(ctx, err)
		}
	}
}

// retryIn reports whether to retry after a response, and when. A wait that the server asks
// for is kept in full or not begun at all.
func (s *session) retryIn(res *response, try int) (time.Duration, bool) {
	if try == maxRetries || !temporary(res.status) {
		return 0, false
	}
	now := s.c.now()
	wait, asked := retryAfter(res.header, now)
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

// send sends one request and follows no redirect.
func (s *session) send(ctx context.Context, q request) (*response, error) {
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
	raw, err := s.rt.RoundTrip(req)
	if err != nil {
		return nil, s.failed(ctx, q.url, err)
	}
	defer func() { _ = raw.Body.Close() }()
	res := &response{status: raw.StatusCode, header: raw.Header, url: q.url}
	res.body, err = io.ReadAll(io.LimitReader(raw.Body, maxBody+1))
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	// An incomplete body is used as it is: the status decides, and half a token does not
	// parse.
	if len(res.body) > maxBody {
		res.body, res.cut = res.body[:maxBody], true
	} else if len(res.body) == 0 {
		res.cut = err != nil
	}
	return res, nil
}

var errSent = errors.New("the request was sent already")

// sendOnce keeps net/http from repeating a form: over HTTP/2 it does when a server ends the
// stream with PROTOCOL_ERROR, which does not mean that nothing was done.
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

// onceBody records whether it was read.
type onceBody struct {
	io.ReadCloser
	read atomic.Bool
}

func (b *onceBody) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.ReadCloser.Read(p)
}

// isPage reports whether the response is a web page, and not a registry's. The type alone does
// not tell: some registries, or the proxies in front of them, call an empty body or JSON HTML. The
// error page of a gateway says nothing about what is behind it.
func (r *response) isPage() bool {
	switch {
	case r.status >= 500, r.status == http.StatusTooManyRequests, r.status == http.StatusBadRequest, r.status == http.StatusProxyAuthRequired,
		r.header.Get("Docker-Distribution-Api-Version") != "", !r.isHTML():
		return false
	}
	return r.cut || len(bytes.TrimSpace(r.body)) > 0 && !json.Valid(r.body)
}

// isHTML reports whether the response is HTML by its type, or without one by how it begins.
func (r *response) isHTML() bool {
	kind, _, _ := mime.ParseMediaType(first(r.header.Get("Content-Type"), http.DetectContentType(r.body)))
	return kind == "text/html" || kind == "application/xhtml+xml"
}

func statusText(code int) string {
	// Without the server's reason phrase, which could say anything.
	return strings.TrimRight(strconv.Itoa(code)+" "+http.StatusText(code), " ")
}

// maxRedirects is more than correcting host and path once each takes.
const maxRedirects = 5

// follow sends q and follows redirects under this package's rules, which are
// stricter than http.Client's: that one lets Authorization follow to a subdomain
// and to another port.
func (s *session) follow(ctx context.Context, q request) (*response, error) {
	for hops := 0; ; hops++ {
		res, err := s.send(ctx, q)
		if err != nil || !isRedirect(res.status) {
			return res, err
		}
		if hops == maxRedirects {
			return nil, &failure{outcome: Protocol, message: "too many redirects from " + origin(q.url)}
		}
		next, refused := redirect(q, res)
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

// redirect returns the target of a redirect. A request with a secret stays at its origin:
// following without the secret would let a public resource elsewhere pass for proof that
// the secret is right.
func redirect(q request, res *response) (*url.URL, *failure) {
	from := origin(q.url)
	next, err := q.url.Parse(res.header.Get("Location"))
	if err != nil || res.header.Get("Location") == "" || next.Host == "" ||
		next.Scheme != "https" && next.Scheme != "http" {
		return nil, &failure{outcome: Protocol, message: from + " redirects without a usable Location"}
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
	case q.form != nil && res.status != http.StatusTemporaryRedirect && res.status != http.StatusPermanentRedirect:
		// 301 to 303 turn a POST into a GET (RFC 9110 §15.4), which would lose the form.
		return nil, &failure{outcome: Protocol, message: "the redirect of a token request at " + from + " was refused"}
	}
	return next, nil
}

func redirectAdvice(from, to *url.URL) (advice Advice, suggested string) {
	// Without the option the same address is asked by https.
	if from.Host == to.Host && from.Scheme == "http" && to.Scheme == "https" {
		return UseHTTPS, ""
	}
	return OtherRegistry, printable.Line(to.Host, 200)
}
