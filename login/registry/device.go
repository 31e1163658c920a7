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

// Expired is the outcome of a device login whose code ran out before anybody confirmed it.
const Expired Outcome = "expired"

const (
	// defaultInterval is RFC 8628 §3.2's, in seconds. A longer one than maxInterval would
	// outlast every code.
	defaultInterval = 5
	maxInterval     = 600
	// maxCodeLife bounds how long a login waits; issuers give codes 5 to 30 minutes.
	maxCodeLife = time.Hour
	// maxUserCode is generous: RFC 8628 §6.1 wants codes short enough to be typed.
	maxUserCode = 64
)

// DeviceClient says as whom to ask which issuer.
type DeviceClient struct {
	Issuer   string // its URL, to the letter as it calls itself
	ClientID string // of a public client that may use the device grant
	Scope    string // separated by blanks; "" asks for openid and offline_access where the issuer has them
	Audience string // an API that the token is for, where the issuer wants one; not in RFC 8628
}

// DeviceCode is what the user has to see. Both texts are safe for a terminal.
type DeviceCode struct {
	Link     string    // an http or https URL
	Code     string    // to compare or type there
	Complete bool      // Link already holds the code
	Expires  time.Time // by then it has to be confirmed
}

// DeviceScreen is how a device login speaks to the user. Both functions are called from
// the goroutine of DeviceLogin or one of its requests, never at the same time.
type DeviceScreen struct {
	Show  func(DeviceCode)
	Pause func(why string) // once, when the issuer stops answering; the login goes on
}

// DeviceGrant is what an issuer gave. Both tokens are secrets.
type DeviceGrant struct {
	AccessToken  string
	RefreshToken string    // "" where the issuer gave none
	Username     string    // as an ID token claims, unverified; "" where there is none
	Scope        string    // what was asked for
	Expires      time.Time // of the access token, UTC; zero where the issuer did not say
}

// Format prints a placeholder, whatever the verb.
func (g DeviceGrant) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

// DeviceLogin has the user confirm a login in a browser, anywhere (RFC 8628). The outcome
// is Verified with a grant; Rejected when the user denied it; [Expired] when the code ran
// out; else what kept the issuer from answering. Network time counts per request against
// Options.Timeout, the wait for the user against the code's own life alone. An issuer that
// stops answering is asked again until then.
func (c *Client) DeviceLogin(ctx context.Context, d DeviceClient, screen DeviceScreen) (DeviceGrant, Result) {
	s, u, fail := c.openIssuer(d.Issuer)
	if fail != nil {
		return DeviceGrant{}, s.result("", fail)
	}
	defer s.router.close()
	g, fail := s.deviceLogin(ctx, d, u, screen)
	if fail != nil {
		return DeviceGrant{}, s.result("", fail)
	}
	return g, s.result("", &failure{outcome: Verified, message: "the login was confirmed"})
}

func (s *session) deviceLogin(ctx context.Context, d DeviceClient, u *url.URL, screen DeviceScreen) (DeviceGrant, *failure) {
	brief, done := s.timed(ctx)
	defer done()
	meta, fail := s.discover(brief, d.Issuer, u)
	if fail != nil {
		return DeviceGrant{}, fail
	}
	if meta.device == nil {
		return DeviceGrant{}, &failure{outcome: Protocol, message: s.issuerWho() + " offers no device login"}
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
		return DeviceGrant{}, s.refused(brief, err)
	}
	shown, fail := s.bound(code)
	if fail != nil {
		return DeviceGrant{}, s.issuerNamed(fail)
	}
	screen.Show(shown)
	waiting := &issuerTransport{s: s, patient: true, pause: screen.Pause}
	ask.Scopes = nil // RFC 8628 §3.4 has none in this request
	token, err := ask.DeviceAccessToken(s.oauth(ctx, waiting), code)
	switch {
	case err != nil && ctx.Err() == nil && !s.c.now().Before(code.Expiry):
		return DeviceGrant{}, waiting.expired()
	case err != nil:
		return DeviceGrant{}, s.refused(ctx, err)
	}
	id, _ := token.Extra("id_token").(string)
	g := DeviceGrant{
		AccessToken: token.AccessToken, RefreshToken: token.RefreshToken, Username: claimedName(id),
		Scope: strings.Join(scopes, " "), Expires: expiry(token.Expiry, s.c.now()),
	}
	return g, s.usable(g)
}

// bound checks what the issuer wants shown, and keeps its numbers within reason: they go
// into timers that panic on odd ones.
func (s *session) bound(code *oauth2.DeviceAuthResponse) (DeviceCode, *failure) {
	s.secrets.Learn(code.DeviceCode)
	s.secrets.Learn(code.UserCode)
	text := first(code.VerificationURIComplete, code.VerificationURI)
	link, fail := parseEndpoint(text, s.base)
	switch {
	case fail != nil:
		return DeviceCode{}, fail
	case strings.TrimSpace(code.DeviceCode) == "", code.UserCode == "", printable.Line(code.UserCode, maxUserCode) != code.UserCode,
		printable.Line(link.String(), maxShown) != link.String():
		return DeviceCode{}, &failure{outcome: Protocol, message: "its answer to the request for a code makes no sense"}
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

// expiry is when an access token ends, to the second and in UTC.
func expiry(at, now time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	if latest := now.Add(maxLife); at.After(latest) {
		at = latest
	}
	return at.UTC().Truncate(time.Second)
}

// usable refuses a grant that no header could carry (RFC 6750 §2.1: visible ASCII).
func (s *session) usable(g DeviceGrant) *failure {
	s.secrets.Learn(g.AccessToken)
	s.secrets.Learn(g.RefreshToken)
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	if g.AccessToken == "" || slices.ContainsFunc([]string{g.AccessToken, g.RefreshToken}, func(t string) bool { return strings.ContainsFunc(t, odd) }) {
		return &failure{outcome: Protocol, message: s.issuerWho() + " answered without a usable token"}
	}
	return nil
}

// oauth gives x/oauth2 an HTTP client of this session's. Redirects are answers to it: a
// form with a code in it is sent to the endpoint that the issuer named, nowhere else.
func (s *session) oauth(ctx context.Context, rt http.RoundTripper) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
}

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

// Docker Hub's device login, as docker's own client does it (docker/cli, internal/oauth):
// the issuer's access token is for Hub's API and no password of the registry; Hub makes a
// personal access token for it.
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
// access token. The user name is what the access token claims, "" where it has none. It is
// asked once, never again: every answer is a new token of the account.
func (c *Client) HubToken(ctx context.Context, accessToken string) (username, token string, r Result) {
	s, u, fail := c.openIssuer(HubAudience)
	if fail != nil {
		return "", "", s.result("", fail)
	}
	defer s.router.close()
	s.secrets.Learn(accessToken)
	ctx, done := s.timed(ctx)
	defer done()
	token, fail = s.hubToken(ctx, u, accessToken)
	if fail != nil {
		return "", "", s.result("", fail)
	}
	var claims struct {
		Hub struct{ Username string } `json:"https://hub.docker.com"`
	}
	if readClaims(accessToken, &claims) && usableName(claims.Hub.Username) {
		username = claims.Hub.Username
	}
	return username, token, s.result("", &failure{outcome: Verified, message: "Docker Hub made a personal access token"})
}

func (s *session) hubToken(ctx context.Context, u *url.URL, accessToken string) (string, *failure) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.JoinPath(hubGenerate).String(), nil)
	if err != nil {
		return "", &failure{outcome: Protocol, message: "cannot make a request to " + origin(u)}
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	req.Header.Set("Content-Type", "application/json")
	res, err := (&http.Client{
		Transport:     &issuerTransport{s: s},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}).Do(req)
	if err != nil {
		return "", s.explain(ctx, err)
	}
	defer func() { _ = res.Body.Close() }()
	var body struct{ Data struct{ Token string } }
	ans := &answer{status: res.StatusCode, header: res.Header}
	// The transport has read it whole; what does not parse has no token.
	decoded := json.NewDecoder(res.Body).Decode(&body)
	switch token := body.Data.Token; {
	case ans.status == http.StatusUnauthorized, ans.status == http.StatusForbidden:
		return "", &failure{outcome: Forbidden, message: "Docker Hub made no personal access token: " + statusText(ans.status)}
	case ans.status != http.StatusCreated:
		return "", s.unsuccessful(ans, "Docker Hub")
	case decoded != nil, s.usable(DeviceGrant{AccessToken: token}) != nil:
		return "", &failure{outcome: Protocol, message: "Docker Hub answered without a usable token"}
	default:
		return token, nil
	}
}
