// Package registry asks a container registry whether a credential is good, and
// obtains bearer tokens from the token server that the registry names. It is the
// only package of the product that speaks HTTP.
//
// The order of requests follows the distribution specification: GET /v2/ without
// a credential; then, as the 401's challenge asks, GET /v2/ with Basic, or a token
// from the realm and GET /v2/ with that token. Nothing is stored or printed here:
// the answer is a [Result], and the caller decides what to do with it.
//
// Rules that hold for every request:
//
//   - A secret goes to the registry and to the token realm it named, nowhere else.
//     A request that carries one is never redirected to another origin.
//   - An https registry cannot send the secret to an http realm, and no redirect
//     leads from https to http.
//   - Loopback, link-local and cloud metadata addresses are dialled for a realm or
//     a redirect only when the registry itself is at such an address, and the registry
//     has to stay where it was first reached. The check is made on the resolved address,
//     at dial time, so that a DNS answer cannot evade it; behind a proxy, on the literal
//     host.
//   - Plain http is the default for loopback addresses only, whatever their name.
//   - Certificates that the user keeps for a host, as docker and podman do, are used
//     for that host alone; see [CertDirs]. A client certificate is sent to the
//     registry alone, and only its own host may go unverified.
//   - Everything is bounded: network time by [Options.Timeout], headers by 64 KiB,
//     bodies by 1 MiB after decompression, redirects by 5, retries by 3.
//   - No raw remote text and no secret reaches a message; see package printable.
package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"time"

	"regshape/store"
)

// defaultTimeout is the network time for one verification when none is given.
const defaultTimeout = 30 * time.Second

// Options say how to reach registries. The zero value suits public ones.
type Options struct {
	// PlainHTTP uses http only. Without it http is tried only on localhost and
	// literal loopback addresses, only when nothing there speaks TLS, and only where the
	// address that is connected to is a loopback one.
	PlainHTTP bool
	// Insecure accepts any certificate of the registry's own host. A token server on
	// another host and an issuer have to have one that can be verified.
	Insecure bool
	// CAFile holds PEM certificates that are trusted beside the system's, for all servers.
	// CertFile and KeyFile hold the client certificate, for the registry alone; either
	// both or neither.
	CAFile, CertFile, KeyFile string
	// CertDirs are directories with one directory a registry, as CertDirs lists them. The
	// files for a host are used for that host alone, its client certificates only where the
	// host is the registry or the issuer. CAFile and Insecure override the CAs there,
	// CertFile the client certificates.
	CertDirs []string
	// Timeout is the network time for one Verify or Token, retries and their waits
	// included; 0 means 30 s.
	Timeout time.Duration
	// UserAgent names the client, as "regshape/VERSION".
	UserAgent string
	// WantIdentityToken asks the token server for a refresh token, too.
	WantIdentityToken bool
	// Wrap decorates the transport, outermost last. Every single request passes, so
	// a redirect or a retry counts as a call of its own.
	Wrap []Decorator
}

// Decorator adds behaviour to a transport, as Trace and TimeCalls do.
type Decorator = func(http.RoundTripper) http.RoundTripper

// Client verifies credentials. It keeps no connections between calls, and may be used
// by several goroutines.
type Client struct {
	opt   Options
	tls   *tls.Config
	guard *dialGuard
	proxy func(*http.Request) (*url.URL, error)
	dial  dialFunc
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
}

// New reads the certificate files of opt. A file that cannot be read or holds no
// certificate is an error that names it, and so is half a client certificate.
func New(opt Options) (*Client, error) {
	cfg, err := tlsConfig(opt)
	if err != nil {
		return nil, err
	}
	if opt.Timeout <= 0 {
		opt.Timeout = defaultTimeout
	}
	return &Client{
		opt: opt, tls: cfg, guard: &dialGuard{},
		proxy: http.ProxyFromEnvironment, dial: dialNet, now: time.Now, sleep: sleep,
	}, nil
}

// session is one verification: its connections, what is known about the registry, and the
// secrets that no message may show.
type session struct {
	c        *Client
	router   *router
	rt       http.RoundTripper
	base     *url.URL // origin of the registry that answered, or is being tried
	answered bool
	deadline time.Time
	secrets  *redactor
}

// errOutOfTime is the cause of our own deadline.
var errOutOfTime = errors.New("out of network time")

// open prepares a session for one registry address.
func (c *Client) open(ctx context.Context, address store.Address) (context.Context, context.CancelFunc, *session, *failure) {
	host, err := endpoint(address)
	if err != nil {
		return nil, nil, nil, &failure{outcome: Protocol, message: err.Error(), advice: CheckName}
	}
	s := c.newSession(&url.URL{Scheme: "https", Host: host}, false)
	ctx, cancel := s.timed(ctx)
	return ctx, func() { cancel(); s.router.close() }, s, nil
}

func (c *Client) newSession(base *url.URL, issuer bool) *session {
	s := &session{c: c, base: base, secrets: &redactor{}, router: &router{
		c: c, base: base, issuer: issuer, plain: c.opt.PlainHTTP && !issuer, transports: map[route]*http.Transport{},
	}}
	s.rt = s.router
	for _, wrap := range c.opt.Wrap {
		s.rt = wrap(s.rt)
	}
	return s
}

// timed bounds the next requests by Options.Timeout, without the time that the user spends
// in the browser.
func (s *session) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	s.deadline = s.c.now().Add(s.c.opt.Timeout)
	return context.WithTimeoutCause(ctx, s.c.opt.Timeout, errOutOfTime)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
