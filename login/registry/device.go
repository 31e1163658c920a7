package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"regshape/login/redact"
	"regshape/store/printable"
)

// Expired is the outcome of a device login whose code expired before it was confirmed.
const Expired Outcome = "expired"

const (
	// defaultInterval is RFC 8628 §3.2's, in seconds. One longer than maxInterval would
	// outlast every code.
	defaultInterval = 5
	maxInterval     = 600
	// maxCodeLife bounds how long a login waits; issuers give codes 5 to 30 minutes.
	maxCodeLife = time.Hour
	// maxUserCode is generous: RFC 8628 §6.1 wants codes short enough to be typed.
	maxUserCode = 64
)

// DeviceClient identifies an issuer and a client that it knows.
type DeviceClient struct {
	Issuer   string // its URL, exactly as in its metadata
	ClientID string // of a public client that may use the device grant
	Scope    string // separated by blanks; "" asks for openid and offline_access where the issuer has them
	Audience string // an API that the token is for, where the issuer wants one; not in RFC 8628
}

// DeviceCode is what to show the user. Both texts are safe for a terminal.
type DeviceCode struct {
	Link     string    // an http or https URL
	Code     string    // to compare or type there
	Complete bool      // Link already holds the code
	Expires  time.Time // deadline for the confirmation
}

// DeviceScreen shows the progress of a device login. Both functions are called from
// the goroutine of DeviceLogin or one of its requests, never at the same time.
type DeviceScreen struct {
	Show  func(DeviceCode)
	Pause func(why string) // once, when the issuer stops answering; the login goes on
}

// DeviceGrant is what an issuer granted. Both tokens are secrets.
type DeviceGrant struct {
	AccessToken  string
	RefreshToken string    // "" where the issuer issued none
	Username     string    // as an ID token claims, unverified; "" where there is none
	Scope        string    // as requested
	Expires      time.Time // of the access token, UTC; zero where unknown
}

// Format prints a placeholder, whatever the verb.
func (g DeviceGrant) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

// DeviceLogin has the user confirm a login in a browser, anywhere (RFC 8628). The outcome
// is Verified with a grant; Rejected when the user denied it; [Expired] when the code
// expired; else why the issuer could not be asked. Options.Timeout bounds each request, the
// code's lifetime alone the wait for the user. An issuer that stops answering is polled
// until then.
func (c *Client) DeviceLogin(ctx context.Context, d DeviceClient, screen DeviceScreen) (DeviceGrant, Result) {
	s, u, fail := c.openIssuer(d.Issuer)
	if fail != nil {
		return DeviceGrant{}, fail.result()
	}
	defer s.router.close()
	g, fail := s.deviceLogin(ctx, d, u, screen)
	if fail != nil {
		return DeviceGrant{}, fail.result()
	}
	return g, (&failure{outcome: Verified, message: "the login was confirmed"}).result()
}

func (s *session) deviceLogin(ctx context.Context, d DeviceClient, u *url.URL, screen DeviceScreen) (DeviceGrant, *failure) {
	brief, done := s.timed(ctx)
	defer done()
	meta, fail := s.discover(brief, d.Issuer, u)
	if fail != nil {
		return DeviceGrant{}, fail
	}
	if meta.device == nil {
		return DeviceGrant{}, &failure{outcome: Protocol, message: s.issuerLabel() + " does not support device logins", advice: GivePassword}
	}
	scopes := meta.scopeFor(d.Scope)
	ask := oauth2.Config{
		ClientID: d.ClientID, Scopes: scopes,
		Endpoint: oauth2.Endpoint{DeviceAuthURL: meta.device.String(), TokenURL: meta.token.String(), AuthStyle: oauth2.AuthStyleInParams},
	}
	var extra []oauth2.AuthCodeOption
	if d.Audience != "" {
		extra = append(extra, oauth2.SetAuthURLParam("audience", d.Audience))
	}
	code, err := ask.DeviceAuth(s.oauth(brief, &issuerTransport{s: s}), extra...)
	if err != nil {
		return DeviceGrant{}, s.oauthFailure(brief, err)
	}
	shown, fail := s.checkCode(code)
	if fail != nil {
		return DeviceGrant{}, s.asIssuer(fail)
	}
	screen.Show(shown)
	waiting := &issuerTransport{s: s, polling: true, pause: screen.Pause}
	ask.Scopes = nil // RFC 8628 §3.4: not in this request
	token, err := ask.DeviceAccessToken(s.oauth(ctx, waiting), code)
	switch {
	case err != nil && ctx.Err() == nil && !s.c.now().Before(code.Expiry):
		return DeviceGrant{}, waiting.expired()
	case err != nil:
		return DeviceGrant{}, s.oauthFailure(ctx, err)
	}
	id, _ := token.Extra("id_token").(string)
	g := DeviceGrant{
		AccessToken: token.AccessToken, RefreshToken: token.RefreshToken, Username: claimedName(id),
		Scope: strings.Join(scopes, " "), Expires: expiry(token.Expiry, s.c.now()),
	}
	return g, s.checkGrant(g)
}

// checkCode checks what the issuer wants shown, and bounds its numbers: they go into timers
// that panic on invalid ones.
func (s *session) checkCode(code *oauth2.DeviceAuthResponse) (DeviceCode, *failure) {
	s.secrets.Learn(code.DeviceCode)
	s.secrets.Learn(code.UserCode)
	text := first(code.VerificationURIComplete, code.VerificationURI)
	link, fail := parseEndpoint(text, s.base)
	switch {
	case fail != nil:
		return DeviceCode{}, fail
	case strings.TrimSpace(code.DeviceCode) == "", code.UserCode == "", printable.Line(code.UserCode, maxUserCode) != code.UserCode,
		printable.Line(link.String(), maxShown) != link.String():
		return DeviceCode{}, &failure{outcome: Protocol, message: "its response to the request for a code is not valid"}
	}
	now := s.c.now()
	if latest := now.Add(maxCodeLife); code.Expiry.IsZero() || code.Expiry.After(latest) {
		code.Expiry = latest
	}
	if code.Interval < 1 {
		code.Interval = defaultInterval
	}
	code.Interval = min(code.Interval, maxInterval)
	return DeviceCode{
		Link: link.String(), Code: code.UserCode, Complete: strings.TrimSpace(code.VerificationURIComplete) != "", Expires: code.Expiry,
	}, nil
}

// expiry is when an access token expires, to the second and in UTC.
func expiry(at, now time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	if latest := now.Add(maxLife); at.After(latest) {
		at = latest
	}
	return at.UTC().Truncate(time.Second)
}

// checkGrant refuses a grant that no header could carry (RFC 6750 §2.1: visible ASCII).
func (s *session) checkGrant(g DeviceGrant) *failure {
	s.secrets.Learn(g.AccessToken)
	s.secrets.Learn(g.RefreshToken)
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	if g.AccessToken == "" || slices.ContainsFunc([]string{g.AccessToken, g.RefreshToken}, func(t string) bool { return strings.ContainsFunc(t, odd) }) {
		return &failure{outcome: Protocol, message: s.issuerLabel() + " answered without a usable token"}
	}
	return nil
}

// oauth gives x/oauth2 this session's HTTP client. It follows no redirect: a form with a
// code in it goes only to the endpoint that the issuer named.
func (s *session) oauth(ctx context.Context, rt http.RoundTripper) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, noRedirects(rt))
}

func noRedirects(rt http.RoundTripper) *http.Client {
	return &http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// issuerTransport sends x/oauth2's requests under this package's limits: Options.Timeout for
// a request, maxBody for a response, which is complete or an error. While polling, a lost
// connection counts as "not confirmed yet", so that a laptop may change networks while its
// owner looks for the phone: RFC 8628 §3.5 repeats such a poll, more slowly. Everything else
// is sent once.
type issuerTransport struct {
	s       *session
	polling bool
	pause   func(why string) // called once

	lastError string // why the last request had no answer; "" if it had one
	paused    bool
}

// RoundTrip implements http.RoundTripper. x/oauth2 sends one request after the other.
func (t *issuerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(req.Context(), t.s.c.opt.Timeout, errOutOfTime)
	defer cancel()
	asked := req.Clone(ctx)
	asked.Header.Set("Accept", "application/json") // GitHub sends a form otherwise
	asked.Header.Set("User-Agent", t.s.c.opt.UserAgent)
	res, err := t.whole(asked)
	if err != nil {
		f := t.s.failed(ctx, req.URL, err)
		if t.polling && req.Context().Err() == nil && f.outcome == Unreachable {
			return t.wait(req, f.message, "authorization_pending"), nil
		}
		return nil, f
	}
	if t.polling && res.StatusCode == http.StatusTooManyRequests {
		return t.wait(req, "it asks to wait", "slow_down"), nil
	}
	if t.polling && temporary(res.StatusCode) {
		return t.wait(req, "it answers "+statusText(res.StatusCode), "authorization_pending"), nil
	}
	t.lastError = ""
	return res, nil
}

// whole sends the request and reads the whole response.
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
		return nil, &failure{outcome: Protocol, message: "the response is too long"}
	}
	return buffered(res, body), nil
}

func (t *issuerTransport) wait(req *http.Request, why, code string) *http.Response {
	t.lastError = why
	if !t.paused && t.pause != nil {
		t.pause(why)
	}
	t.paused = true
	return pending(req, code)
}

// expired is the failure of an expired code, with the reason if the issuer did not respond.
func (t *issuerTransport) expired() *failure {
	f := &failure{outcome: Expired, message: expiredText, advice: ConfirmAgain}
	if t.lastError != "" {
		f.message = "the issuer did not answer (" + t.lastError + ") until the code expired"
	}
	return f
}

// buffered gives a response a body that was already read.
func buffered(res *http.Response, body []byte) *http.Response {
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return res
}

// Docker Hub's device login, as docker's own client does it (docker/cli, internal/oauth):
// the issuer's access token is for Hub's API and not a password of the registry; Hub
// creates a personal access token for it.
const (
	// HubIssuer is the issuer of Docker Hub's accounts.
	HubIssuer = "https://login.docker.com/"
	// HubAudience is the API that the access token has to be for.
	HubAudience = "https://hub.docker.com"
	// HubScope is what docker's own client asks for.
	HubScope = "openid offline_access"

	hubGenerate = "/v2/access-tokens/desktop-generate"
)

// HubToken exchanges the access token of a device login at [HubIssuer] for a personal
// access token. The user name is the access token's claim, "" without one. The request is
// never repeated: each creates a new token in the account.
func (c *Client) HubToken(ctx context.Context, accessToken string) (username, token string, r Result) {
	r = c.withIssuer(ctx, HubAudience, accessToken, func(ctx context.Context, s *session, u *url.URL) (fail *failure) {
		if token, fail = s.hubToken(ctx, u, accessToken); fail != nil {
			return fail
		}
		var claims struct {
			Hub struct{ Username string } `json:"https://hub.docker.com"`
		}
		if readClaims(accessToken, &claims) && usableName(claims.Hub.Username) {
			username = claims.Hub.Username
		}
		return &failure{outcome: Verified, message: "Docker Hub created a personal access token"}
	})
	return username, token, r
}

func (s *session) hubToken(ctx context.Context, u *url.URL, accessToken string) (string, *failure) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.JoinPath(hubGenerate).String(), nil)
	if err != nil {
		return "", &failure{outcome: Protocol, message: "cannot make a request to " + origin(u)}
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	req.Header.Set("Content-Type", "application/json")
	raw, err := noRedirects(&issuerTransport{s: s}).Do(req)
	if err != nil {
		return "", s.explain(ctx, err)
	}
	defer func() { _ = raw.Body.Close() }()
	var body struct{ Data struct{ Token string } }
	res := &response{status: raw.StatusCode, header: raw.Header}
	// The transport has read it whole; a body that does not parse has no token.
	decoded := json.NewDecoder(raw.Body).Decode(&body)
	switch token := body.Data.Token; {
	case res.status == http.StatusUnauthorized, res.status == http.StatusForbidden:
		return "", &failure{outcome: Forbidden, message: "Docker Hub refused a personal access token: " + statusText(res.status)}
	case res.status != http.StatusCreated:
		return "", s.statusFailure(res, "Docker Hub")
	case decoded != nil, s.checkGrant(DeviceGrant{AccessToken: token}) != nil:
		return "", &failure{outcome: Protocol, message: "Docker Hub answered without a usable token"}
	default:
		return token, nil
	}
}
