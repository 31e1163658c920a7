package testregistry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
)

const (
	user     = "alice"
	password = "correct horse"
)

// serve starts a registry of the given kind and returns a client that knows the
// password.
func serve(t *testing.T, auth Auth, alg string) (*Registry, *Client) {
	t.Helper()
	users := map[string]string{user: password}
	opts := Options{Auth: auth, Users: users}
	if auth == Bearer {
		tokens, err := NewTokenServer(TokenOptions{Users: users, Alg: alg})
		if err != nil {
			t.Fatal(err)
		}
		realm := httptest.NewServer(tokens)
		t.Cleanup(realm.Close)
		opts.Tokens, opts.Realm = tokens, realm.URL+"/token"
	}
	registry := New(opts)
	server := httptest.NewServer(registry)
	t.Cleanup(server.Close)
	return registry, &Client{Base: server.URL, User: user, Password: password}
}

func TestLoginPushPull(t *testing.T) {
	for _, c := range []struct {
		auth Auth
		alg  string
	}{{None, ""}, {Basic, ""}, {Bearer, "ES256"}, {Bearer, "RS256"}} {
		t.Run(string(c.auth)+c.alg, func(t *testing.T) {
			ctx := t.Context()
			registry, client := serve(t, c.auth, c.alg)
			if err := client.Login(ctx); err != nil {
				t.Fatalf("login: %v", err)
			}
			image, err := NewImage("pushed\n")
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Push(ctx, "team/pushed", "v1", image); err != nil {
				t.Fatalf("push: %v", err)
			}
			got, err := client.Pull(ctx, "team/pushed", "v1")
			if err != nil {
				t.Fatalf("pull: %v", err)
			}
			if !bytes.Equal(got.Layer, image.Layer) || !bytes.Equal(got.Manifest, image.Manifest) {
				t.Error("what was pulled is not what was pushed")
			}
			digest, err := registry.Seed("team/app", "latest")
			if err != nil {
				t.Fatal(err)
			}
			if seeded, err := client.Pull(ctx, "team/app", "latest"); err != nil || Digest(seeded.Manifest) != digest {
				t.Errorf("pull of the seeded image: digest %s, error %v; want %s", Digest(seeded.Manifest), err, digest)
			}
		})
	}
}

func TestStrangersAreRefused(t *testing.T) {
	for _, auth := range []Auth{Basic, Bearer} {
		for name, c := range map[string]Client{
			"wrong password": {User: user, Password: "wrong"},
			"unknown user":   {User: "mallory", Password: ""},
			"nobody":         {},
		} {
			t.Run(string(auth)+" "+name, func(t *testing.T) {
				registry, client := serve(t, auth, "")
				if _, err := registry.Seed("team/app", "latest"); err != nil {
					t.Fatal(err)
				}
				c.Base = client.Base
				if err := c.Login(t.Context()); !errors.Is(err, ErrRefused) {
					t.Errorf("login: %v, want ErrRefused", err)
				}
				if _, err := c.Pull(t.Context(), "team/app", "latest"); !errors.Is(err, ErrRefused) {
					t.Errorf("pull: %v, want ErrRefused", err)
				}
			})
		}
	}
}

func TestRefusedContent(t *testing.T) {
	_, client := serve(t, None, "")
	image, err := NewImage("x")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method, path string
		body               []byte
		want               int
	}{
		{"manifest before its blobs", "PUT", "/v2/a/manifests/v1", image.Manifest, http.StatusBadRequest},
		{"manifest under another digest", "PUT", "/v2/a/manifests/" + Digest(nil), image.Manifest, http.StatusBadRequest},
		{"manifest that is not JSON", "PUT", "/v2/a/manifests/v1", []byte("x"), http.StatusBadRequest},
		{"chunk of no upload", "PATCH", "/v2/a/blobs/uploads/none", []byte("x"), http.StatusNotFound},
		{"odd repository name", "GET", "/v2/A/tags/list", nil, http.StatusNotFound},
		{"missing repository", "GET", "/v2/a/tags/list", nil, http.StatusNotFound},
		{"missing blob", "HEAD", "/v2/a/blobs/" + Digest(nil), nil, http.StatusNotFound},
		{"outside the API", "GET", "/", nil, http.StatusNotFound},
		{"manifest by an odd tag", "PUT", "/v2/a/manifests/-", image.Manifest, http.StatusBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := client.do(t.Context(), c.method, c.path, "", c.body, c.want); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestChunks(t *testing.T) {
	_, client := serve(t, None, "")
	ctx := t.Context()
	step := func(method, path string, body string, want int) string {
		t.Helper()
		got, err := client.do(ctx, method, path, "", []byte(body), want)
		if err != nil {
			t.Fatal(err)
		}
		return got.location
	}
	digest := Digest([]byte("one two"))
	where := step("POST", "/v2/a/blobs/uploads/", "", http.StatusAccepted)
	step("PATCH", where, "one ", http.StatusAccepted)
	step("PATCH", where, "two", http.StatusAccepted)
	step("PUT", where+"?digest="+digest, "", http.StatusCreated)
	step("GET", where, "", http.StatusNotFound)
	step("GET", "/v2/b/blobs/"+digest, "", http.StatusNotFound)
	if got, err := client.do(ctx, "GET", "/v2/a/blobs/"+digest, "", nil, http.StatusOK); err != nil || string(got.body) != "one two" {
		t.Errorf("blob: %q, %v", got.body, err)
	}
	where = step("POST", "/v2/b/blobs/uploads/?from=a&mount="+digest, "", http.StatusAccepted)
	step("PUT", where+"?digest="+digest, "another", http.StatusBadRequest)
}

func TestBeforeAnswersFirst(t *testing.T) {
	registry := New(Options{Before: func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusTeapot)
		return true
	}})
	w := httptest.NewRecorder()
	registry.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/", nil))
	if w.Code != http.StatusTeapot {
		t.Errorf("status %d, want 418", w.Code)
	}
}

func TestAuthority(t *testing.T) {
	authority, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := authority.Server()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(New(Options{}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshake is meant
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority.CertPEM()) {
		t.Fatal("CA certificate is not PEM")
	}
	login := func(roots *x509.CertPool) error {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		defer transport.CloseIdleConnections()
		client := Client{Base: server.URL, HTTP: &http.Client{Transport: transport}}
		return client.Login(context.Background())
	}
	if err := login(roots); err != nil {
		t.Errorf("with the CA: %v", err)
	}
	var unknown x509.UnknownAuthorityError
	if err := login(x509.NewCertPool()); !errors.As(err, &unknown) {
		t.Errorf("without the CA: %v, want an unknown authority", err)
	}
}
