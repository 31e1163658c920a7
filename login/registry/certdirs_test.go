package registry

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"regshape/store"
)

// TestCertDirs has a registry with a CA of its own that wants a client certificate, a
// token server with another CA, and files in folders as docker and podman have them.
func TestCertDirs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the folders have other names there; TestCertDirNames has them")
	}
	later := time.Now().Add(time.Hour)
	regPair, regCA, _ := selfSigned(t, later, "reg.example")
	authPair, authCA, _ := selfSigned(t, later, "auth.example")
	_, cert, key := selfSigned(t, later, "alice")
	_, _, otherKey := selfSigned(t, later, "bob")
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(cert)
	ca, id, idKey := string(regCA), string(cert), string(key)

	for _, tt := range []struct {
		name   string
		files  map[string]string
		opt    Options
		mutual bool
		bearer bool
		want   Outcome
		says   string // in the message
	}{
		{name: "no folder", want: TLS, says: "unknown authority"},
		{name: "another host's folder", files: map[string]string{"other.example/ca.crt": ca}, want: TLS, says: "unknown authority"},
		{name: "another port's folder", files: map[string]string{"reg.example:5000/ca.crt": ca}, want: TLS, says: "unknown authority"},
		{name: "a CA under another name", files: map[string]string{"reg.example/ca.pem": ca}, want: TLS, says: "unknown authority"},
		{name: "a CA", files: map[string]string{"reg.example/any.crt": ca}, want: Verified},
		{name: "a CA for the port", files: map[string]string{"reg.example:443/ca.crt": ca}, want: Verified},
		{name: "a CA among others", files: map[string]string{"reg.example/a.crt": string(authCA), "reg.example/b.crt": ca, "reg.example/README": "no"}, want: Verified},
		{name: "a client certificate", files: map[string]string{"reg.example/ca.crt": ca, "reg.example/me.cert": id, "reg.example/me.key": idKey}, mutual: true, want: Verified},
		{name: "no client certificate", files: map[string]string{"reg.example/ca.crt": ca}, mutual: true, want: TLS, says: "asks for a client certificate"},
		{name: "a token server's own CA", files: map[string]string{"reg.example/ca.crt": ca, "auth.example/ca.crt": string(authCA)}, bearer: true, want: Verified},
		{name: "the registry's folder is not the token server's", files: map[string]string{"reg.example/ca.crt": ca + string(authCA)}, bearer: true, want: TLS, says: "the token server auth.example: the certificate is signed"},
		{name: "a broken folder of the token server", files: map[string]string{"reg.example/ca.crt": ca, "auth.example/ca.crt": ""}, bearer: true, want: TLS, says: "auth.example/ca.crt: no certificate in the file"},
		{name: "a broken folder of somebody else", files: map[string]string{"reg.example/ca.crt": ca, "auth.example/ca.crt": ""}, want: Verified},
		{name: "a file that is no CA", files: map[string]string{"reg.example/ca.crt": "no\n"}, want: TLS, says: "reg.example/ca.crt: no certificate in the file"},
		{name: "a certificate without its key", files: map[string]string{"reg.example/ca.crt": ca, "reg.example/me.cert": id}, want: TLS, says: "reg.example/me.cert: no matching file me.key"},
		{name: "a key without its certificate", files: map[string]string{"reg.example/ca.crt": ca, "reg.example/me.key": idKey}, want: TLS, says: "reg.example/me.key: no matching file me.cert"},
		{name: "a key of another", files: map[string]string{"reg.example/ca.crt": ca, "reg.example/me.cert": id, "reg.example/me.key": string(otherKey)}, want: TLS, says: "reg.example/me.cert with key"},
		{name: "a folder for a file", files: map[string]string{"reg.example/ca.crt/x": ""}, want: TLS, says: "reg.example/ca.crt: not a regular file"},
		{name: "a file for a folder", files: map[string]string{"reg.example": ""}, want: TLS, says: "reg.example"},
		{name: "--ca-file wins", files: map[string]string{"reg.example/ca.crt": "no\n"}, opt: Options{CAFile: writeFile(t, "ca.pem", regCA)}, want: Verified},
		{name: "--insecure needs no CA", files: map[string]string{"reg.example/ca.crt": "no\n"}, opt: Options{Insecure: true}, want: Verified},
		{name: "--insecure still shows who we are", files: map[string]string{"reg.example/me.cert": id, "reg.example/me.key": idKey}, opt: Options{Insecure: true}, mutual: true, want: Verified},
		{
			name: "--cert-file wins", files: map[string]string{"reg.example/ca.crt": ca, "reg.example/me.cert": "no\n"}, mutual: true,
			opt: Options{CertFile: writeFile(t, "c.pem", cert), KeyFile: writeFile(t, "k.pem", key)}, want: Verified,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dirs := []string{filepath.Join(t.TempDir(), "missing"), t.TempDir(), t.TempDir()}
			for name, content := range tt.files {
				// One folder a file, in turn: all of them count.
				path := filepath.Join(dirs[1+len(name)%2], filepath.FromSlash(name))
				if strings.Contains(name, "/me.") {
					path = filepath.Join(dirs[2], filepath.FromSlash(name))
				}
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			sc := scenario{opt: tt.opt, reg: asksBasic(nil)}
			if tt.bearer {
				sc.reg, sc.auth = asksBearer(nil), gives(nil)
			}
			st := newStage(t, &house{pair: regPair}, sc)
			st.opt.CertDirs = dirs
			if tt.mutual {
				st.tls.ClientAuth, st.tls.ClientCAs = tls.RequireAndVerifyClientCert, clients
			}
			st.tls.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if hello.ServerName == "auth.example" {
					return &authPair, nil
				}
				return &regPair, nil
			}
			st.tls.Certificates = nil
			st.open()
			r := st.client.Verify(t.Context(), store.ParseAddress("reg.example"), "", alice)
			if r.Outcome != tt.want || !strings.Contains(r.Message, tt.says) {
				t.Errorf("got %s: %q, want %s with %q", r.Outcome, r.Message, tt.want, tt.says)
			}
			if tt.want == TLS && strings.Contains(st.asked(), "basic") {
				t.Errorf("the password was sent: %s", st.asked())
			}
		})
	}
}

// TestCertDirsNoFallback: a broken file for a loopback registry is not evaded by http.
func TestCertDirsNoFallback(t *testing.T) {
	s := serve(t, false, basicRegistry)
	dir := t.TempDir()
	folder := filepath.Join(dir, strings.ReplaceAll(s.host(), ":", map[bool]string{true: "", false: ":"}[runtime.GOOS == "windows"]))
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "ca.crt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := client(t, Options{CertDirs: []string{dir}}).Verify(t.Context(), store.ParseAddress(s.host()), "", alice); r.Outcome != TLS || s.seen() != "" {
		t.Errorf("%v; asked: %s", r, s.seen())
	}
	// The user's word that there is no TLS makes the files meaningless.
	if r := client(t, Options{CertDirs: []string{dir}, PlainHTTP: true}).Verify(t.Context(), store.ParseAddress(s.host()), "", alice); r.Outcome != Verified {
		t.Error(r)
	}
}

func TestCertDirNames(t *testing.T) {
	for host, want := range map[string][]string{
		"reg.example":                  {"reg.example", "reg.example:443"},
		"REG.example:443":              {"reg.example:443", "reg.example"},
		"reg.example:5000":             {"reg.example:5000"},
		"[::1]:5000":                   {"[::1]:5000"},
		hubAPI:                         {hubAPI, hubAPI + ":443", "docker.io"},
		hubAPI + ":5000":               {hubAPI + ":5000"},
		"..":                           nil,
		".":                            nil,
		"":                             nil,
		"a/../../etc":                  nil,
		`a\b`:                          nil,
		"[fe80::1%25../../../etc]:443": nil,
	} {
		for i := range want {
			if runtime.GOOS == "windows" {
				want[i] = strings.ReplaceAll(want[i], ":", "")
			}
		}
		if got := certDirNames(&url.URL{Scheme: "https", Host: host}); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func TestCertDirs_ofUser(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the folders are others there")
	}
	const system = "/etc/containers/certs.d /etc/docker/certs.d"
	for _, tt := range []struct{ home, config, want string }{
		{"/home/a", "", "/home/a/.config/containers/certs.d /home/a/.config/docker/certs.d /home/a/.docker/certs.d " + system},
		{"/home/a", "relative", "/home/a/.config/containers/certs.d /home/a/.config/docker/certs.d /home/a/.docker/certs.d " + system},
		{"/home/a", "/c", "/c/containers/certs.d /c/docker/certs.d /home/a/.docker/certs.d " + system},
		{"", "", system},
	} {
		got := CertDirs(tt.home, func(name string) string {
			if name == "XDG_CONFIG_HOME" {
				return tt.config
			}
			return ""
		})
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}
