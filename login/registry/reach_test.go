package registry

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRaw has servers that are not HTTP at all.
func TestRaw(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		want         Outcome
	}{
		{"ssh", "SSH-2.0-OpenSSH_9.2\r\n", Protocol},
		{"nonsense", "\x00\x01\x02\x03\n\n", Protocol},
		{"closed", "", Unreachable},
		{"half a header", "HTTP/1.1 200 OK\r\nContent-", Protocol},
		{"endless header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n", Protocol},
		{"http/0.9 page", "<html>hello</html>", Protocol},
		{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Protocol},
		{"bad chunks", "HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: odd\r\n\r\n", Protocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						_, _ = conn.Read(make([]byte, 4096))
						_, _ = io.WriteString(conn, tt.answer)
						_ = conn.Close()
					}()
				}
			}()
			r := client(t, Options{PlainHTTP: true}).Verify(t.Context(), l.Addr().String(), "", alice)
			if r.Outcome != tt.want || r.Transport != "" || strings.ContainsAny(r.Message, "\x00\n") {
				t.Errorf("%s: %q", r.Outcome, r.Message)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	// Nobody accepts: connections stay in the backlog, without an answer.
	start := time.Now()
	r := client(t, Options{Timeout: 300 * time.Millisecond}).Verify(t.Context(), l.Addr().String(), "", alice)
	if r.Outcome != Unreachable || r.Message != "no answer within 300ms" || time.Since(start) > 3*time.Second {
		t.Errorf("silent: %v after %s", r, time.Since(start))
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if r := client(t, Options{}).Verify(ctx, l.Addr().String(), "", alice); r.Outcome != Unreachable || r.Message != "interrupted" {
		t.Errorf("cancelled: %v", r)
	}
	addr := l.Addr().String()
	_ = l.Close()
	if r := client(t, Options{}).Verify(t.Context(), addr, "", alice); r.Message != "connection refused" || r.Outcome != Unreachable {
		t.Errorf("refused: %v", r)
	}
	c := client(t, Options{})
	placed(c, nil, nil)
	if r := c.Verify(t.Context(), "nowhere.example", "", alice); r.Message != "no such host" || r.Outcome != Unreachable {
		t.Errorf("dns: %v", r)
	}
}

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

// TestSlowBody: an answer that never ends is cut off by time or by size.
func TestSlowBody(t *testing.T) {
	s := serve(t, false, func(_ *site, w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	r := client(t, Options{PlainHTTP: true, Timeout: 200 * time.Millisecond}).Verify(t.Context(), s.host(), "", alice)
	if r.Outcome != Unreachable || r.Message != "no answer within 200ms" {
		t.Errorf("slow: %v", r)
	}
	s = serve(t, false, func(_ *site, w http.ResponseWriter, _ *http.Request) {
		for range 64 {
			_, _ = w.Write(make([]byte, maxBody/16))
		}
	})
	if r := client(t, Options{PlainHTTP: true}).Verify(t.Context(), s.host(), "", alice); r.Outcome != Unverified {
		t.Errorf("long: %v", r)
	}
}

// TestParallel shares one client, as status does, with decorators.
func TestParallel(t *testing.T) {
	var trace bytes.Buffer
	c := client(t, Options{Insecure: true, Wrap: []func(http.RoundTripper) http.RoundTripper{Trace(&trace)}})
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
