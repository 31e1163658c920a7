package registry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"regshape/store"
)

// A client certificate is shown to the registry alone, though every server asks for one:
// neither a token server nor the target of a redirect nor an issuer gets to see it.
func TestClientCertificateStays(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the directories have other names there; TestCertDirNames has them")
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
			if r := c.Verify(t.Context(), store.ParseAddress("reg.example"), "", alice); r.Outcome != Verified {
				t.Error(r)
			}
			ctx, done, s, fail := c.open(t.Context(), store.ParseAddress("reg.example"))
			if fail != nil {
				t.Fatal(fail)
			}
			defer done()
			if _, fail := s.do(ctx, request{url: s.at("/moved")}); fail != nil {
				t.Error(fail)
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

// In TLS 1.3 the alert about a client certificate is lost to a reset, or arrives.
func TestClientCertificate_refused(t *testing.T) {
	pair, certPEM, keyPEM := selfSigned(t, time.Now().Add(time.Hour), "127.0.0.1")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			server := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert})
			_ = server.HandshakeContext(t.Context())
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	}()
	file := writeFile(t, "c.pem", certPEM)
	c := client(t, Options{CAFile: file, CertFile: file, KeyFile: writeFile(t, "k.pem", keyPEM)})
	if r := c.Verify(t.Context(), store.ParseAddress(l.Addr().String()), "", alice); r.Outcome != TLS || r.Message != refusedClientCert.message || r.Advice != ReplaceClientCert {
		t.Errorf("got %s: %s (%s)", r.Outcome, r.Message, r.Advice)
	}
}

// --insecure is about the registry: what a device login obtains goes to an issuer whose
// certificate was verified.
func TestInsecure_notForIssuers(t *testing.T) {
	house := newHouse(t)
	asked := false
	server := house.startTLS(t, func(http.ResponseWriter, *http.Request) { asked = true })
	c := client(t, Options{Insecure: true})
	c.dial = at(map[string]listening{"id.example:443": {"203.0.113.4", server}})
	_, r := c.Refresh(t.Context(), DeviceClient{Issuer: "https://id.example"}, "refresh-canary-token")
	if r.Outcome != TLS || asked || r.Advice != InsecureElsewhere {
		t.Errorf("got %s: %s (%s); asked %v", r.Outcome, r.Message, r.Advice, asked)
	}
}

// selfSigned makes a certificate that is its own CA. A name "CN=…" is its common name alone.
func selfSigned(t *testing.T, until time.Time, names ...string) (tls.Certificate, []byte, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if common, alone := strings.CutPrefix(name, "CN="); alone {
			tmpl.Subject.CommonName = common
		} else if ip := net.ParseIP(name); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair, certPEM, keyPEM
}

func TestNewErrors(t *testing.T) {
	_, certPEM, keyPEM := selfSigned(t, time.Now().Add(time.Hour), "a")
	_, _, otherKey := selfSigned(t, time.Now().Add(time.Hour), "a")
	cert, key, bad := writeFile(t, "c.pem", certPEM), writeFile(t, "k.pem", keyPEM), writeFile(t, "bad.pem", []byte("no\n"))
	other, gone := writeFile(t, "o.pem", otherKey), filepath.Join(t.TempDir(), "gone.pem")
	big := writeFile(t, "big.pem", make([]byte, maxPEM+1))
	for _, tt := range []struct {
		opt  Options
		is   error
		name string
	}{
		{Options{CAFile: gone}, fs.ErrNotExist, gone},
		{Options{CAFile: bad}, errPEM, bad},
		{Options{CAFile: big}, errSize, big},
		{Options{CertFile: cert}, errNoPair, cert},
		{Options{KeyFile: key}, errNoPair, key},
		{Options{CertFile: cert, KeyFile: gone}, fs.ErrNotExist, gone},
		{Options{CertFile: gone, KeyFile: key}, fs.ErrNotExist, gone},
		{Options{CertFile: cert, KeyFile: other}, nil, other},
		{Options{CertFile: bad, KeyFile: key}, nil, bad},
	} {
		_, err := New(tt.opt)
		if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.name) {
			t.Errorf("want one about %s: %v", filepath.Base(tt.name), err)
		}
	}
}

// A proxy that speaks TLS is a server of its own: it sees no client certificate, and --insecure
// is not for it.
func TestClientCertificateStays_proxy(t *testing.T) {
	house := newHouse(t)
	_, cert, key := selfSigned(t, time.Now().Add(time.Hour), "alice")
	pair := Options{CertFile: writeFile(t, "c.pem", cert), KeyFile: writeFile(t, "k.pem", key), Insecure: true}
	registry := house.startTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok || len(r.TLS.PeerCertificates) == 0 {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	st := &stage{servers: map[string]*httptest.Server{"reg": registry}}
	for name, want := range map[string]Outcome{"": TLS, house.caFile: Verified} {
		opt := pair
		opt.CAFile = name
		var connects, shown atomic.Int32
		proxy := house.startTLS(t, func(w http.ResponseWriter, r *http.Request) {
			connects.Add(1)
			shown.Add(int32(len(r.TLS.PeerCertificates)))
			tunnels(st, w, r)
		})
		c := client(t, opt)
		c.proxy = http.ProxyURL(&url.URL{Scheme: "https", Host: "other.example"})
		c.dial = at(map[string]listening{"other.example:443": {"127.0.0.1", proxy}})
		r := c.Verify(t.Context(), store.ParseAddress("reg.example"), "", alice)
		if r.Outcome != want || shown.Load() != 0 || (connects.Load() > 0) != (want == Verified) {
			t.Errorf("--ca-file %q: %v, %d connections, %d certificates shown to the proxy", name, r, connects.Load(), shown.Load())
		}
	}
}
