package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"regshape/store"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestToken(t *testing.T) {
	c := client(t, Options{})
	s := serve(t, false, bearerRegistry)
	tok, r := c.Token(t.Context(), store.ParseAddress(s.host()), "repository:a:pull", alice)
	if tok.Value != "access-canary-token" || tok.ExpiresIn != 5*time.Minute || r.Outcome != Verified {
		t.Errorf("token %q for %s, %v", tok.Value, tok.ExpiresIn, r)
	}
	if tok, r := c.Token(t.Context(), store.ParseAddress(serve(t, false, basicRegistry).host()), "", alice); tok.Value != "" || r.Outcome != Protocol {
		t.Errorf("basic: %v", r)
	}
	anonymous := serve(t, false, func(s *site, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" && r.Header.Get("Authorization") == "" && !r.URL.Query().Has("account") {
			reply(w, 200, map[string]any{"token": "anon", "expires_in": 1e300})
			return
		}
		bearerRegistry(s, w, r)
	})
	if tok, r := c.Token(t.Context(), store.ParseAddress(anonymous.host()), "", Credential{}); tok.Value != "anon" || tok.ExpiresIn != maxLife {
		t.Errorf("anonymous: %v %s", r, tok.ExpiresIn)
	}
}

func TestBadAddress(t *testing.T) {
	c := client(t, Options{})
	for _, host := range []string{"", "a b", "u@h", "h:0", "h:99999", "h:", "[::1", "::1", "h?x", ":5000"} {
		if r := c.Verify(t.Context(), store.ParseAddress(host), "", alice); r.Outcome != Protocol || r.Message != errAddress.Error() {
			t.Errorf("%q: %v", host, r)
		}
	}
	for in, want := range map[string]string{
		"docker.io": hubAPI, "index.docker.io": hubAPI, "Registry.Hub.Docker.com:443": hubAPI, "http://docker.io": hubAPI, "docker.io/library/x": hubAPI,
		"[::1]:5000": "[::1]:5000", "GHCR.io": "ghcr.io", "docker.io:5000": "docker.io:5000", "my_reg": "my_reg", "a/b": "a", "h\n": "h",
	} {
		if got, err := endpoint(store.ParseAddress(in)); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for in, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.9.9.9": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"a.localhost": false, "localhost.example": false, "10.0.0.1": false, "0.0.0.0": false,
	} {
		if got := Loopback(store.ParseAddress(in)); got != want {
			t.Errorf("%q: loopback %t", in, got)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	for _, v := range []any{
		Token{Value: "canary"},
		&Token{Value: "canary"},
		Credential{Username: "u", Secret: "canary"},
		&Credential{Secret: "canary"},
		Result{IdentityToken: "canary"},
		&Result{IdentityToken: "canary"},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "canary") || strings.Contains(got, "63616e617279") {
				t.Errorf("%s of %T shows the secret: %s", verb, v, got)
			}
		}
	}
}

// TestVerify_closesConnections: after Verify the server sees every connection closed.
func TestVerify_closesConnections(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := serve(t, secure, bearerRegistry)
		c := client(t, Options{Insecure: true})
		var open atomic.Int32
		dial := c.dial
		c.dial = func(ctx context.Context, network, addr string, control controlFunc) (net.Conn, error) {
			conn, err := dial(ctx, network, addr, control)
			if err != nil {
				return nil, err
			}
			open.Add(1)
			return &countedConn{Conn: conn, open: &open}, nil
		}
		if r := c.Verify(t.Context(), store.ParseAddress(s.host()), "", alice); r.Outcome != Verified {
			t.Fatal(r)
		}
		for end := time.Now().Add(5 * time.Second); open.Load() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("secure %t: %d connections are left open", secure, open.Load())
			}
		}
	}
}

type countedConn struct {
	net.Conn
	open *atomic.Int32
	once sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// TestParallel shares one client, as status does, with decorators.
func TestParallel(t *testing.T) {
	var trace bytes.Buffer
	c := client(t, Options{Insecure: true, Wrap: []func(http.RoundTripper) http.RoundTripper{Trace(&trace, time.Now)}})
	good, bad := serve(t, true, bearerRegistry), serve(t, false, basicRegistry)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if r := c.Verify(t.Context(), store.ParseAddress(good.host()), "", alice); r.Outcome != Verified {
				t.Error(r)
			}
			if r := c.Verify(t.Context(), store.ParseAddress(bad.host()), "", Credential{Username: "x", Secret: "y"}); r.Outcome != Rejected {
				t.Error(r)
			}
		})
	}
	group.Wait()
	if strings.Contains(trace.String(), "canary") {
		t.Error("a secret is in the trace")
	}
}

// TestRetry_endsWithCaller: a wait is interrupted.
func TestRetry_endsWithCaller(t *testing.T) {
	s := serve(t, false, func(_ *site, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	r := client(t, Options{PlainHTTP: true}).Verify(ctx, store.ParseAddress(s.host()), "", alice)
	if r.Message != "interrupted" || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %s", r, time.Since(start))
	}
}
