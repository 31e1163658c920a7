package acceptance

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	// loginTimeout limits each login at a registry that would hold it for ever.
	loginTimeout = 2 * time.Second
	// loginPatience is that for two schemes and a token server, and a busy machine.
	loginPatience = 25 * time.Second
	// loginMemory, in KiB, is what a login may take whatever is sent to it; an ordinary
	// one takes 30 MiB, and several times that with the race detector.
	loginMemory = 400 << 10
)

// leakRegistries logs in to hostile registries: it must end in time, within its memory, in
// harmless text, with nothing stored and nothing sent to other hosts.
func leakRegistries(t *testing.T, tried *tally) {
	var strayed atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Method == http.MethodPost {
			strayed.Add(1)
		}
		w.Header().Set("Www-Authenticate", `Basic realm="other"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(other.Close)
	basic := "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\n"
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(make([]byte, 32<<20)) // into memory
	_ = z.Close()

	for name, play := range map[string]func(c net.Conn, host string){
		"endless body": func(c net.Conn, _ string) { pour(c, basic+"\r\n", strings.Repeat("{", 64<<10)) },
		"endless headers": func(c net.Conn, _ string) {
			pour(c, "HTTP/1.1 200 OK\r\n", strings.Repeat("X-A: "+strings.Repeat("b", 1000)+"\r\n", 50))
		},
		"endless line": func(c net.Conn, _ string) { pour(c, "HTTP/1.1 200 ", strings.Repeat("a", 64<<10)) },
		"endless 100":  func(c net.Conn, _ string) { pour(c, "", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 500)) },
		"challenges": func(c net.Conn, _ string) {
			send(c, "HTTP/1.1 401 No\r\n"+strings.Repeat("WWW-Authenticate: Bearer realm=\"http://127.0.0.1:1/\"\r\n", 10_000)+"\r\n")
		},
		"one challenge": func(c net.Conn, _ string) {
			send(c, "HTTP/1.1 401 No\r\nWWW-Authenticate: "+strings.Repeat("Basic realm=x, ", 10_000)+"\r\n\r\n")
		},
		"NUL": func(c net.Conn, _ string) {
			send(c, "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"http://127.0.0.1:1/\x00\",service=\"\x00\"\r\n\r\n")
		},
		"slow":      func(c net.Conn, _ string) { drip(c, basic+"X-Slow: ") },
		"slow body": func(c net.Conn, _ string) { drip(c, basic+"\r\n") },
		"gzip": func(c net.Conn, _ string) {
			pour(c, basic+"Content-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n", zipped.String())
		},
		"redirect to itself": func(c net.Conn, host string) {
			send(c, "HTTP/1.1 307 Go\r\nLocation: http://"+host+"/v2/\r\nContent-Length: 0\r\n\r\n")
		},
		"redirect elsewhere": func(c net.Conn, _ string) {
			send(c, "HTTP/1.1 307 Go\r\nLocation: "+other.URL+"/v2/\r\nContent-Length: 0\r\n\r\n")
		},
		"redirect, later": func(c net.Conn, _ string) {
			send(c, "HTTP/1.1 307 Go\r\nLocation: "+other.URL+"/v2/\r\nContent-Length: 0\r\n\r\n")
		},
		"redirect of a path": func(c net.Conn, host string) {
			send(c, "HTTP/1.1 302 Go\r\nLocation: //"+strings.TrimPrefix(other.URL, "http://")+"\\@"+host+"/v2/\r\nContent-Length: 0\r\n\r\n")
		},
		"realm with a name": func(c net.Conn, host string) {
			send(c, "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"http://"+host+"@"+strings.TrimPrefix(other.URL, "http://")+"/\",service=\"x\"\r\nContent-Length: 0\r\n\r\n")
		},
		"realm of a file": func(c net.Conn, _ string) {
			send(c, "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"file:///etc/passwd\"\r\nContent-Length: 0\r\n\r\n")
		},
		"realm of a cloud": func(c net.Conn, _ string) {
			send(c, "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"http://169.254.169.254/latest/\"\r\nContent-Length: 0\r\n\r\n")
		},
	} {
		tried.parallel(t, name, func(s *scene) {
			s.env = []string{"REGSHAPE_USERNAME=alice", "REGSHAPE_PASSWORD=" + s.secret()}
			host := s.listen(func(c net.Conn, host string) {
				request := make([]byte, 4096) // or the hello of TLS, which is answered with nonsense
				_, _ = c.Read(request)
				if strings.HasSuffix(name, ", later") && !bytes.Contains(request, []byte("Authorization: ")) {
					send(c, basic+"Content-Length: 0\r\n\r\n")
					return
				}
				_ = c.SetDeadline(time.Now().Add(loginPatience))
				play(c, host)
			})
			var cmd *exec.Cmd
			o := s.finish(func(ctx context.Context) *exec.Cmd {
				cmd = s.command(ctx, "", "regshape", "auth", "login", host, "--plain-http", "--timeout="+loginTimeout.String(), "--debug-calls")
				return cmd
			})
			if used := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; used > loginMemory {
				s.t.Errorf("got %d MiB of memory, want at most %d", used>>10, loginMemory>>10)
			}
			if o.took > loginPatience {
				s.t.Errorf("got %v, want at most %v", o.took, loginPatience)
			}
			if o.code == 0 || len(o.text()) > 64<<10 {
				s.t.Errorf("got exit code %d and %d bytes, want a failure in at most 64 KiB:\n%.2000s", o.code, len(o.text()), s.redact(o.text()))
			}
			s.harmless(name, o.text())
			s.silent(name, o.text())
			if n := strayed.Load(); n > 0 {
				s.t.Errorf("%d requests with credentials reached another host", n)
			}
			if o := s.must("", "docker-credential-regshape", "list"); strings.TrimSpace(o.out) != "{}" {
				s.t.Errorf("something was stored: %s", s.redact(o.out))
			}
		})
	}
}

// listen passes each connection to play, with the listening address.
func (s *scene) listen(play func(c net.Conn, host string)) (host string) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = l.Close() })
	host = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				play(c, host)
			}()
		}
	}()
	return host
}

func send(c net.Conn, text string) { _, _ = io.WriteString(c, text) }

// pour sends the same text until the client hangs up.
func pour(c net.Conn, begin, again string) {
	_, err := io.WriteString(c, begin)
	for err == nil {
		_, err = io.WriteString(c, again)
	}
}

// drip sends a byte every 100 ms.
func drip(c net.Conn, begin string) {
	_, err := io.WriteString(c, begin)
	for i := 0; err == nil; i++ {
		time.Sleep(100 * time.Millisecond)
		_, err = fmt.Fprint(c, i%10)
	}
}
