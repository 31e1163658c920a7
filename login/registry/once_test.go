package registry

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"regshape/scripts/testregistry"
	"regshape/store"
)

// breaks ends an exchange after the request was read, in one of many ways, the first n times.
func breaks(how string, n int32, count *atomic.Int32) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		if count.Add(1) > n {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body)
		switch how {
		case "502":
			w.WriteHeader(http.StatusBadGateway)
		case "500":
			w.WriteHeader(http.StatusInternalServerError)
		case "503, Retry-After":
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		case "429, Retry-After":
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		case "dropped":
			panic(http.ErrAbortHandler)
		case "cut":
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"access_token":"a`)
			panic(http.ErrAbortHandler)
		}
		return true
	}
}

// A refresh token that the issuer may have replaced already is not sent again.
func TestRefreshIsSentOnce(t *testing.T) {
	for how, want := range map[string]int32{"502": 1, "500": 1, "503, Retry-After": 1, "dropped": 1, "cut": 1, "429, Retry-After": 2} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			var count atomic.Int32
			_, d, c := startIssuer(t, testregistry.IssuerOptions{Before: breaks(how, 1, &count)}, Options{})
			_, r := c.Refresh(t.Context(), d, "refresh-canary-token")
			if got := count.Load(); got != want {
				t.Errorf("sent %d times, want %d: %v", got, want, r)
			}
			if want == 1 && (r.Outcome == Verified || r.Outcome == Rejected) {
				t.Errorf("got %v", r)
			}
		})
	}
}

// The same for the identity token of a registry; a password is no worse for a second try.
func TestIdentityToken_sentOnce(t *testing.T) {
	for how, want := range map[string]int32{"502": 1, "503, Retry-After": 1, "dropped": 1, "429, Retry-After": 2} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			var count atomic.Int32
			broken := breaks(how, 1, &count)
			s := serve(t, true, func(s *site, w http.ResponseWriter, r *http.Request) {
				if !broken(w, r) {
					bearerRegistry(s, w, r)
				}
			})
			c := client(t, Options{Insecure: true})
			c.Verify(t.Context(), store.ParseAddress(s.host()), "", identity)
			if got := count.Load(); got != want {
				t.Errorf("sent %d times, want %d", got, want)
			}
		})
	}
	var count atomic.Int32
	broken := breaks("502", 1, &count)
	s := serve(t, true, func(s *site, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" && r.Method == http.MethodGet {
			w.WriteHeader(http.StatusMethodNotAllowed)
		} else if !broken(w, r) {
			bearerRegistry(s, w, r)
		}
	})
	if r := client(t, Options{Insecure: true}).Verify(t.Context(), store.ParseAddress(s.host()), "", alice); r.Outcome != Verified || count.Load() != 2 {
		t.Errorf("a password: %v after %d requests", r, count.Load())
	}
}

// net/http repeats a POST by itself where an HTTP/2 server ends the stream with
// PROTOCOL_ERROR, whatever it did before.
func TestRefreshIsSentOnce_http2(t *testing.T) {
	house := newHouse(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{house.pair}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var count atomic.Int32
	repeats, enough := context.WithCancel(t.Context())
	defer enough()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go resetStreams(conn, func() {
				if count.Add(1) == 2 {
					enough() // a third try would come after a second
				}
			})
		}
	}()
	c := client(t, Options{CAFile: house.caFile})
	c.dial = at(map[string]listening{"id.example:443": {"203.0.113.1", &httptest.Server{Listener: l}}})
	s, u, fail := c.openIssuer("https://id.example")
	if fail != nil {
		t.Fatal(fail)
	}
	defer s.router.close()
	for _, once := range []bool{false, true} {
		before, parent := count.Load(), repeats
		if once {
			parent = t.Context()
		}
		ctx, done := s.timed(parent)
		_, fail = s.do(ctx, request{url: u.JoinPath("token"), once: once, form: map[string][]string{"refresh_token": {"x"}}})
		done()
		if got := count.Load() - before; fail == nil || (got == 1) != once {
			t.Errorf("once %v: sent %d times: %v", once, got, fail)
		}
	}
}

// resetStreams speaks as much HTTP/2 (RFC 9113) as it takes to read requests and reset each.
func resetStreams(conn net.Conn, sent func()) {
	defer func() { _ = conn.Close() }()
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	if _, err := io.ReadFull(conn, make([]byte, len(preface))); err != nil {
		return
	}
	_, _ = conn.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}) // SETTINGS
	for head := make([]byte, 9); ; {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, conn, int64(head[0])<<16|int64(head[1])<<8|int64(head[2])); err != nil {
			return
		}
		const data, endStream, reset, protocolError = 0, 1, 3, 1
		if head[3] == data && head[4]&endStream != 0 {
			sent()
			out := append([]byte{0, 0, 4, reset, 0}, head[5:9]...)
			_, _ = conn.Write(binary.BigEndian.AppendUint32(out, protocolError))
		}
	}
}
