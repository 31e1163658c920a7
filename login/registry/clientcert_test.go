package registry

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// A client certificate is shown to the registry alone, though every server asks for one:
// neither a token server nor the target of a redirect nor an issuer gets to see it.
func TestClientCertificateStays(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the directories have other names there; TestCertFolders has them")
	}
	house := newHouse(t)
	_, cert, key := selfSigned(t, time.Now().Add(time.Hour), "alice")
	dir := t.TempDir()
	for _, host := range []string{"reg.example", "auth.example", "other.example", "id.example"} {
		if err := os.Mkdir(filepath.Join(dir, host), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"me.cert": cert, "me.key": key} {
			if err := os.WriteFile(filepath.Join(dir, host, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	flags := Options{CAFile: house.caFile, CertFile: writeFile(t, "c.pem", cert), KeyFile: writeFile(t, "k.pem", key)}
	for name, tt := range map[string]struct {
		opt   Options
		shown string // the hosts that saw it, in the order of the roles below
	}{
		"flags":   {flags, "reg.example"},
		"certs.d": {Options{CAFile: house.caFile, CertDirs: []string{dir}}, "reg.example id.example"},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			asked, shown := map[string]bool{}, map[string]bool{}
			server := house.startTLS(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				asked[r.Host] = true
				shown[r.Host] = shown[r.Host] || len(r.TLS.PeerCertificates) > 0
				mu.Unlock()
				switch {
				case r.Host == "auth.example":
					reply(w, http.StatusOK, map[string]any{"token": "access-canary-token"})
				case r.Host == "reg.example" && r.Header.Get("Authorization") == "Bearer access-canary-token":
				case r.Host == "reg.example" && r.URL.Path == "/v2/":
					w.Header().Set("WWW-Authenticate", `Bearer realm="https://auth.example/token"`)
					w.WriteHeader(http.StatusUnauthorized)
				case r.Host == "reg.example":
					http.Redirect(w, r, "https://other.example/", http.StatusFound)
				}
			})
			c := client(t, tt.opt)
			c.dial = at(map[string]listening{
				"reg.example:443": {"203.0.113.1", server}, "auth.example:443": {"203.0.113.2", server},
				"other.example:443": {"203.0.113.3", server}, "id.example:443": {"203.0.113.4", server},
			})
			if r := c.Verify(t.Context(), "reg.example", "", alice); r.Outcome != Verified {
				t.Error(r)
			}
			ctx, done, s, fail := c.open(t.Context(), "reg.example")
			if fail != nil {
				t.Fatal(fail)
			}
			defer done()
			if _, err := s.ask(ctx, question{url: s.at("/moved")}); err != nil {
				t.Error(err)
			}
			c.Refresh(t.Context(), DeviceClient{Issuer: "https://id.example"}, "refresh-canary-token")
			var saw []string
			for _, host := range []string{"reg.example", "auth.example", "other.example", "id.example"} {
				if !asked[host] {
					t.Errorf("%s was not asked", host)
				}
				if shown[host] {
					saw = append(saw, host)
				}
			}
			if got := strings.Join(saw, " "); got != tt.shown {
				t.Errorf("the certificate was shown to %q, want %q", got, tt.shown)
			}
		})
	}
}

// --insecure is about the registry: what a device login obtains goes to an issuer whose
// certificate was verified.
func TestInsecureIsNotForIssuers(t *testing.T) {
	house := newHouse(t)
	asked := false
	server := house.startTLS(t, func(http.ResponseWriter, *http.Request) { asked = true })
	c := client(t, Options{Insecure: true})
	c.dial = at(map[string]listening{"id.example:443": {"203.0.113.4", server}})
	_, r := c.Refresh(t.Context(), DeviceClient{Issuer: "https://id.example"}, "refresh-canary-token")
	if r.Outcome != TLS || asked || r.Hint != "trust its CA with --ca-file FILE; --insecure is for the registry's own host alone" {
		t.Errorf("got %s: %s (%s); asked %v", r.Outcome, r.Message, r.Hint, asked)
	}
}
