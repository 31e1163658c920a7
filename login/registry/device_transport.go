package registry

import (
	"bytes"
	"context"
	"io"
	"net/http"
)

// issuerTransport carries x/oauth2's requests under this package's limits: one request has
// Options.Timeout, one answer maxBody, and it is whole or an error. A patient one takes an
// issuer that does not answer for one where the user has not confirmed yet, so that a
// laptop may change networks while its owner looks for the phone: RFC 8628 §3.5 has a poll
// without an answer repeated, more slowly. Whatever else it carries is sent once.
type issuerTransport struct {
	s       *session
	patient bool
	pause   func(why string) // told once

	silent string // why the last request had no answer; "" if it had one
	told   bool
}

// RoundTrip implements http.RoundTripper. x/oauth2 sends one request after the other.
func (t *issuerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(req.Context(), t.s.c.opt.Timeout, errOutOfTime)
	defer cancel()
	asked := req.Clone(ctx)
	asked.Header.Set("Accept", "application/json") // GitHub answers with a form otherwise
	asked.Header.Set("User-Agent", t.s.c.opt.UserAgent)
	res, err := t.whole(asked)
	if err != nil {
		f := t.s.failed(ctx, req.URL, err)
		if t.patient && req.Context().Err() == nil && f.outcome == Unreachable {
			return t.wait(req, f.message, "authorization_pending"), nil
		}
		return nil, f
	}
	if t.patient && res.StatusCode == http.StatusTooManyRequests {
		return t.wait(req, "it asks to wait", "slow_down"), nil
	}
	if t.patient && temporary(res.StatusCode) {
		return t.wait(req, "it answers "+statusText(res.StatusCode), "authorization_pending"), nil
	}
	t.silent = ""
	return res, nil
}

// whole makes the request and reads the answer to its end.
func (t *issuerTransport) whole(req *http.Request) (*http.Response, error) {
	res, err := t.s.rt.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxBody {
		return nil, &failure{outcome: Protocol, message: "the answer is too long"}
	}
	return buffered(res, body), nil
}

func (t *issuerTransport) wait(req *http.Request, why, code string) *http.Response {
	t.silent = why
	if !t.told && t.pause != nil {
		t.pause(why)
	}
	t.told = true
	return pending(req, code)
}

// expired says that the time ran out, and whose fault it was.
func (t *issuerTransport) expired() *failure {
	f := &failure{outcome: Expired, message: expiredText}
	if t.silent != "" {
		f.message = "the issuer did not answer (" + t.silent + ") until the code expired; run the command again"
	}
	return f
}

// buffered gives an answer a body that was already read.
func buffered(res *http.Response, body []byte) *http.Response {
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return res
}
