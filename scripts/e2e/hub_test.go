//go:build e2e

package e2e

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
)

// insideMark is set in the environment of the process that runs in the namespaces.
const insideMark = "REGSHAPE_E2E_INSIDE"

// inside says whether files in /etc may be covered. The process is then the first of its
// process ids, whatever its environment says.
func inside() bool { return os.Getenv(insideMark) != "" && os.Getpid() == 1 }

// enter gives the namespaces a loopback device, where nothing leads out, and files of
// their own in /etc and /run; then it becomes the program in its arguments.
const enter = `
ip link set lo up && for n in 1 2 3; do ip address add 10.1.1.$n/32 dev lo; done &&
mount --bind "$0" /etc/hosts && mount -t tmpfs none /run &&
mkdir -p /etc/docker && mount -t tmpfs none /etc/docker && exec "$@"`

// reexec runs tests of this binary again in namespaces of their own. One is for process
// ids: whatever they start ends with them, and they end with this process.
func reexec(t *testing.T, pattern string) error {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Not t.TempDir: podman refuses a run folder whose path is over 50 characters.
	temp, err := os.MkdirTemp("", "m-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	hosts := filepath.Join(temp, "hosts")
	if err := os.WriteFile(hosts, []byte(ownHosts), 0o644); err != nil {
		return err
	}
	env := testenv.Environ(temp, append(testenv.GoSettings(), insideMark+"=1", "REGSHAPE_E2E_BIN="+binDir,
		"REGSHAPE_WRITE="+os.Getenv("REGSHAPE_WRITE"), "TESTENV_WHOLE="+os.Getenv("TESTENV_WHOLE"), "TESTENV_TURN="+os.Getenv("TESTENV_TURN"),
		"PATH="+os.Getenv("PATH"))...)
	command := testenv.Command(env, "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", "-c", enter, hosts, self, "-test.run="+pattern, "-test.count=1", "-test.parallel="+cellsAtOnce)
	// A thousand lines about a whole run would hide the table.
	if testing.Verbose() && strings.Contains(pattern, "/") {
		command.Args = append(command.Args, "-test.v")
	}
	if end, ok := t.Deadline(); ok {
		// It is to end first, and to say where it was.
		command.Args = append(command.Args, "-test.timeout="+(time.Until(end)*9/10).String())
	}
	// What the tests print goes straight on, as if they had run here.
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// The signal is sent when the thread ends that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command.Run()
}

// subtests is the pattern of a test with the subtests that -run asks for.
func subtests(test string) string {
	pattern := "^" + test + "$"
	if _, rest, ok := strings.Cut(flag.Lookup("test.run").Value.String(), "/"); ok {
		pattern += "/" + rest
	}
	return pattern
}

// cellsAtOnce is for two cores: half the time a cell waits for a disk or for the engine.
const cellsAtOnce = "4"

// Addresses of the namespaces' loopback device, to which their own /etc/hosts leads Docker
// Hub's names, too. They are no loopback addresses: docker's engine takes any certificate
// there, and oras-go asks no token server there for another host.
const (
	hubAddress  = "10.1.1.2:443"
	authAddress = "10.1.1.3:443"

	tlsAddress = "10.1.1.1:5000"
	tlsName    = "registry.example"

	sessionAddress = "10.1.1.1:443"
	sessionName    = "registry.example.com"

	// authorities are those that programs trust on Debian.
	authorities = "/etc/ssl/certs/ca-certificates.crt"

	ownHosts = "127.0.0.1 localhost\n::1 localhost\n10.1.1.1 registry.example registry.example.com\n" +
		"10.1.1.2 registry-1.docker.io index.docker.io docker.io\n10.1.1.3 auth.docker.io login.docker.com hub.docker.com\n"
)

// startHub serves Docker Hub offline: a real registry behind TLS and a token server. It
// changes files in /etc, and so runs in namespaces only.
func startHub(work string) (*registry, error) {
	if !inside() {
		return nil, errors.New("docker hub's names can be served in namespaces only")
	}
	authority, err := testregistry.NewAuthority()
	if err != nil {
		return nil, err
	}
	// The programs of the namespaces trust this authority, and no other.
	own := filepath.Join(work, "authorities.pem")
	if err := os.WriteFile(own, authority.CertPEM(), 0o644); err != nil {
		return nil, err
	}
	if out, err := testenv.Command(testenv.Environ(work), "mount", "--bind", own, authorities).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mount over %s: %w: %s", authorities, err, out)
	}
	r := &registry{name: "hub", program: distribution3}
	err = r.start(work, func(dir string) (string, error) {
		tokens, err := testregistry.NewTokenServer(testregistry.TokenOptions{
			Users: map[string]string{r.user: r.password}, Service: "registry.docker.io", Issuer: "auth.docker.io", NoOAuth2: true,
		})
		if err != nil {
			return "", err
		}
		if r.realm, err = serveTLS(authority, authAddress, tokens, "auth.docker.io", "login.docker.com", "hub.docker.com"); err != nil {
			return "", err
		}
		bundle := filepath.Join(dir, "tokens.pem")
		if err := os.WriteFile(bundle, tokens.RootCertPEM(), 0o600); err != nil {
			return "", err
		}
		return fmt.Sprintf("auth: {token: {realm: \"https://auth.docker.io/token\", service: %q, issuer: %q, rootcertbundle: %q}}\n",
			tokens.Service(), tokens.Issuer(), bundle), nil
	})
	if err != nil {
		return r, err
	}
	_, err = serveTLS(authority, hubAddress, inFrontOf(r), "registry-1.docker.io", "index.docker.io", "docker.io")
	// From here on it goes by its name.
	r.host, r.caPEM = "docker.io", authority.CertPEM()
	return r, err
}

// startNamed starts a registry that asks for Basic, whose certificate is for a name.
func startNamed(work string) (*registry, error) {
	authority, err := testregistry.NewAuthority()
	if err != nil {
		return nil, err
	}
	r := &registry{name: "named", program: distribution3}
	if err := r.start(work, r.htpasswd); err != nil {
		return r, err
	}
	if _, err = serveTLS(authority, tlsAddress, inFrontOf(r), tlsName); err != nil {
		return r, err
	}
	_, port, err := net.SplitHostPort(tlsAddress)
	if err != nil {
		return r, err
	}
	r.host, r.caPEM = net.JoinHostPort(tlsName, port), authority.CertPEM()
	// The engine looks for authorities here, and so does docker's client for root.
	certs := filepath.Join("/etc/docker/certs.d", r.host)
	return r, errors.Join(os.MkdirAll(certs, 0o755), os.WriteFile(filepath.Join(certs, "ca.crt"), r.caPEM, 0o644))
}

// serveTLS serves names at an address of the namespaces, which end with it.
func serveTLS(authority *testregistry.Authority, address string, handler http.Handler, names ...string) (*httptest.Server, error) {
	settings, err := authority.ServerTLS(names...)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	server := &httptest.Server{Listener: listener, TLS: settings, Config: &http.Server{Handler: handler}}
	server.StartTLS()
	return server, nil
}

// inFrontOf hands requests on to a registry, which then names itself as it was asked.
func inFrontOf(r *registry) http.Handler {
	backend := &url.URL{Scheme: "http", Host: r.host}
	return &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(backend)
		p.Out.Host = p.In.Host
		p.SetXForwarded()
	}}
}
