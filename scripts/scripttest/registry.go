package scripttest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"regshape/scripts/testregistry"
)

// registry KIND starts a registry on loopback and sets REGISTRY to its address. Kinds:
// open, basic, bearer, robot (basic, but /v2/ is closed), tls (basic over https; the CA is written to ca.pem), page (a web
// page), silent (never answers), closed (nothing listens), broken (500), busy (429), garbage (no HTTP).
func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: registry KIND")
	}
	users := map[string]string{"alice": ts.Getenv("SECRET")}
	var handler http.Handler
	switch args[0] {
	case "open":
		handler = testregistry.New(testregistry.Options{})
	case "basic", "tls":
		handler = testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: users})
	case "robot": // /v2/ is closed to the account, its repository is open
		basic := testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: users})
		_, err := basic.Seed("team/app", "latest")
		ts.Check(err)
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, _, ok := r.BasicAuth(); ok && r.URL.Path == "/v2/" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			basic.ServeHTTP(w, r)
		})
	case "bearer":
		tokens, err := testregistry.NewTokenServer(testregistry.TokenOptions{Users: users})
		ts.Check(err)
		realm := httptest.NewServer(tokens)
		ts.Defer(realm.Close)
		handler = testregistry.New(testregistry.Options{Auth: testregistry.Bearer, Realm: realm.URL, Tokens: tokens})
	case "page":
		handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>hello</html>"))
		})
	case "busy":
		handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		})
	case "broken":
		handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	case "silent", "closed", "garbage":
		ts.Setenv("REGISTRY", listen(ts, args[0]))
		return
	default:
		ts.Fatalf("no registry of kind %q", args[0])
	}
	server := httptest.NewUnstartedServer(handler)
	if args[0] == "tls" {
		startTLS(ts, server)
	} else {
		server.Start()
	}
	ts.Defer(server.Close)
	ts.Setenv("REGISTRY", server.Listener.Addr().String())
}

func listen(ts *testscript.TestScript, kind string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	if kind == "closed" {
		ts.Check(l.Close())
	}
	if kind == "garbage" {
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte("220 mail.example ESMTP\r\n"))
				_ = c.Close()
			}
		}()
	}
	return l.Addr().String()
}

func startTLS(ts *testscript.TestScript, server *httptest.Server) {
	authority, err := testregistry.NewAuthority()
	ts.Check(err)
	server.TLS, err = authority.ServerTLS()
	ts.Check(err)
	server.StartTLS()
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), authority.CertPEM(), 0o600))
}
