package registry

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestNothingStaysOpen: after Verify the server sees every connection closed.
func TestNothingStaysOpen(t *testing.T) {
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
		if r := c.Verify(t.Context(), s.host(), "", alice); r.Outcome != Verified {
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
			if r := c.Verify(t.Context(), good.host(), "", alice); r.Outcome != Verified {
				t.Error(r)
			}
			if r := c.Verify(t.Context(), bad.host(), "", Credential{Username: "x", Secret: "y"}); r.Outcome != Rejected {
				t.Error(r)
			}
		})
	}
	group.Wait()
	if strings.Contains(trace.String(), "canary") {
		t.Error("a secret is in the trace")
	}
}

// TestRetryEndsWithTheCaller: a wait is interrupted.
func TestRetryEndsWithTheCaller(t *testing.T) {
	s := serve(t, false, func(_ *site, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	start := time.Now()
	r := client(t, Options{PlainHTTP: true}).Verify(ctx, s.host(), "", alice)
	if r.Message != "interrupted" || time.Since(start) > 2*time.Second {
		t.Errorf("%v after %s", r, time.Since(start))
	}
}
