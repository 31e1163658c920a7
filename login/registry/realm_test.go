package registry

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRealm has a registry at one address send us to a realm at another. Both are
// real TLS servers; only the addresses that the dialler sees are invented.
func TestRealm(t *testing.T) {
	for _, tt := range []struct {
		name           string
		registry       string // address
		realm, realmAt string
		want           Outcome
		message        string
	}{
		{"public", "203.0.113.1", "https://auth.example/token", "203.0.113.2", Verified, ""},
		{"private", "203.0.113.1", "https://auth.example/token", "10.1.2.3", Verified, ""},
		{"same host", "127.0.0.1", "https://reg.example/token", "", Verified, ""},
		{"both loopback", "127.0.0.1", "https://auth.example/token", "127.0.0.2", Verified, ""},
		{"both loopback, six", "127.0.0.1", "https://auth.example/token", "::1", Verified, ""},
		{"both link-local", "169.254.1.1", "https://auth.example/token", "169.254.1.2", Verified, ""},
		{"loopback by name", "203.0.113.1", "https://auth.example/token", "127.0.0.1", Protocol, "loopback"},
		{"loopback mapped", "203.0.113.1", "https://auth.example/token", "::ffff:127.0.0.1", Protocol, "loopback"},
		{"unspecified", "203.0.113.1", "https://auth.example/token", "0.0.0.0", Protocol, "loopback"},
		{"link-local", "203.0.113.1", "https://auth.example/token", "169.254.7.7", Protocol, "link-local"},
		{"link-local six", "10.0.0.1", "https://auth.example/token", "fe80::1", Protocol, "link-local"},
		{"metadata", "203.0.113.1", "https://auth.example/token", "169.254.169.254", Protocol, "metadata"},
		{"metadata from link-local", "169.254.1.1", "https://auth.example/token", "169.254.169.254", Protocol, "metadata"},
		{"metadata from loopback", "127.0.0.1", "https://auth.example/token", "fd00:ec2::254", Protocol, "metadata"},
		{"metadata of alibaba", "203.0.113.1", "https://auth.example/token", "100.100.100.200", Protocol, "metadata"},
		{"plain http", "203.0.113.1", "http://auth.example/token", "203.0.113.2", Protocol, "plain http"},
		{"user name", "203.0.113.1", "https://a:b@auth.example/token", "203.0.113.2", Protocol, "user name"},
		{"relative", "203.0.113.1", "/token", "203.0.113.2", Protocol, "not an http"},
		{"other scheme", "203.0.113.1", "file:///etc/passwd", "203.0.113.2", Protocol, "not an http"},
		{"no host", "203.0.113.1", "https://:443/token", "203.0.113.2", Protocol, "not an http"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			auth := serve(t, true, bearerRegistry)
			reg := serve(t, true, func(s *site, w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/token" || r.Header.Get("Authorization") == "Bearer access-canary-token" {
					bearerRegistry(s, w, r)
					return
				}
				w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q", tt.realm))
				w.WriteHeader(http.StatusUnauthorized)
			})
			c := client(t, Options{Insecure: true})
			placed(c, map[string]string{"reg.example:443": tt.registry, "auth.example:443": tt.realmAt, "auth.example:80": tt.realmAt},
				map[string]*site{"reg.example:443": reg, "auth.example:443": auth, "auth.example:80": auth})
			r := c.Verify(t.Context(), "reg.example", "", alice)
			if r.Outcome != tt.want || !strings.Contains(r.Message, tt.message) {
				t.Errorf("%s: %q", r.Outcome, r.Message)
			}
			if tt.want != Verified && (auth.seen() != "" || strings.Contains(reg.seen(), "Basic")) {
				t.Errorf("the secret was sent: %s %s", auth.seen(), reg.seen())
			}
			if tt.want == Protocol && strings.Contains(tt.realm, "auth.example") && !strings.Contains(r.Message, "auth.example") {
				t.Errorf("%q does not name the realm", r.Message)
			}
		})
	}
}

// TestRealmByRealDNS resolves localhost for real.
func TestRealmByRealDNS(t *testing.T) {
	auth := serve(t, true, bearerRegistry)
	realm := "https://localhost:" + port(mustParse(t, auth.URL)) + "/token"
	reg := serve(t, true, func(_ *site, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Bearer realm="+realm)
		w.WriteHeader(http.StatusUnauthorized)
	})
	c := client(t, Options{Insecure: true})
	placed(c, map[string]string{"reg.example:443": "203.0.113.1"}, map[string]*site{"reg.example:443": reg})
	fake := c.dial
	c.dial = func(ctx context.Context, network, addr string, control controlFunc) (net.Conn, error) {
		if strings.HasPrefix(addr, "localhost:") {
			return dialNet(ctx, network, addr, control)
		}
		return fake(ctx, network, addr, control)
	}
	if r := c.Verify(t.Context(), "reg.example", "", alice); r.Outcome != Protocol || !strings.Contains(r.Message, "loopback") || auth.seen() != "" {
		t.Errorf("%v; asked: %s", r, auth.seen())
	}
}

func TestZoneOf(t *testing.T) {
	for ip, want := range map[string]zone{
		"127.0.0.1": zoneLoopback, "127.255.0.1": zoneLoopback, "::1": zoneLoopback, "::": zoneLoopback, "0.1.2.3": zoneLoopback,
		"64:ff9b::7f00:1": zoneLoopback, "64:ff9b::a9fe:a9fe": zoneMetadata, "::ffff:169.254.169.254": zoneMetadata,
		"fe80::1%eth0": zoneLinkLocal, "ff02::1": zoneLinkLocal, "10.0.0.1": zoneOpen, "192.168.1.1": zoneOpen,
		"fd00::1": zoneOpen, "8.8.8.8": zoneOpen, "64:ff9b::808:808": zoneOpen,
	} {
		if got := zoneOf(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %q, want %q", ip, got, want)
		}
	}
}

// TestProxy goes through a real CONNECT proxy, which sits on loopback: its own
// address must not be judged, the literal host of the realm must.
func TestProxy(t *testing.T) {
	auth := serve(t, true, bearerRegistry)
	var realm atomic.Value
	reg := serve(t, true, func(s *site, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", "Bearer realm="+realm.Load().(string))
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	var denied atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if denied.Load() {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		to := auth
		if strings.HasPrefix(r.Host, "reg.") {
			to = reg
		}
		out, err := net.Dial("tcp", to.Listener.Addr().String())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		conn, _, _ := http.NewResponseController(w).Hijack()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(out, conn); _ = out.Close() }()
		go func() { _, _ = io.Copy(conn, out); _ = conn.Close() }()
	}))
	defer proxy.Close()
	c := client(t, Options{Insecure: true})
	c.proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	for _, tt := range []struct {
		host string
		want Outcome
	}{
		{"auth.example", Verified},
		{"127.0.0.1", Protocol},
		{"[::1]", Protocol},
		{"169.254.169.254", Protocol},
		{"localhost", Protocol},
		{"x.localhost.", Protocol},
		{"2130706433", Protocol},
		{"0x7f.1", Protocol},
	} {
		realm.Store("https://" + tt.host + "/token")
		before := auth.seen()
		r := c.Verify(t.Context(), "reg.example", "", alice)
		if r.Outcome != tt.want || tt.want == Protocol && auth.seen() != before {
			t.Errorf("%s: %v", tt.host, r)
		}
	}
	denied.Store(true)
	if r := c.Verify(t.Context(), "reg.example", "", alice); r.Outcome != Unreachable || !strings.Contains(r.Message, "proxy answered 407") {
		t.Errorf("denied: %v", r)
	}
	c.proxy = func(*http.Request) (*url.URL, error) { return nil, fmt.Errorf("bad %s", alice.Secret) }
	if r := c.Verify(t.Context(), "reg.example", "", alice); r.Outcome != Unreachable || strings.Contains(r.Message, alice.Secret) {
		t.Errorf("bad setting: %v", r)
	}
	proxy.Close()
	c.proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	if r := c.Verify(t.Context(), "reg.example", "", alice); r.Message != "the proxy: connection refused" {
		t.Errorf("gone: %v", r)
	}
}

func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
