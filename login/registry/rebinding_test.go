package registry

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"regshape/scripts/testregistry"
	"regshape/store"
)

// nameServer has the one name of a test resolve to other addresses in turn; a connection
// to any of them reaches the server.
func nameServer(server net.Addr, addresses ...string) dialFunc {
	var n atomic.Int32
	return func(ctx context.Context, network, addr string, control controlFunc) (net.Conn, error) {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		at := addresses[min(int(n.Add(1)), len(addresses))-1]
		return dialAs(ctx, network, net.JoinHostPort(at, port), server, control)
	}
}

// Only an address that is loopback is asked over http unasked, whatever its name.
func TestLocalhostByAddress(t *testing.T) {
	s := serve(t, false, basicRegistry)
	for at, want := range map[string]Outcome{
		"127.0.0.1": Verified, "127.9.9.9": Verified, "::1": Verified,
		"203.0.113.9": Protocol, "10.0.0.9": Protocol, "fd00::9": Protocol, "169.254.1.1": Protocol, "64:ff9b::7f00:1": Protocol,
	} {
		before := s.seen()
		c := client(t, Options{})
		c.dial = nameServer(s.Listener.Addr(), at)
		r := c.Verify(t.Context(), store.ParseAddress("localhost:5000"), "", alice)
		if r.Outcome != want {
			t.Errorf("localhost at %s: got %s: %s, want %s", at, r.Outcome, r.Message, want)
		}
		if want != Verified && (s.seen() != before || r.Advice != AllowHTTP) {
			t.Errorf("localhost at %s: asked %q, advice %q", at, strings.TrimPrefix(s.seen(), before), r.Advice)
		}
	}
	// On the user's word it is.
	c := client(t, Options{PlainHTTP: true})
	c.dial = nameServer(s.Listener.Addr(), "203.0.113.9")
	if r := c.Verify(t.Context(), store.ParseAddress("localhost:5000"), "", alice); r.Outcome != Verified {
		t.Error(r)
	}
}

// A token server that a loopback registry names by http has to be at loopback, too.
func TestPlainRealmByAddress(t *testing.T) {
	s := serve(t, false, func(_ *site, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			t.Errorf("asked over http: %s %s", r.Host, r.URL.Path)
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://auth.example/token"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	c := client(t, Options{})
	c.dial = nameServer(s.Listener.Addr(), "127.0.0.1", "127.0.0.1", "203.0.113.9")
	if r := c.Verify(t.Context(), store.ParseAddress("localhost:5000"), "", alice); r.Outcome != Protocol || !strings.Contains(r.Message, "auth.example: the address was refused") {
		t.Errorf("got %s: %s", r.Outcome, r.Message)
	}
}

// An issuer stays where it was first reached, from one call of a run to the next; and
// http://localhost is one at loopback alone, --plain-http or not, which is the registry's.
func TestIssuerRebinding(t *testing.T) {
	for name, addresses := range map[string][]string{
		"at another address":      {"203.0.113.9"},
		"moved":                   {"127.0.0.1", "203.0.113.9"},
		"moved to link-local":     {"127.0.0.1", "169.254.169.254"},
		"behind a translator":     {"64:ff9b::7f00:1"},
		"moved to the open later": {"127.0.0.1", "127.0.0.1", "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := testregistry.NewIssuer(testregistry.IssuerOptions{})
			s := serve(t, false, func(_ *site, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Connection", "close")
				issuer.ServeHTTP(w, r)
			})
			c := client(t, Options{PlainHTTP: true})
			c.dial = nameServer(s.Listener.Addr(), addresses...)
			d := DeviceClient{Issuer: "http://localhost:5000", ClientID: "cli"}
			for range 2 {
				if _, r := c.Refresh(t.Context(), d, "refresh-canary-token"); r.Outcome != Rejected && r.Outcome != Protocol {
					t.Errorf("got %s: %s", r.Outcome, r.Message)
				}
			}
			want := 0
			for _, a := range addresses {
				if a == "127.0.0.1" {
					want++
				}
			}
			if got := strings.Count(s.seen()+"\n", "\n"); s.seen() == "" && want > 0 || s.seen() != "" && got != want {
				t.Errorf("got %d requests, want %d:\n%s", got, want, s.seen())
			}
		})
	}
}

// One run has several verifications of a registry, and the name may not move between them.
func TestRebindingBetweenVerifications(t *testing.T) {
	s := serve(t, true, basicRegistry)
	c := client(t, Options{Insecure: true})
	c.dial = nameServer(s.Listener.Addr(), "203.0.113.1", "127.0.0.1")
	if r := c.Verify(t.Context(), store.ParseAddress("reg.example"), "", alice); r.Outcome != Verified {
		t.Fatal(r)
	}
	before := s.seen()
	if r := c.Verify(t.Context(), store.ParseAddress("reg.example"), "", alice); r.Outcome != Protocol || s.seen() != before {
		t.Errorf("got %s: %s; asked %q", r.Outcome, r.Message, strings.TrimPrefix(s.seen(), before))
	}
}
