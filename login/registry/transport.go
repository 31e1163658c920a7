package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"regshape/store/durable"
)

const (
	// maxHeader and maxBody bound an answer. Challenges are under 1 KiB; tokens of
	// large clouds reach some 10 KiB.
	maxHeader = 64 << 10
	maxBody   = 1 << 20
	// maxPEM bounds a certificate file; the system's whole bundle is some 220 KiB.
	maxPEM = 4 << 20
)

var (
	errHalf = errors.New("a client certificate needs both a certificate file and a key file")
	errPEM  = errors.New("no certificate in the file")
	errSize = errors.New("file is too large")
)

// tlsConfig reads the certificate files of opt; tlsFor decides which server they are for.
// Errors name the file.
func tlsConfig(opt Options) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if opt.CAFile != "" {
		pem, err := readTrusted(opt.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca file: %w", err)
		}
		// The user's CA comes beside the system's: a token realm is often a public host.
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca file %s: %w", opt.CAFile, errPEM)
		}
		cfg.RootCAs = pool
	}
	if (opt.CertFile == "") != (opt.KeyFile == "") {
		return nil, fmt.Errorf("%w (have only %s)", errHalf, opt.CertFile+opt.KeyFile)
	}
	if opt.CertFile != "" {
		cert, err := readPEM(opt.CertFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		key, err := readPEM(opt.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client key: %w", err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("client certificate %s with key %s: %w", opt.CertFile, opt.KeyFile, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// readTrusted is readPEM for a file that says whom to trust, now or when a stored login
// names it later: nobody else may have written it.
func readTrusted(name string) ([]byte, error) {
	f, err := durable.OpenNamed(name)
	if err != nil {
		return nil, err
	}
	return readAll(f, name)
}

func readPEM(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return readAll(f, name)
}

func readAll(f *os.File, name string) ([]byte, error) {
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(b) > maxPEM {
		err = fmt.Errorf("%s: %w", name, errSize)
	}
	return b, err
}

// dialFunc connects to an address; control sees each resolved address first.
type dialFunc func(ctx context.Context, network, addr string, control controlFunc) (net.Conn, error)

type controlFunc func(network, address string, c syscall.RawConn) error

func dialNet(ctx context.Context, network, addr string, control controlFunc) (net.Conn, error) {
	d := net.Dialer{Control: control}
	return d.DialContext(ctx, network, addr)
}

// firstWord notices a server that speaks first, as those of mail and SSH do: HTTP and TLS
// servers wait to be asked. Depending on who is faster, net/http sees a malformed answer
// or a connection that closed.
type firstWord struct {
	net.Conn
	asked  atomic.Bool
	theirs *atomic.Bool
}

func (f *firstWord) Write(p []byte) (int, error) {
	f.asked.Store(true)
	return f.Conn.Write(p)
}

func (f *firstWord) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if n > 0 && !f.asked.Load() {
		f.theirs.Store(true)
	}
	return n, err
}
