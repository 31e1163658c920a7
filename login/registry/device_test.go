package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"regshape/scripts/testregistry"
	"regshape/scripts/testregistry/canary"
)

// startIssuer serves an issuer in memory and returns a client that knows the way there and
// no proxy. In a bubble of package synctest, the seconds between polls pass at once.
func startIssuer(t *testing.T, opts testregistry.IssuerOptions, opt Options) (*testregistry.Issuer, DeviceClient, *Client) {
	t.Helper()
	issuer := testregistry.NewIssuer(opts)
	wires := pipes{make(chan net.Conn), make(chan struct{})}
	server := &http.Server{Handler: issuer, ErrorLog: quiet()}
	go func() { _ = server.Serve(wires) }()
	t.Cleanup(func() { _ = server.Close() })
	c := client(t, opt)
	c.dial = wires.dial
	return issuer, DeviceClient{Issuer: "http://127.0.0.1" + opts.Path, ClientID: "cli"}, c
}

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p pipes) Close() error {
	close(p.closed)
	return nil
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) dial(_ context.Context, network, addr string, control controlFunc) (net.Conn, error) {
	if control != nil {
		if err := control(network, addr, nil); err != nil {
			return nil, err
		}
	}
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return movedConn{near, p.Addr()}, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// watched is a screen that remembers.
type watched struct {
	shown  []DeviceCode
	paused []string
}

func (w *watched) screen() DeviceScreen {
	return DeviceScreen{
		Show:  func(c DeviceCode) { w.shown = append(w.shown, c) },
		Pause: func(why string) { w.paused = append(w.paused, why) },
	}
}

func TestDeviceLogin(t *testing.T) {
	claims := map[string]any{"preferred_username": "alice", "email": "a@example.com", "sub": "1"}
	for _, tt := range []struct {
		name    string
		opts    testregistry.IssuerOptions
		want    Outcome
		message string
		paused  int
	}{
		{"at once", testregistry.IssuerOptions{Claims: claims}, Verified, "", 0},
		{"pending", testregistry.IssuerOptions{Claims: claims, Polls: []string{"authorization_pending", "authorization_pending"}}, Verified, "", 0},
		{"slow down", testregistry.IssuerOptions{Claims: claims, Polls: []string{"slow_down"}}, Verified, "", 0},
		{"network loss", testregistry.IssuerOptions{Claims: claims, Polls: []string{"drop", "unavailable"}}, Verified, "", 1},
		{"OpenID's metadata, a path", testregistry.IssuerOptions{Claims: claims, OpenID: true, Path: "/realms/team"}, Verified, "", 0},
		{"RFC 8414 with a path", testregistry.IssuerOptions{Claims: claims, Path: "/realms/team"}, Verified, "", 0},
		{"denied", testregistry.IssuerOptions{Polls: []string{"access_denied"}}, Rejected, "the login was denied in the browser", 0},
		{"expired", testregistry.IssuerOptions{Polls: []string{"expired_token"}}, Expired, expiredText, 0},
		{"nobody confirms", testregistry.IssuerOptions{Manual: true, CodeLife: 2}, Expired, expiredText, 0},
		{"gone", testregistry.IssuerOptions{Polls: slices.Repeat([]string{"drop"}, 9), CodeLife: 3}, Expired, "the issuer did not answer (", 1},
		{"garbage", testregistry.IssuerOptions{Polls: []string{"garbage"}}, Protocol, "answered without a usable token", 0},
		{"another client", testregistry.IssuerOptions{ClientID: "other"}, Forbidden, "does not allow this client", 0},
		{"unknown refusal", testregistry.IssuerOptions{Polls: []string{"mood"}}, Protocol, "400", 0},
		{"calls itself otherwise", testregistry.IssuerOptions{CallsIt: "https://evil.example"}, Protocol, "metadata names another issuer", 0},
		{"an odd page", testregistry.IssuerOptions{VerificationURI: "javascript:alert(1)"}, Protocol, "not an http or https URL", 0},
		{"a plain page", testregistry.IssuerOptions{VerificationURI: "http://pages.example/"}, Protocol, "plain http", 0},
		{"a page of another user", testregistry.IssuerOptions{VerificationURI: "https://id.example@evil.example/"}, Protocol, "user name", 0},
		{"no code", testregistry.IssuerOptions{DeviceAnswer: `{"verification_uri":"https://x.example/","user_code":"A"}`}, Protocol, "is not valid", 0},
		{"an escape in the code", testregistry.IssuerOptions{DeviceAnswer: `{"device_code":"d","verification_uri":"https://x.example/","user_code":"A\u001b[2J"}`}, Protocol, "is not valid", 0},
		{"no JSON", testregistry.IssuerOptions{DeviceAnswer: "<html>"}, Protocol, "without a usable token", 0},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			issuer, d, c := startIssuer(t, tt.opts, Options{})
			var w watched
			g, r := c.DeviceLogin(t.Context(), d, w.screen())
			if r.Outcome != tt.want || !strings.Contains(r.Message, tt.message) || strings.ContainsRune(r.Message, '\x1b') {
				t.Fatalf("got %s: %q, want %s with %q", r.Outcome, r.Message, tt.want, tt.message)
			}
			if len(w.paused) != tt.paused {
				t.Errorf("paused: got %q, want %d", w.paused, tt.paused)
			}
			if tt.want != Verified {
				if g.AccessToken+g.RefreshToken != "" {
					t.Error("a failed login has tokens")
				}
				return
			}
			if len(w.shown) != 1 || !w.shown[0].Complete || !strings.Contains(w.shown[0].Link, w.shown[0].Code) {
				t.Errorf("shown: %+v", w.shown)
			}
			if !issuer.Accepts(g.AccessToken) || g.RefreshToken == "" || g.Username != "alice" || g.Scope != "openid offline_access" {
				t.Errorf("grant of %q, scope %q", g.Username, g.Scope)
			}
			if left := time.Until(g.Expires); left < 50*time.Minute || left > time.Hour {
				t.Errorf("expires in %v", left)
			}
		})
	}
}

// bubble is a subtest whose clock jumps to the next timer when all its goroutines wait.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// Ctrl-C ends the wait at once, even while the issuer does not answer.
func TestDeviceLogin_interrupted(t *testing.T) {
	for name, opts := range map[string]testregistry.IssuerOptions{
		"between polls": {Manual: true, Interval: 60},
		"in a poll":     {Polls: []string{"endless"}},
	} {
		bubble(t, name, func(t *testing.T) {
			_, d, c := startIssuer(t, opts, Options{})
			const after = 1500 * time.Millisecond
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(after, cancel)
			begin := time.Now()
			var w watched
			_, r := c.DeviceLogin(ctx, d, w.screen())
			if took := time.Since(begin); r.Outcome != Unreachable || took != after || len(w.paused) > 0 {
				t.Errorf("got %s after %v, want %s after %v; paused %q", r.Outcome, took, Unreachable, after, w.paused)
			}
		})
	}
}

// What the issuer names is dialled under the rules for token realms, and a redirect takes
// no code along.
func TestDeviceDialGuard(t *testing.T) {
	var leaked bool
	house := newHouse(t)
	inner := house.startTLS(t, func(http.ResponseWriter, *http.Request) { leaked = true })
	for name, tt := range map[string]struct {
		device, message string
		redirect        bool
	}{
		"loopback":  {"https://inner.example/device", "loopback", false},
		"plain":     {"http://inner.example/device", "plain http", false},
		"redirects": {"https://id.example/device", "redirects; the redirect was not followed", true},
	} {
		t.Run(name, func(t *testing.T) {
			server := house.startTLS(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/device" {
					http.Redirect(w, r, "https://inner.example/device", http.StatusTemporaryRedirect)
					return
				}
				reply(w, http.StatusOK, map[string]any{
					"issuer": "https://id.example", "token_endpoint": "https://id.example/token", "device_authorization_endpoint": tt.device,
				})
			})
			c := client(t, Options{CAFile: house.caFile})
			c.dial = at(map[string]listening{"id.example:443": {"203.0.113.1", server}, "inner.example:443": {"127.0.0.1", inner}})
			_, r := c.DeviceLogin(t.Context(), DeviceClient{Issuer: "https://id.example", ClientID: "cli"}, (&watched{}).screen())
			if r.Outcome != Protocol || !strings.Contains(r.Message, tt.message) || leaked {
				t.Errorf("%s: %q, leaked %v", r.Outcome, r.Message, leaked)
			}
		})
	}
}

// A description that a redirect leads to at another origin is not the issuer's, and what
// it names is asked nothing.
func TestMetadata_elsewhere(t *testing.T) {
	house := newHouse(t)
	for name, openID := range map[string]bool{"nowhere else": false, "OpenID's is its own": true} {
		t.Run(name, func(t *testing.T) {
			leaked := false
			server := house.startTLS(t, func(w http.ResponseWriter, r *http.Request) {
				describe := func(endpoints string) {
					reply(w, http.StatusOK, map[string]any{
						"issuer": "https://id.example", "token_endpoint": endpoints + "/token", "device_authorization_endpoint": endpoints + "/device",
					})
				}
				switch {
				case r.Host == "evil.example" && r.Method == http.MethodGet:
					describe("https://evil.example")
				case r.Host == "evil.example":
					leaked = true
				case r.Method == http.MethodPost:
					reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
				case openID && strings.HasSuffix(r.URL.Path, "/openid-configuration"):
					describe("https://id.example")
				default:
					http.Redirect(w, r, "https://evil.example"+r.URL.Path, http.StatusFound)
				}
			})
			c := client(t, Options{CAFile: house.caFile})
			c.dial = at(map[string]listening{"id.example:443": {"203.0.113.1", server}, "evil.example:443": {"203.0.113.2", server}})
			want, message := Protocol, "the issuer id.example redirects to https://evil.example for its metadata, which was refused"
			if openID {
				want, message = Rejected, "no longer accepts"
			}
			_, r := c.Refresh(t.Context(), DeviceClient{Issuer: "https://id.example", ClientID: "cli"}, "refresh-canary-token")
			if r.Outcome != want || !strings.Contains(r.Message, message) || leaked {
				t.Errorf("%s: %q, leaked %v", r.Outcome, r.Message, leaked)
			}
		})
	}
}

// listening is a server and the address that a dialler takes it for.
type listening struct {
	ip string
	*httptest.Server
}

// at is a dialler to whom names resolve as the map says.
func at(where map[string]listening) dialFunc {
	return func(ctx context.Context, network, addr string, control controlFunc) (net.Conn, error) {
		to, ok := where[addr]
		if !ok {
			return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
		}
		return dialAs(ctx, network, net.JoinHostPort(to.ip, "443"), to.Listener.Addr(), control)
	}
}

// A whole life of a device login, looked for in traces and timings.
func TestDeviceLogin_canary(t *testing.T) {
	synctest.Test(t, testDeviceCanary)
}

func testDeviceCanary(t *testing.T) {
	var log bytes.Buffer
	issuer, d, c := startIssuer(t, testregistry.IssuerOptions{Rotate: true, Claims: map[string]any{"sub": "alice"}}, Options{Wrap: []Decorator{Trace(&log, time.Now), TimeCalls(&log, time.Now)}})
	var w watched
	g, r := c.DeviceLogin(t.Context(), d, w.screen())
	if r.Outcome != Verified {
		t.Fatal(r)
	}
	again, r := c.Refresh(t.Context(), d, g.RefreshToken)
	if r.Outcome != Verified || again.RefreshToken == g.RefreshToken || !issuer.Accepts(again.AccessToken) {
		t.Fatalf("refresh: %v", r)
	}
	if r := c.Revoke(t.Context(), d, again.RefreshToken); r.Outcome != Verified || issuer.Live() != 0 {
		t.Fatalf("revoke: %v, %d live", r, issuer.Live())
	}
	if !strings.Contains(log.String(), "> POST /token HTTP/1.1") || !strings.Contains(log.String(), "grant_type=refresh_token") {
		t.Errorf("the trace lacks the calls:\n%s", log.String())
	}
	if found := canary.Find(log.Bytes(), append(issuer.Secrets(), w.shown[0].Code)...); found != "" {
		t.Errorf("the trace holds a secret (%s):\n%s", found, log.String())
	}
}

func TestHubToken(t *testing.T) {
	enc := base64.RawURLEncoding.EncodeToString
	access := enc([]byte(`{}`)) + "." + enc([]byte(`{"https://hub.docker.com":{"username":"alice"}}`)) + "." + enc([]byte("s"))
	house := newHouse(t)
	for _, tt := range []struct {
		name, access, body string
		status             int
		want               Outcome
		user, token        string
	}{
		{"made", access, `{"data":{"token":"dckr_pat_canary"}}`, http.StatusCreated, Verified, "alice", "dckr_pat_canary"},
		{"no claims", "opaque", `{"data":{"token":"dckr_pat_canary"}}`, http.StatusCreated, Verified, "", "dckr_pat_canary"},
		{"refused", access, `{"message":"no"}`, http.StatusForbidden, Forbidden, "", ""},
		{"not made", access, `{"data":{"token":"dckr_pat_canary"}}`, http.StatusOK, Protocol, "", ""},
		{"empty", access, `{}`, http.StatusCreated, Protocol, "", ""},
		{"no JSON", access, `<html>`, http.StatusCreated, Protocol, "", ""},
		{"a header's end", access, `{"data":{"token":"a\r\nb"}}`, http.StatusCreated, Protocol, "", ""},
		{"down", access, ``, http.StatusBadGateway, Unreachable, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := ""
			hub := house.startTLS(t, func(w http.ResponseWriter, r *http.Request) {
				asked += r.Method + " " + r.Host + r.URL.Path + " " + r.Header.Get("Authorization")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			})
			c := client(t, Options{CAFile: house.caFile})
			c.dial = at(map[string]listening{"hub.docker.com:443": {"203.0.113.1", hub}})
			user, token, r := c.HubToken(t.Context(), tt.access)
			if r.Outcome != tt.want || user != tt.user || token != tt.token || strings.Contains(r.Message, tt.access) {
				t.Errorf("%v: user %q", r, user)
			}
			if want := "POST hub.docker.com/v2/access-tokens/desktop-generate Bearer " + tt.access; asked != want {
				t.Errorf("asked %q, want once %q", asked, want)
			}
		})
	}
}

func TestRefreshAndRevoke(t *testing.T) {
	for _, tt := range []struct {
		name            string
		opts            testregistry.IssuerOptions
		token           string // "" for the login's own
		refresh, revoke Outcome
		message         string
	}{
		{"kept", testregistry.IssuerOptions{}, "", Verified, Verified, ""},
		{"rotated", testregistry.IssuerOptions{Rotate: true}, "", Verified, Verified, ""},
		{"no life", testregistry.IssuerOptions{TokenLife: -1}, "", Verified, Verified, ""},
		{"no revocation", testregistry.IssuerOptions{NoRevocation: true}, "", Verified, Unverified, ""},
		{"revocation fails", testregistry.IssuerOptions{RevokeStatus: 400}, "", Verified, Protocol, ""},
		{"void", testregistry.IssuerOptions{}, "another-token", Rejected, Verified, "no longer accepts"},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			issuer, d, c := startIssuer(t, tt.opts, Options{})
			g, r := c.DeviceLogin(t.Context(), d, (&watched{}).screen())
			if r.Outcome != Verified || g.Expires.IsZero() != (tt.opts.TokenLife < 0) {
				t.Fatalf("%v, expires %v", r, g.Expires)
			}
			token := first(tt.token, g.RefreshToken)
			again, r := c.Refresh(t.Context(), d, token)
			if r.Outcome != tt.refresh || !strings.Contains(r.Message, tt.message) {
				t.Fatalf("refresh: %v", r)
			}
			if tt.refresh == Verified {
				if !issuer.Accepts(again.AccessToken) || again.AccessToken == g.AccessToken || (again.RefreshToken != token) != tt.opts.Rotate {
					t.Error("not what the issuer gave")
				}
				token = again.RefreshToken
			}
			if r := c.Revoke(t.Context(), d, token); r.Outcome != tt.revoke {
				t.Errorf("revoke: %v", r)
			}
		})
	}
}

func TestLifetime(t *testing.T) {
	for _, tt := range []struct {
		in   any
		want float64
	}{{3600.0, 3600}, {"3600", 3600}, {"soon", 0}, {nil, 0}, {true, 0}, {[]any{}, 0}} {
		if got := lifetime(tt.in); got != tt.want {
			t.Errorf("lifetime(%v) = %v, want %v", tt.in, got, tt.want)
		}
	}
	now := time.Now()
	if got := expiry(now.Add(2*maxLife), now); got.After(now.Add(maxLife)) {
		t.Errorf("expiry %v is beyond reason", got)
	}
}
