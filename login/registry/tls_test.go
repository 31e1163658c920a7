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
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// selfSigned makes a certificate that is its own CA.
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
		if ip := net.ParseIP(name); ip != nil {
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
