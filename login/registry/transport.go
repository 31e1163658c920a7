package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// maxHeader and maxBody bound an answer. Challenges are under 1 KiB; tokens of
	// large clouds reach some 10 KiB.
	maxHeader = 64 << 10
	maxBody   = 1 << 20
	// maxPEM bounds a certificate file; the system's whole bundle is some 220 KiB.
	maxPEM = 4 << 20
)

var (
	errHalf = errors.New("a client certificate needs both a certificate file and a key file")
	errPEM  = errors.New("no certificate in the file")
	errSize = errors.New("file is too large")
)

// tlsConfig reads the certificate files of opt. Errors name the file.
func tlsConfig(opt Options) (*tls.Config, error) {
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12,
		//nolint:gosec // only on the user's word: --insecure
		InsecureSkipVerify: opt.Insecure,
	}
	if opt.CAFile != "" {
		pem, err := readPEM(opt.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca file: %w", err)
		}
		// The user's CA comes beside the system's: a token realm is often a public host.
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca file %s: %w", opt.CAFile, errPEM)
		}
		cfg.RootCAs = pool
	}
	if (opt.CertFile == "") != (opt.KeyFile == "") {
		return nil, fmt.Errorf("%w (have only %s)", errHalf, opt.CertFile+opt.KeyFile)
	}
	if opt.CertFile != "" {
		cert, err := readPEM(opt.CertFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		key, err := readPEM(opt.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client key: %w", err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("client certificate %s with key %s: %w", opt.CertFile, opt.KeyFile, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func readPEM(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(b) > maxPEM {
		err = fmt.Errorf("%s: %w", name, errSize)
	}
	return b, err
}

// dialFunc connects to an address; control sees each resolved address first.
type dialFunc func(ctx context.Context, network, addr string, control controlFunc) (net.Conn, error)

type controlFunc func(network, address string, c syscall.RawConn) error

func dialNet(ctx context.Context, network, addr string, control controlFunc) (net.Conn, error) {
	d := net.Dialer{Control: control}
	return d.DialContext(ctx, network, addr)
}

// router sends each request of one verification over the right transport. The
// registry's own origin is dialled freely, and where it was reached is noted. Any
// other origin is dialled under the perimeter's check. Behind a proxy the dialled
// address is the proxy's, so there the literal host is judged instead.
type router struct {
	base     *url.URL
	proxy    func(*http.Request) (*url.URL, error)
	around   *perimeter
	greeted  atomic.Bool // the registry spoke before it was asked
	registry *http.Transport
	guarded  *http.Transport
	proxied  *http.Transport
}

func (c *Client) newRouter() *router {
	r := &router{proxy: c.proxy, around: &perimeter{}}
	r.registry = c.newTransport(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := c.dial(ctx, network, addr, nil)
		if err == nil {
			r.around.noteAddr(conn.RemoteAddr().String())
			conn = &firstWord{Conn: conn, theirs: &r.greeted}
		}
		return conn, err
	})
	r.guarded = c.newTransport(func(ctx context.Context, network, addr string) (net.Conn, error) {
		return c.dial(ctx, network, addr, r.around.check)
	})
	r.proxied = c.newTransport(func(ctx context.Context, network, addr string) (net.Conn, error) {
		return c.dial(ctx, network, addr, nil)
	})
	r.proxied.Proxy = c.proxy
	r.proxied.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
		if res.StatusCode == http.StatusOK {
			return nil
		}
		return &failure{outcome: Unreachable, message: "the proxy answered " + statusText(res.StatusCode)}
	}
	return r
}

func (c *Client) newTransport(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext:     dial,
		TLSClientConfig: c.tls.Clone(),
		// A third of the time leaves room for the fall-back to http on loopback.
		TLSHandshakeTimeout:    min(c.opt.Timeout/3, 10*time.Second),
		MaxResponseHeaderBytes: maxHeader,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    1,
	}
}

// firstWord notices a server that speaks first, as those of mail and SSH do: HTTP and TLS
// servers wait to be asked. Depending on who is faster, net/http sees a malformed answer
// or a connection that closed.
type firstWord struct {
	net.Conn
	asked  atomic.Bool
	theirs *atomic.Bool
}

func (f *firstWord) Write(p []byte) (int, error) {
	f.asked.Store(true)
	return f.Conn.Write(p)
}

func (f *firstWord) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if n > 0 && !f.asked.Load() {
		f.theirs.Store(true)
	}
	return n, err
}

// RoundTrip implements http.RoundTripper.
func (r *router) RoundTrip(req *http.Request) (*http.Response, error) {
	via, err := r.proxy(req)
	if err != nil {
		// The cause quotes the setting, which may hold a password.
		return refuse(req, &failure{
			outcome: Unreachable, message: "the proxy setting in the environment is not a URL",
			hint: "look at HTTP_PROXY and HTTPS_PROXY",
		})
	}
	own := sameOrigin(req.URL, r.base)
	switch {
	case via == nil && own:
		return r.registry.RoundTrip(req)
	case via == nil:
		return r.guarded.RoundTrip(req)
	case own:
		if z, err := literalZone(req.URL.Hostname()); err == nil {
			r.around.note(z)
		}
	default:
		if err := r.around.checkName(req.URL.Hostname()); err != nil {
			return refuse(req, err)
		}
	}
	return r.proxied.RoundTrip(req)
}

// refuse ends a request unsent; RoundTrip must close the body even then.
func refuse(req *http.Request, err error) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return nil, err
}

func (r *router) close() {
	r.registry.CloseIdleConnections()
	r.guarded.CloseIdleConnections()
	r.proxied.CloseIdleConnections()
}
