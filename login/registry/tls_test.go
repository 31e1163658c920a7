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
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// selfSigned makes a certificate that is its own CA.
func selfSigned(t *testing.T, name string, until time.Time) (tls.Certificate, []byte, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		tmpl.IPAddresses, tmpl.DNSNames = []net.IP{ip}, nil
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

func serveTLS(t *testing.T, cfg *tls.Config) *site {
	t.Helper()
	s := &site{Server: httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		basicRegistry(nil, w, r)
	}))}
	s.TLS, s.Config.ErrorLog = cfg, quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestTLS(t *testing.T) {
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	good, goodPEM, goodKey := selfSigned(t, "127.0.0.1", later)
	other, otherPEM, _ := selfSigned(t, "elsewhere.example", later)
	expired, expiredPEM, _ := selfSigned(t, "127.0.0.1", earlier)
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(goodPEM)

	plain := serve(t, false, basicRegistry)
	trusted := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{good}})
	mutual := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients})
	mutual12 := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, MaxVersion: tls.VersionTLS12})
	ca := func(b []byte) Options { return Options{CAFile: writeFile(t, "ca.pem", b)} }
	withClient := ca(goodPEM)
	withClient.CertFile, withClient.KeyFile = writeFile(t, "c.pem", goodPEM), writeFile(t, "k.pem", goodKey)

	for _, tt := range []struct {
		name          string
		host          string
		opt           Options
		want          Outcome
		transport     string
		message, hint string
	}{
		{"unknown authority", trusted.host(), Options{}, TLS, "", "unknown authority", "--ca-file"},
		{"trusted", trusted.host(), ca(goodPEM), Verified, "https", "", ""},
		{"insecure", trusted.host(), Options{Insecure: true}, Verified, "https-insecure", "", ""},
		{"wrong name", serveTLS(t, &tls.Config{Certificates: []tls.Certificate{other}}).host(), ca(otherPEM), TLS, "", "another name", "--ca-file"},
		{"expired", serveTLS(t, &tls.Config{Certificates: []tls.Certificate{expired}}).host(), ca(expiredPEM), TLS, "", "expired", "--insecure"},
		{"client certificate missing", mutual.host(), ca(goodPEM), TLS, "", "refused the TLS connection", "--cert-file"},
		{"client certificate missing, 1.2", mutual12.host(), ca(goodPEM), TLS, "", "refused the TLS connection", "--cert-file"},
		{"client certificate", mutual.host(), withClient, Verified, "https", "", ""},
		{"old server", serveTLS(t, &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).host(), ca(goodPEM), TLS, "", "TLS connection", ""},
		{"plain http on loopback", plain.host(), Options{}, Verified, "http", "", ""},
		{"plain http on localhost", strings.Replace(plain.host(), "127.0.0.1", "localhost", 1), Options{}, Verified, "http", "", ""},
		{"plain http asked for", plain.host(), Options{PlainHTTP: true}, Verified, "http", "", ""},
		{"https asked plainly", trusted.host(), Options{PlainHTTP: true}, Protocol, "http", "400", "--plain-http"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := client(t, tt.opt).Verify(t.Context(), tt.host, "", alice)
			if r.Outcome != tt.want || r.Transport != tt.transport || !strings.Contains(r.Message, tt.message) || !strings.Contains(r.Hint, tt.hint) {
				t.Errorf("%s %q %q, hint %q", r.Outcome, r.Transport, r.Message, r.Hint)
			}
		})
	}
	if plain.seen() == "" || strings.Contains(trusted.seen(), "Basic") {
		t.Error("a secret went over an untrusted connection")
	}
}

// TestNoFallback: plain http at a name that is not loopback is never used unasked.
func TestNoFallback(t *testing.T) {
	s := serve(t, false, basicRegistry)
	for _, insecure := range []bool{false, true} {
		c := client(t, Options{Insecure: insecure})
		placed(c, map[string]string{"reg.example:443": "203.0.113.1", "reg.example:80": "203.0.113.1"},
			map[string]*site{"reg.example:443": s, "reg.example:80": s})
		r := c.Verify(t.Context(), "reg.example", "", alice)
		if r.Outcome != TLS || !strings.Contains(r.Hint, "--plain-http") || s.seen() != "" {
			t.Errorf("%v, hint %q; asked: %s", r, r.Hint, s.seen())
		}
	}
}

func TestNewErrors(t *testing.T) {
	_, certPEM, keyPEM := selfSigned(t, "a", time.Now().Add(time.Hour))
	_, _, otherKey := selfSigned(t, "a", time.Now().Add(time.Hour))
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
		{Options{CertFile: cert}, errHalf, cert},
		{Options{KeyFile: key}, errHalf, key},
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
