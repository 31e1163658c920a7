//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
)

// front is an nginx before the htpasswd registry: one process, with one port for each way
// in which such a proxy changes the answers.
type front struct {
	t        *testing.T
	h        *home
	r        *registry
	ports    map[string]int
	caFile   string
	log      string           // of nginx: "PORT METHOD PATH none|basic" a line
	stranger *httptest.Server // another origin
	met      chan string      // what the stranger was asked, with the credential's scheme
}

// settings is nginx's configuration. Each server has a name, which becomes its port.
const settings = `
daemon off; master_process off; pid DIR/pid; error_log DIR/error.log;
events {}
http {
  map $http_authorization $credential { "" none; "~^Basic " basic; default other; }
  log_format asked "$server_port $request_method $uri $credential";
  access_log DIR/access.log asked;
  client_body_temp_path DIR/1; proxy_temp_path DIR/2; fastcgi_temp_path DIR/3; uwsgi_temp_path DIR/4; scgi_temp_path DIR/5;
  client_max_body_size 0; proxy_set_header Host $http_host;
  ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem;
  server { listen 127.0.0.1:{negotiate}; add_header WWW-Authenticate Negotiate always; location / { proxy_pass http://BACKEND; } }
  server { listen 127.0.0.1:{tls} ssl; location / { proxy_pass http://BACKEND; } }
  server { listen 127.0.0.1:{path}; location = /v2/ { return 301 /mirror/v2/; } location /mirror/ { proxy_pass http://BACKEND/; } }
  server { listen 127.0.0.1:{path307}; location = /v2/ { return 307 /mirror/v2/; } location /mirror/ { proxy_pass http://BACKEND/; } }
  server { listen 127.0.0.1:{tlspath} ssl; location = /v2/ { return 301 https://localhost:{tlspath}/mirror/v2/; } location /mirror/ { proxy_pass http://BACKEND/; } }
  server { listen 127.0.0.1:{upgrade}; return 301 https://localhost:{tls}$request_uri; }
  server { listen 127.0.0.1:{downgrade} ssl; return 301 http://BACKEND$request_uri; }
  server { listen 127.0.0.1:{elsewhere}; return 301 http://STRANGER$request_uri; }
  server { listen 127.0.0.1:{trap}; location / { if ($http_authorization) { return 307 http://STRANGER$request_uri; } proxy_pass http://BACKEND; } }
}
`

// newFront starts nginx, and the stranger that must not get to see a credential.
func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{t: t, h: newHome(t), r: registries[0], ports: map[string]int{}, met: make(chan string, 100)}
	f.stranger = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		f.met <- strings.TrimSpace(r.Method + " " + r.URL.Path + " " + scheme)
		w.Header().Set("WWW-Authenticate", `Basic realm="give it to me"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(f.stranger.Close)
	dir := t.TempDir()
	authority, err := testregistry.NewAuthority()
	f.h.must(err)
	cert, key, err := authority.Server()
	f.h.must(err)
	f.caFile, f.log = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "access.log")
	for name, content := range map[string][]byte{"cert.pem": cert, "key.pem": key, "ca.pem": authority.CertPEM()} {
		f.h.must(os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	// As with the registries: a port that was free may be taken by the time of use.
	for range 3 {
		if err = f.start(dir); err == nil {
			return f
		}
	}
	t.Fatal(err)
	return nil
}

// takePorts finds a free port for each server.
func (f *front) takePorts() error {
	for _, name := range []string{"negotiate", "tls", "path", "path307", "tlspath", "upgrade", "downgrade", "elsewhere", "trap"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close() // all at the end, so that no port is given out twice
		f.ports[name] = listener.Addr().(*net.TCPAddr).Port
	}
	return nil
}

// start runs nginx in the foreground.
func (f *front) start(dir string) error {
	if err := f.takePorts(); err != nil {
		return err
	}
	config := filepath.Join(dir, "nginx.conf")
	text := strings.NewReplacer("DIR", dir, "BACKEND", f.r.host, "STRANGER", f.stranger.Listener.Addr().String()).Replace(settings)
	for name, port := range f.ports {
		text = strings.ReplaceAll(text, "{"+name+"}", fmt.Sprint(port))
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // not on every user's PATH
	}
	nginx := testenv.Command(testenv.Environ(dir), program, "-p", dir, "-c", config, "-e", filepath.Join(dir, "error.log"))
	if err := nginx.Start(); err != nil {
		return err
	}
	f.t.Cleanup(func() {
		_ = nginx.Process.Kill() // it may have ended by itself
		_ = nginx.Wait()         // always "killed"
	})
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.ports["trap"]))
		if err == nil {
			return conn.Close()
		}
	}
	said, _ := os.ReadFile(filepath.Join(dir, "error.log"))
	return fmt.Errorf("nginx does not answer:\n%s", said)
}

func (f *front) host(name string) string { return fmt.Sprintf("localhost:%d", f.ports[name]) }

// login logs in by one of the ports.
func (f *front) login(name string, more ...string) result {
	f.h.t.Helper()
	args := append([]string{"auth", "login", f.host(name), "-u", f.r.user, "--password-stdin", "--ca-file", f.caFile}, more...)
	return f.h.runIn(f.r.password+"\n", "regshape", args...).quiet()
}

// asked fails the test unless nginx was asked exactly this at one port.
func (f *front) asked(name string, want ...string) {
	f.h.t.Helper()
	var got []string
	// nginx writes its log after the answer.
	for deadline := time.Now().Add(5 * time.Second); len(got) < len(want) && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
		got = got[:0]
		all, err := os.ReadFile(f.log)
		f.h.must(err)
		for line := range strings.Lines(string(all)) {
			if rest, ok := strings.CutPrefix(line, fmt.Sprintf("%d ", f.ports[name])); ok && strings.Contains(rest, "GET ") {
				got = append(got, strings.TrimSpace(rest))
			}
		}
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		f.t.Errorf("%s was asked %q, want %q", name, got, want)
	}
}

// Logins by a proxy that adds a challenge of its own, speaks TLS in the registry's place,
// or moves the API to another path.
func TestLoginBehindNginx(t *testing.T) {
	f := newFront(t)
	answer, err := http.Get("http://" + f.host("negotiate") + "/v2/")
	f.h.must(err)
	f.h.must(answer.Body.Close())
	if offered := answer.Header.Values("WWW-Authenticate"); len(offered) != 2 {
		t.Fatalf("nginx offers %q, want the registry's Basic and its own Negotiate", offered)
	}
	for name, want := range map[string][]string{
		"negotiate": {"GET /v2/ none", "GET /v2/ none", "GET /v2/ basic"}, // the first is the test's own
		"tls":       {"GET /v2/ none", "GET /v2/ basic"},
		"path":      {"GET /v2/ none", "GET /mirror/v2/ none", "GET /v2/ basic", "GET /mirror/v2/ basic"},
		"path307":   {"GET /v2/ none", "GET /mirror/v2/ none", "GET /v2/ basic", "GET /mirror/v2/ basic"},
		"tlspath":   {"GET /v2/ none", "GET /mirror/v2/ none", "GET /v2/ basic", "GET /mirror/v2/ basic"},
	} {
		f.login(name).ok("Login Succeeded")
		f.asked(name, want...)
		if _, secret := f.h.secretOf(f.host(name)); secret != f.r.password {
			t.Errorf("%s: another secret than the one of its login", name)
		}
	}
	if len(f.met) > 0 {
		t.Errorf("the stranger was asked %q", <-f.met)
	}

	// What the login stored serves the tools by the same way.
	r := *f.r
	r.host = f.host("negotiate")
	f.h.allowHTTP(r.host)
	f.h.allSee(&r)
}

// A wrong password is told from a right one behind a proxy, too.
func TestWrongPasswordBehindNginx(t *testing.T) {
	f := newFront(t)
	r := *f.r
	r.host = f.host("negotiate")
	const wrong = "not the password at all"
	f.h.secrets = append(f.h.secrets, wrong)
	f.h.login(&r, wrong).refused("Error: Login failed for " + r.host + ": authentication rejected").quiet()
	f.asked("negotiate", "GET /v2/ none", "GET /v2/ basic")
	f.h.notFound(r.host)
}

// Redirects that lead to another origin, which must never get the password.
func TestRedirectsBehindNginx(t *testing.T) {
	f := newFront(t)
	stranger := f.stranger.Listener.Addr().String()
	for _, tt := range []struct {
		name  string
		texts []string
		asked []string
		met   string
	}{
		{
			"upgrade",
			[]string{"the registry redirects to https://" + f.host("tls") + ", which wants its own login", "log in to " + f.host("tls")},
			[]string{"GET /v2/ none"},
			"",
		},
		{
			"downgrade",
			[]string{"the redirect from https://" + f.host("downgrade") + " to plain http://" + f.r.host + " was refused"},
			[]string{"GET /v2/ none"},
			"",
		},
		{
			"elsewhere",
			[]string{"the registry redirects to http://" + stranger + ", which wants its own login", "log in to " + stranger},
			[]string{"GET /v2/ none"},
			"GET /v2/",
		},
		{
			"trap",
			[]string{"http://" + f.host("trap") + " redirects to http://" + stranger + "; the credential was not sent there", "log in to " + stranger},
			[]string{"GET /v2/ none", "GET /v2/ basic"},
			"",
		},
	} {
		got := f.login(tt.name).refused(append(tt.texts, "Error: Login failed for "+f.host(tt.name))...)
		if got.code != 1 || got.stdout != "" {
			t.Errorf("want exit 1 and silence on stdout:\n%s", got)
		}
		f.asked(tt.name, tt.asked...)
		f.h.notFound(f.host(tt.name))
		met := ""
		if len(f.met) > 0 {
			met = <-f.met
		}
		if met != tt.met || len(f.met) > 0 {
			t.Errorf("%s: the stranger was asked %q, want %q", tt.name, met, tt.met)
		}
	}
	f.h.stores(map[string]string{})
}
