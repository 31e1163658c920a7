//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
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
	"regshape/scripts/testregistry/canary"
)

// image is what every registry holds, for those who may see it.
const image = "team/app"

// Two generations of one registry, which began as docker's and is called distribution now:
// Debian's, and today's as install.sh builds it.
const (
	distribution2 = "docker-registry"
	distribution3 = "registry"
)

// registry is one real registry process with one private image.
type registry struct {
	name           string // names the subtest
	program        string // distribution2 or distribution3
	host           string // localhost:PORT
	user, password string
	core           string // a part of the password that no encoding escapes
	caPEM          []byte // nil: plain http

	realm   *httptest.Server // token server, or nil
	process *exec.Cmd
	log     string // file
}

// newAccount gives a registry an account whose password has what shells, JSON,
// URLs and Latin-1 trip over. There are many ways to escape that, so leaks are also
// looked for by its core. bcrypt, which htpasswd uses here, stops at 72 bytes.
func (r *registry) newAccount() {
	r.core = rand.Text()
	r.user, r.password = "alice", r.core+` "q'$\/%+&ü`
}

func startBasic(program, name, work string) (*registry, error) {
	r := &registry{name: name, program: program}
	return r, r.start(work, r.htpasswd)
}

func startTLS(program, name, work string) (*registry, error) {
	r := &registry{name: name, program: program}
	return r, r.start(work, func(dir string) (string, error) {
		accounts, err := r.htpasswd(dir)
		if err != nil {
			return "", err
		}
		authority, err := testregistry.NewAuthority()
		if err != nil {
			return "", err
		}
		r.caPEM = authority.CertPEM()
		cert, key, err := authority.Server()
		if err != nil {
			return "", err
		}
		certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		if err := errors.Join(os.WriteFile(certFile, cert, 0o600), os.WriteFile(keyFile, key, 0o600)); err != nil {
			return "", err
		}
		return accounts + fmt.Sprintf("http: {tls: {certificate: %q, key: %q}}\n", certFile, keyFile), nil
	})
}

func startToken(program, name, work string) (*registry, error) {
	return startTokens(program, name, work, testregistry.TokenOptions{})
}

func startTokens(program, name, work string, opts testregistry.TokenOptions) (*registry, error) {
	r := &registry{name: name, program: program}
	return r, r.start(work, func(dir string) (string, error) {
		opts.Users = map[string]string{r.user: r.password}
		tokens, err := testregistry.NewTokenServer(opts)
		if err != nil {
			return "", err
		}
		r.realm = httptest.NewServer(tokens)
		_, port, err := net.SplitHostPort(r.realm.Listener.Addr().String())
		if err != nil {
			return "", err
		}
		bundle := filepath.Join(dir, "tokens.pem")
		if err := os.WriteFile(bundle, tokens.RootCertPEM(), 0o600); err != nil {
			return "", err
		}
		return fmt.Sprintf("auth: {token: {realm: \"http://localhost:%s/token\", service: %q, issuer: %q, rootcertbundle: %q}}\n",
			port, tokens.Service(), tokens.Issuer(), bundle), nil
	})
}

// htpasswd makes the account file of the Basic registries. The password goes in
// on stdin: an argument could be read by every user of the machine.
func (r *registry) htpasswd(dir string) (string, error) {
	command := testenv.Command(testenv.Environ(dir), "htpasswd", "-niBC", "5", r.user)
	command.Stdin = strings.NewReader(r.password)
	line, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("htpasswd: %w", err)
	}
	file := filepath.Join(dir, "htpasswd")
	if err := os.WriteFile(file, line, 0o600); err != nil {
		return "", err
	}
	return fmt.Sprintf("auth: {htpasswd: {realm: e2e, path: %q}}\n", file), nil
}

// start writes the configuration, runs the registry and pushes the image.
func (r *registry) start(work string, settings func(dir string) (string, error)) error {
	dir := filepath.Join(work, r.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	r.newAccount()
	config, err := settings(dir)
	if err != nil {
		return fmt.Errorf("registry %s: %w", r.name, err)
	}
	config = fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %q}}\n", filepath.Join(dir, "data")) + config
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return err
	}
	// The registry cannot say which port it got, so it is told one that was free a
	// moment ago; another process may be quicker, hence the second and third try.
	for range 3 {
		if err = r.serve(dir, file); err == nil {
			break
		}
		r.stopProcess()
	}
	if err != nil {
		return fmt.Errorf("registry %s: %w", r.name, err)
	}
	made, err := testregistry.NewImage("private to " + r.name + "\n")
	if err != nil {
		return err
	}
	if err := r.client().Push(context.Background(), image, "latest", made); err != nil {
		return fmt.Errorf("registry %s: push: %w", r.name, err)
	}
	return nil
}

func (r *registry) serve(dir, config string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		return err
	}
	r.host = fmt.Sprintf("localhost:%d", port)
	r.log = filepath.Join(dir, "log")
	log, err := os.Create(r.log)
	if err != nil {
		return err
	}
	defer log.Close()
	env := testenv.Environ(dir, "OTEL_TRACES_EXPORTER=none", fmt.Sprintf("REGISTRY_HTTP_ADDR=127.0.0.1:%d", port))
	program := r.program
	if program == distribution3 {
		program = filepath.Join(clientsDir, program)
	}
	r.process = testenv.Command(env, program, "serve", config)
	r.process.Stdout, r.process.Stderr = log, log
	if err := r.process.Start(); err != nil {
		return err
	}
	// A stranger's 401 says that the registry is up, and that it is this one.
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		stranger := r.client()
		stranger.User = ""
		if errors.Is(stranger.Login(context.Background()), testregistry.ErrRefused) {
			return nil
		}
	}
	return fmt.Errorf("does not answer at %s\n%s", r.host, canary.Redact(r.logTail(), r.password))
}

// logTail returns the end of what the process has logged.
func (r *registry) logTail() string {
	out, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	const keep = 4 << 10 // a dozen requests
	return string(out[max(0, len(out)-keep):])
}

// client is our own, which pushes what the tools then ask for.
func (r *registry) client() *testregistry.Client {
	client := &testregistry.Client{Base: "http://" + r.host, User: r.user, Password: r.password}
	if r.caPEM != nil {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(r.caPEM)
		client.Base = "https://" + r.host
		client.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	}
	return client
}

// ref is the private image as a command line names it.
func (r *registry) ref() string { return r.host + "/" + image + ":latest" }

func (r *registry) stopProcess() {
	if r.process != nil && r.process.Process != nil {
		_ = r.process.Process.Kill() // it may have ended by itself
		_ = r.process.Wait()         // always "killed"
	}
	r.process = nil
}

func (r *registry) stop() {
	r.stopProcess()
	if r.realm != nil {
		r.realm.Close()
	}
}

// startPublic starts a registry that is open to everybody.
func startPublic(t *testing.T) *registry {
	t.Helper()
	public := testregistry.New(testregistry.Options{})
	if _, err := public.Seed(image, "latest"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(public)
	t.Cleanup(server.Close)
	return &registry{name: "public", host: server.Listener.Addr().String()}
}

// The registry of the unit tests and the demo is close enough to a real one: the
// clients log in to it through the helper, push, pull, and are refused afterwards.
func TestOwnRegistryServesRealClients(t *testing.T) {
	for _, auth := range []testregistry.Auth{testregistry.Basic, testregistry.Bearer} {
		t.Run(string(auth), func(t *testing.T) {
			r := &registry{name: string(auth), user: "alice", password: rand.Text()}
			users := map[string]string{r.user: r.password}
			opts := testregistry.Options{Auth: auth, Users: users}
			if auth == testregistry.Bearer {
				tokens, err := testregistry.NewTokenServer(testregistry.TokenOptions{Users: users, Alg: "RS256"})
				if err != nil {
					t.Fatal(err)
				}
				realm := httptest.NewServer(tokens)
				defer realm.Close()
				opts.Tokens, opts.Realm = tokens, realm.URL+"/token"
			}
			own := testregistry.New(opts)
			if _, err := own.Seed(image, "latest"); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(own)
			defer server.Close()
			r.host = strings.TrimPrefix(server.URL, "http://")

			h := newHome(t)
			h.secrets = append(h.secrets, r.password)
			h.allowHTTP(r.host)
			h.noneSees(r)
			h.dockerLogin(r).ok("Login Succeeded").quiet()
			h.allSee(r)
			h.run("docker", "logout", r.host).ok()
			h.login(r, r.password).ok("Login Succeeded").quiet()
			h.allSee(r)

			byPodman, bySkopeo := r.host+"/"+image+":by-podman", r.host+"/other/name:by-skopeo"
			h.podman("tag", r.ref(), byPodman).ok()
			h.podman("push", "--quiet", byPodman).ok().quiet()
			h.run("skopeo", "copy", "--quiet", "docker://"+byPodman, "docker://"+bySkopeo).ok().quiet()
			h.podman("pull", "--quiet", bySkopeo).ok().quiet()
			h.run("docker", "manifest", "inspect", "--insecure", bySkopeo).ok("schemaVersion")
		})
	}
}
