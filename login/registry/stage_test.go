package registry

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// house is what all stages share: a CA and one certificate for all names.
type house struct {
	pair   tls.Certificate
	caFile string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	pair, certPEM, _ := selfSigned(t, time.Now().Add(time.Hour), "*.example", "hub.docker.com", "127.0.0.1", "::1", "2001:db8::1")
	return &house{pair, writeFile(t, "ca.pem", certPEM)}
}

// startTLS serves under the house's certificate.
func (h *house) startTLS(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = quiet()
	s.TLS = &tls.Config{Certificates: []tls.Certificate{h.pair}, ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// stage is the world of one scenario.
type stage struct {
	t      *testing.T
	sc     scenario
	ctx    context.Context
	cancel context.CancelFunc
	opt    Options
	tls    *tls.Config // of reg and auth
	// authTLS is auth's, if it has one of its own.
	authTLS *tls.Config
	client  *Client

	mu      sync.Mutex
	log     []string
	servers map[string]*httptest.Server
	rawReg  net.Listener
	gone    net.Listener        // in place of the proxy: nobody listens there
	answers map[string][]string // addresses by role
	clock   time.Time
}

func newStage(t *testing.T, house *house, sc scenario) *stage {
	st := &stage{
		t: t, sc: sc, opt: sc.opt, servers: map[string]*httptest.Server{}, answers: map[string][]string{},
		tls:   &tls.Config{Certificates: []tls.Certificate{house.pair}},
		clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	st.ctx, st.cancel = context.WithCancel(t.Context())
	t.Cleanup(st.cancel)
	if st.opt.CAFile == "" {
		st.opt.CAFile = house.caFile
	}
	if st.opt.Timeout == 0 {
		st.opt.Timeout = 20 * time.Second
	}
	st.opt.PlainHTTP = st.opt.PlainHTTP || sc.noTLS && !sc.loopback
	return st
}

// open starts the servers and makes the client.
func (st *stage) open() {
	st.t.Helper()
	for i, role := range []string{"reg", "auth", "other", "plain", "proxy"} {
		h := map[string]handler{"reg": st.sc.reg, "auth": st.sc.auth, "other": st.sc.other, "plain": st.sc.plain, "proxy": st.sc.proxy}[role]
		st.answers[role] = strings.Split(fmt.Sprintf("203.0.113.%d", i+1), ",")
		if at := st.sc.at[role]; at != "" {
			st.answers[role] = strings.Split(at, ",")
		}
		if h != nil {
			st.serve(role, h)
		}
	}
	if st.sc.raw != "" {
		st.serveRaw()
	}
	c, err := New(st.opt)
	if err != nil {
		st.t.Fatal(err)
	}
	c.now = func() time.Time {
		st.mu.Lock()
		defer st.mu.Unlock()
		return st.clock
	}
	c.sleep = func(ctx context.Context, d time.Duration) error {
		st.note("wait " + d.String())
		st.mu.Lock()
		st.clock = st.clock.Add(d)
		st.mu.Unlock()
		return ctx.Err()
	}
	if !st.sc.loopback {
		c.dial = st.dial
	}
	st.client = c
}

func (st *stage) serve(role string, h handler) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		st.note(strings.TrimSpace(role + " " + st.describe(role, r)))
		h(st, w, r)
	}))
	s.Config.ErrorLog = quiet()
	if role == "plain" || role == "proxy" || st.sc.noTLS {
		s.Start()
	} else {
		s.TLS, s.EnableHTTP2 = st.tls, true
		if role == "auth" && st.authTLS != nil {
			s.TLS = st.authTLS
		}
		s.StartTLS()
	}
	st.servers[role] = s
	st.t.Cleanup(s.Close)
}

// serveRaw speaks bytes in place of HTTP.
func (st *stage) serveRaw() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		st.t.Fatal(err)
	}
	st.rawReg = l
	st.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				if !st.sc.first {
					_, _ = conn.Read(make([]byte, 4096))
				}
				_, _ = io.WriteString(conn, strings.TrimPrefix(st.sc.raw, "\x00"))
				if st.sc.first {
					_, _ = conn.Read(make([]byte, 4096))
				}
			}()
		}
	}()
}

// authPort is ":PORT" of the token server's real address, or something that is nowhere.
func (st *stage) authPort() string {
	if l := st.listener("auth"); l != nil {
		return strings.TrimPrefix(l.Addr().String(), "127.0.0.1")
	}
	return "\x00"
}

func (st *stage) listener(role string) net.Listener {
	switch {
	case role == "reg" && st.rawReg != nil:
		return st.rawReg
	case role == "proxy" && st.gone != nil:
		return st.gone
	}
	if s := st.servers[role]; s != nil {
		return s.Listener
	}
	return nil
}

// dial is the name server and the network: names live at the addresses that the
// scenario says, and a connection to one reaches the role's server on loopback.
func (st *stage) dial(ctx context.Context, network, addr string, control controlFunc) (net.Conn, error) {
	host, port, _ := net.SplitHostPort(addr)
	host = strings.ToLower(host)
	role, _, _ := strings.Cut(host, ".")
	at := ""
	switch _, named := st.answers[role]; {
	case host == "localhost":
		// The machine's own name server, and the dialler that users have.
		return dialNet(ctx, network, addr, control)
	case net.ParseIP(host) != nil:
		// The registry is the one that is asked by address.
		role, at = "reg", host
	case !named || !strings.HasSuffix(host, ".example"):
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	default:
		st.mu.Lock()
		at = st.answers[role][0]
		if rest := st.answers[role][1:]; len(rest) > 0 {
			st.answers[role] = rest
		}
		st.mu.Unlock()
	}
	l := st.listener(role)
	if l == nil {
		return nil, fmt.Errorf("nobody plays %s", role)
	}
	return dialAs(ctx, network, net.JoinHostPort(at, port), l.Addr(), control)
}

func (st *stage) note(line string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.log = append(st.log, line)
}

func (st *stage) asked() string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return strings.Join(st.log, "; ")
}

// describe says what a request asks and which credential it carries where one belongs.
// A secret anywhere else in it is marked LEAK.
func (st *stage) describe(role string, r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	said := r.Method + " " + r.RequestURI
	if r.Method == http.MethodConnect {
		said = r.Method + " " + r.Host
	}
	auth := r.Header.Get("Authorization")
	switch _, secret, isBasic := r.BasicAuth(); {
	case isBasic && secret == wrong.Secret:
		said += " basic-wrong"
	case isBasic:
		said += " basic"
	case auth == "Bearer access-canary-token":
		said += " bearer"
	case auth != "":
		said += " " + auth
	}
	if form, err := url.ParseQuery(string(body)); err == nil && len(body) > 0 {
		said += " " + form.Get("grant_type")
		for _, where := range []string{"password", "refresh_token"} {
			form.Del(where)
		}
		said += "?" + form.Encode()
	}
	rest := r.Header.Clone()
	rest.Del("Authorization")
	if role == "proxy" {
		rest.Del("Proxy-Authorization")
	}
	if strings.Contains(fmt.Sprint(said, r.Host, rest, r.Trailer), "canary") && !strings.Contains(said, "Bearer ") {
		said += " LEAK"
	}
	return said
}
