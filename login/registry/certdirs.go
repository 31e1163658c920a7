package registry

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"regshape/store/printable"
)

var (
	errNoMatch = errors.New("no matching file")
	errRegular = errors.New("not a regular file")
)

// CertDirs lists where docker and podman keep the certificates of single registries,
// for Options.CertDirs; they need not exist. In each, a directory HOST or HOST:PORT holds
// CAs (*.crt) and client certificates (NAME.cert with NAME.key).
//
// The rules: $XDG_CONFIG_HOME/containers (else ~/.config/containers) and
// /etc/containers are podman's, skopeo's and buildah's; /etc/docker is the docker
// daemon's, and podman's too; $XDG_CONFIG_HOME/docker is the rootless daemon's;
// ~/.docker is Docker Desktop's; %ProgramData%\docker is the daemon's on Windows. An
// empty home leaves out what lies below it.
func CertDirs(home string, getenv func(string) string) []string {
	config := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		// The base directory specification wants a relative one ignored.
		config = ""
		if home != "" {
			config = filepath.Join(home, ".config")
		}
	}
	var dirs []string
	if config != "" {
		dirs = append(dirs, filepath.Join(config, "containers", "certs.d"), filepath.Join(config, "docker", "certs.d"))
	}
	if home != "" {
		dirs = append(dirs, filepath.Join(home, ".docker", "certs.d"))
	}
	if runtime.GOOS == "windows" {
		if data := getenv("ProgramData"); data != "" {
			dirs = append(dirs, filepath.Join(data, "docker", "certs.d"))
		}
		return dirs
	}
	return append(dirs, "/etc/containers/certs.d", "/etc/docker/certs.d")
}

// tlsFor returns the TLS configuration for one server: that of the options, and the files
// that the user has for exactly this host. All directories are read, where podman stops at
// the first: a registry that either tool trusts is one that the user trusts. An option
// overrides the files of its kind. The error is a *failure that names the file.
//
// A client certificate is sent to the registry's own origin only: another server would
// treat whatever the registry sends us there for as a request of the user's. Verification
// is skipped for the registry's own host only, and never for an issuer, which the option
// does not cover.
func (r *router) tlsFor(u *url.URL) (*tls.Config, error) {
	cfg, opt := r.c.tls.Clone(), r.c.opt
	own := sameOrigin(u, r.base)
	cfg.InsecureSkipVerify = opt.Insecure && !r.issuer && strings.EqualFold(u.Hostname(), r.base.Hostname())
	if !own || r.issuer {
		cfg.Certificates = nil
	}
	if u.Scheme != "https" {
		return cfg, nil
	}
	files := certFiles{ca: opt.CAFile == "" && !cfg.InsecureSkipVerify, client: own && len(cfg.Certificates) == 0}
	for _, dir := range opt.CertDirs {
		for _, name := range certDirNames(u) {
			if err := files.addTo(cfg, filepath.Join(dir, name)); err != nil {
				return nil, &failure{
					outcome: TLS, message: printable.Line(err.Error(), 300),
					advice: FixCertFile,
				}
			}
		}
	}
	return cfg, nil
}

// certDirNames are the directory names for a server. The default port of https may be left
// out, as in the address of a stored login. Docker Hub's is docker.io, as in image names.
// The host may come from a remote server: one that is not a plain file name has none.
func certDirNames(u *url.URL) []string {
	host := strings.ToLower(u.Host)
	// A colon is left out below where it is no part of a file name.
	bare := strings.ReplaceAll(strings.TrimSuffix(host, ":443"), ":", "")
	if bare == "" || bare == "." || !filepath.IsLocal(bare) || strings.ContainsAny(bare, `/\%`) {
		return nil
	}
	names := []string{host}
	if bare, ok := strings.CutSuffix(host, ":443"); ok {
		names = append(names, bare)
	} else if u.Port() == "" {
		names = append(names, host+":443")
	}
	if u.Hostname() == hubAPI && port(u) == "443" {
		names = append(names, "docker.io")
	}
	if runtime.GOOS == "windows" {
		// File names have no colon there; docker leaves it out (moby, registry/config_windows.go).
		for i := range names {
			names[i] = strings.ReplaceAll(names[i], ":", "")
		}
	}
	return names
}

// certFiles says which kinds of files are used.
type certFiles struct{ ca, client bool }

// addTo adds the files of one directory to cfg.
func (f certFiles) addTo(cfg *tls.Config, dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		// Older docker daemons make /etc/docker readable by root only; podman ignores that, too.
		return nil
	}
	if err != nil {
		return err
	}
	for _, file := range files {
		path := filepath.Join(dir, file.Name())
		stem := strings.TrimSuffix(path, filepath.Ext(path))
		switch filepath.Ext(path) {
		case ".crt":
			if f.ca {
				err = addCAFile(cfg, path)
			}
		case ".cert":
			if f.client {
				err = addPair(cfg, path, stem+".key")
			}
		case ".key":
			if f.client {
				err = needsPair(path, stem+".cert")
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func addCAFile(cfg *tls.Config, path string) error {
	pem, err := readRegular(path)
	if err == nil && !addCAs(cfg, pem) {
		err = fmt.Errorf("%s: %w", path, errPEM)
	}
	return err
}

func addPair(cfg *tls.Config, cert, key string) error {
	if err := needsPair(cert, key); err != nil {
		return err
	}
	certPEM, err := readRegular(cert)
	if err != nil {
		return err
	}
	keyPEM, err := readRegular(key)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("client certificate %s with key %s: %w", cert, key, err)
	}
	cfg.Certificates = append(cfg.Certificates, pair)
	return nil
}

// needsPair is docker's and podman's rule: a certificate and its key come together.
func needsPair(have, want string) error {
	if _, err := os.Stat(want); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w %s", have, errNoMatch, filepath.Base(want))
	}
	return nil
}

// readRegular is readPEM for a file that the user did not name: a pipe there must not hang
// a login.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, errRegular)
	}
	return readPEM(path)
}
