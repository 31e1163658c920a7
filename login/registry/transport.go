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
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"regshape/store/durable"
)

const (
	// maxHeader and maxBody bound a response. Challenges are under 1 KiB; tokens of
	// large clouds reach some 10 KiB.
	maxHeader = 64 << 10
	maxBody   = 1 << 20
	// maxPEM bounds a certificate file; the system's bundle has some 220 KiB.
	maxPEM = 4 << 20
)

var (
	errNoPair = errors.New("a client certificate needs a certificate file and a key file: give both")
	errPEM    = errors.New("no certificate in the file: give a PEM file")
	errSize   = errors.New("the file is too large: give a PEM file")
)

// tlsConfig reads the certificate files of opt; tlsFor decides for which server they are
// used. Errors name the file.
func tlsConfig(opt Options) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if opt.CAFile != "" {
		pem, err := readTrusted(opt.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca file: %w", err)
		}
		if !addCAs(cfg, pem) {
			return nil, fmt.Errorf("ca file %s: %w", opt.CAFile, errPEM)
		}
	}
	if (opt.CertFile == "") != (opt.KeyFile == "") {
		return nil, fmt.Errorf("%w (have only %s)", errNoPair, opt.CertFile+opt.KeyFile)
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
			return nil, fmt.Errorf("client certificate %s with key %s: give the PEM files of one pair: %w", opt.CertFile, opt.KeyFile, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// addCAs adds certificates to the system's: a token realm is often a public host.
func addCAs(cfg *tls.Config, pem []byte) bool {
	if cfg.RootCAs == nil {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		cfg.RootCAs = pool
	}
	return cfg.RootCAs.AppendCertsFromPEM(pem)
}

// readTrusted is readPEM for a file of trusted certificates, which nobody else may be able
// to write; a stored login may name it again later.
func readTrusted(name string) ([]byte, error) {
	f, err := durable.OpenNamed(name)
	if err != nil {
		return nil, err
	}
	return readAll(f, name)
}

// readPEM never waits for a pipe that nobody writes to.
func readPEM(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|durable.NoWait, 0)
	if err != nil {
		return nil, err
	}
	return readAll(f, name)
}

func readAll(f *os.File, name string) ([]byte, error) {
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

// firstByteConn detects a server that sends first, as mail and SSH servers do; HTTP and TLS
// servers wait for the client. Depending on timing, net/http sees a malformed response or a
// closed connection.
type firstByteConn struct {
	net.Conn
	wrote       atomic.Bool
	serverFirst *atomic.Bool
}

func (f *firstByteConn) Write(p []byte) (int, error) {
	f.wrote.Store(true)
	return f.Conn.Write(p)
}

func (f *firstByteConn) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if n > 0 && !f.wrote.Load() {
		f.serverFirst.Store(true)
	}
	return n, err
}

// router sends each request of one verification over the right transport, one for each
// origin, since certificates belong to an origin. The dialGuard checks every address.
// Behind a proxy the dialled address is the proxy's, so there the literal host is checked.
type router struct {
	c                *Client
	base             *url.URL    // origin of the registry, or of the issuer in its place
	issuer           bool        // base is an issuer's
	plain            bool        // http to any address; else to loopback alone
	serverSpokeFirst atomic.Bool // the registry sent before it got a request
	// A server asked for a client certificate and has not answered yet: what that means if it
	// never does.
	certRequested atomic.Pointer[failure]
	tunnels       sync.Map // routes for which an HTTP proxy has connected

	mu         sync.Mutex
	transports map[route]*http.Transport
}

// route names a transport: an origin, and who dials it.
type route struct {
	scheme, host string
	via          via
}

type via int

const (
	own via = iota
	guarded
	proxied
)

// dial connects to the registry, to other servers or to the proxy, each with its checks.
func (r *router) dial(scheme string, how via) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if how == proxied {
			return r.c.dial(ctx, network, addr, nil)
		}
		conn, err := r.c.dial(ctx, network, addr, func(_, address string, _ syscall.RawConn) error {
			return r.admit(scheme, how, address)
		})
		if err != nil || how != own {
			return conn, err
		}
		if ip, err := netip.ParseAddr(hostOf(conn.RemoteAddr().String())); err == nil {
			if err := r.c.guard.record(r.base.Host, classOf(ip)); err != nil {
				_ = conn.Close()
				return nil, err
			}
		}
		return &firstByteConn{Conn: conn, serverFirst: &r.serverSpokeFirst}, nil
	}
}

// admit is a net.Dialer's Control: it checks the resolved address before anything is sent
// there. The error is an *addressError.
func (r *router) admit(scheme string, how via, address string) error {
	ip, err := netip.ParseAddr(hostOf(address))
	switch {
	case err != nil:
		return errSpelling
	case scheme == "http" && !r.plain && !ip.Unmap().IsLoopback():
		return errPlainHTTP
	case how == own:
		return r.c.guard.checkSame(r.base.Host, classOf(ip))
	}
	return r.c.guard.checkOther(r.base.Host, classOf(ip))
}

// admitName is admit for a host that only the proxy resolves; a loopback address would be
// the proxy's.
func (r *router) admitName(u *url.URL, how via) error {
	z, err := literalClass(u.Hostname())
	switch {
	case u.Scheme == "http" && !r.plain:
		return errPlainHTTP
	case how == own && err != nil:
		return nil //nolint:nilerr // the user typed this name
	case how == own:
		return r.c.guard.record(r.base.Host, z)
	case err != nil:
		return errSpelling
	}
	return r.c.guard.checkOther(r.base.Host, z)
}

// transport returns the transport of a route, made at its first use.
func (r *router) transport(u *url.URL, how via) (*http.Transport, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := route{u.Scheme, u.Host, how}
	if t, ok := r.transports[key]; ok {
		return t, nil
	}
	cfg, err := r.tlsFor(u)
	if err != nil {
		return nil, err
	}
	certs := cfg.Certificates
	cfg.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		for i := range certs {
			if info.SupportsCertificate(&certs[i]) == nil {
				r.certRequested.Store(refusedClientCert)
				return &certs[i], nil
			}
		}
		if len(certs) > 0 {
			r.certRequested.Store(otherClientCert)
		} else {
			r.certRequested.Store(noClientCert)
		}
		return &tls.Certificate{}, nil
	}
	// Compressed answers are asked for and decompressed, as by every client written in Go: some
	// proxies compress unasked, and net/http decompresses only what it asked for. What is read of
	// a body is bounded behind the decompression.
	t := &http.Transport{
		DialContext:     r.dial(u.Scheme, how),
		TLSClientConfig: cfg,
		// A third of the time leaves room for the fall-back to http on loopback.
		TLSHandshakeTimeout:    min(r.c.opt.Timeout/3, 10*time.Second),
		MaxResponseHeaderBytes: maxHeader,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    1,
	}
	if how == proxied {
		t.Proxy, t.DialTLSContext = r.c.proxy, r.dialProxy
		t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
			if res.StatusCode == http.StatusOK {
				r.tunnels.Store(key, true)
				return nil
			}
			return proxyAnswer(res.StatusCode)
		}
	}
	r.transports[key] = t
	return t, nil
}

// dialProxy reaches a proxy that speaks TLS. net/http would show it the client certificate of
// the registry, and not verify it under --insecure.
func (r *router) dialProxy(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := r.c.dial(ctx, network, addr, nil)
	if err != nil {
		return nil, err
	}
	cfg := r.c.tls.Clone()
	cfg.ServerName, cfg.Certificates = hostOf(addr), nil
	return tls.Client(conn, cfg), nil
}

// RoundTrip implements http.RoundTripper.
func (r *router) RoundTrip(req *http.Request) (*http.Response, error) {
	proxy, err := r.c.proxy(req)
	if err != nil {
		// The cause quotes the setting, which may hold a password.
		return refuse(req, &failure{
			outcome: Unreachable, message: "the proxy setting in the environment is not a URL",
			advice: FixProxy,
		})
	}
	how := guarded
	if sameOrigin(req.URL, r.base) {
		how = own
	}
	if proxy != nil {
		if err := r.admitName(req.URL, how); err != nil {
			return refuse(req, err)
		}
		how = proxied
	}
	t, err := r.transport(req.URL, how)
	if err != nil {
		return refuse(req, err)
	}
	res, err := t.RoundTrip(req)
	if err == nil {
		r.certRequested.Store(nil)
		return res, nil
	}
	if _, connected := r.tunnels.Load(route{req.URL.Scheme, req.URL.Host, how}); how == proxied && !connected && strings.HasPrefix(proxy.Scheme, "http") {
		// The proxy is all that was reached, as net/http says itself only where it could not connect.
		err = &net.OpError{Op: proxyConnect, Err: err}
	}
	return nil, err
}

// refuse fails a request that was not sent; RoundTrip must close the body even then.
func refuse(req *http.Request, err error) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return nil, err
}

func (r *router) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.transports {
		t.CloseIdleConnections()
	}
}
