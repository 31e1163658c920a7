package scripttest

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"regshape/scripts/testregistry"
)

// registry KIND starts a registry on loopback and sets REGISTRY to its address. Kinds:
// open, basic, bearer, zipped (bearer, with compressed tokens), forge (bearer, without OAuth2, and tokens for strangers, too), choice (basic beside a Bearer that nobody can use), robot
// (basic, but /v2/ is closed), tls (basic over https; the CA is written to ca.pem), oldtls (no TLS version from 1.2 on), oldcert
// (a certificate without subjectAltName), page (a web page), blank (an empty one), noapi (404), silent (never answers), closed
// (nothing listens), broken (500), busy (429), garbage (no HTTP), proxy (not a registry, but a proxy that wants a login).
func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: registry KIND")
	}
	users := map[string]string{"alice": ts.Getenv("SECRET")}
	var handler http.Handler
	switch args[0] {
	case "open":
		handler = testregistry.New(testregistry.Options{})
	case "basic", "tls", "oldtls", "oldcert":
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
	case "choice":
		basic := testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: users})
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, _, ok := r.BasicAuth(); !ok {
				w.Header().Set("WWW-Authenticate", `Basic realm="Registry", Bearer realm="Registry"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			basic.ServeHTTP(w, r)
		})
	case "bearer", "zipped", "forge":
		forge := args[0] == "forge"
		tokens, err := testregistry.NewTokenServer(testregistry.TokenOptions{Users: users, NoOAuth2: forge, Anonymous: forge})
		ts.Check(err)
		realm := httptest.NewServer(tokens)
		if args[0] == "zipped" {
			realm.Config.Handler = testregistry.Zipped(tokens)
		}
		ts.Defer(realm.Close)
		handler = testregistry.New(testregistry.Options{Auth: testregistry.Bearer, Realm: realm.URL, Tokens: tokens})
	case "page", "blank":
		handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			if args[0] == "page" {
				_, _ = w.Write([]byte("<html>hello</html>"))
			}
		})
	case "noapi":
		handler = http.NotFoundHandler()
	case "proxy":
		handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
			w.WriteHeader(http.StatusProxyAuthRequired)
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
	switch args[0] {
	case "tls":
		startTLS(ts, server, 0)
	case "oldtls":
		startTLS(ts, server, tls.VersionTLS11)
	case "oldcert":
		startTLS(ts, server, 0, "CN=127.0.0.1")
	default:
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

func startTLS(ts *testscript.TestScript, server *httptest.Server, newest uint16, hosts ...string) {
	authority, err := testregistry.NewAuthority()
	ts.Check(err)
	server.TLS, err = authority.ServerTLS(hosts...)
	ts.Check(err)
	if newest != 0 {
		server.TLS.MinVersion, server.TLS.MaxVersion = 0, newest
	}
	server.StartTLS()
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), authority.CertPEM(), 0o600))
}
