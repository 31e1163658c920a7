// Package testregistry is an OCI registry, a Docker token server and a small
// certificate authority, all in memory, for tests and for the demo.
//
// The registry speaks enough of the OCI distribution API (version 1.1: blobs,
// chunked uploads, manifests, tags)
// for docker, podman and skopeo to log in, push and pull. It keeps
// everything in memory and forgets it with the process: it is no registry for
// real images.
//
// A Bearer registry needs a [TokenServer] and its public URL; a Basic one needs
// only the users:
//
//	reg := testregistry.New(testregistry.Options{
//		Auth:  testregistry.Basic,
//		Users: map[string]string{"alice": "secret"},
//	})
//	digest, err := reg.Seed("team/app", "latest")
//	server := httptest.NewServer(reg)
package testregistry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// Auth is the way a [Registry] asks for credentials.
type Auth string

const (
	// None lets everybody in: the registry never asks.
	None Auth = "none"
	// Basic asks for HTTP Basic credentials (RFC 7617).
	Basic Auth = "basic"
	// Bearer asks for a token of a [TokenServer] (RFC 6750, Docker's token flow).
	Bearer Auth = "bearer"
)

// maxBody bounds one request's body, in bytes. Test images are a few kilobytes,
// and a test that runs wild must not take the machine's memory.
const maxBody = 64 << 20

// Options says how a [Registry] behaves. The zero value is a registry that is
// open to everybody.
type Options struct {
	Auth  Auth
	Users map[string]string // user name -> password, for Basic

	// For Bearer: the token server's URL as clients reach it, and the server
	// itself, which the registry asks whether a token is one of its own.
	Realm  string
	Tokens *TokenServer

	// Before sees every request first. It returns true when it has answered the
	// request itself; a test plays odd registries with it, or counts requests.
	Before func(http.ResponseWriter, *http.Request) bool
}

// Registry is an [http.Handler] that serves the distribution API below /v2/.
// It is safe for concurrent use.
type Registry struct {
	opts Options

	mu      sync.Mutex
	repos   map[string]*repository
	uploads map[string]*upload
}

// repository holds what was pushed under one name. Blobs are kept by repository,
// as a client must not read a blob through a name that it was never pushed to.
type repository struct {
	blobs     map[string][]byte   // digest -> content
	manifests map[string]manifest // digest -> manifest
	tags      map[string]string   // tag -> digest
}

// holds says whether a blob was pushed; the repository may be missing.
func (r *repository) holds(digest string) bool {
	if r == nil {
		return false
	}
	_, ok := r.blobs[digest]
	return ok
}

// New makes an empty registry.
func New(opts Options) *Registry {
	return &Registry{
		opts:    opts,
		repos:   map[string]*repository{},
		uploads: map[string]*upload{},
	}
}

// repoName is the name of a repository as the distribution API defines it.
var repoName = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)

// target is what a path below /v2/ names.
type target struct {
	kind string // "base", "tags", "manifest", "blob", "upload" or "" for nothing we serve
	repo string
	ref  string // tag, digest or upload id; "" starts an upload
}

func parseTarget(path string) target {
	rest, ok := strings.CutPrefix(path, "/v2")
	if !ok {
		return target{}
	}
	if rest == "" || rest == "/" {
		return target{kind: "base"}
	}
	rest = strings.TrimPrefix(rest, "/")
	if repo, ok := strings.CutSuffix(rest, "/tags/list"); ok {
		return checked(target{kind: "tags", repo: repo})
	}
	// The last match counts: a repository may itself be called "blobs".
	for _, part := range []struct{ sep, kind string }{
		{"/blobs/uploads/", "upload"},
		{"/blobs/", "blob"},
		{"/manifests/", "manifest"},
	} {
		if i := strings.LastIndex(rest, part.sep); i > 0 {
			return checked(target{kind: part.kind, repo: rest[:i], ref: rest[i+len(part.sep):]})
		}
	}
	if repo, ok := strings.CutSuffix(rest, "/blobs/uploads"); ok {
		return checked(target{kind: "upload", repo: repo})
	}
	return target{}
}

func checked(t target) target {
	if !repoName.MatchString(t.repo) || strings.Contains(t.ref, "/") {
		return target{}
	}
	return t
}

// ServeHTTP answers one request. Authentication comes before everything else, so
// that a stranger cannot even learn which repositories there are.
func (g *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.opts.Before != nil && g.opts.Before(w, r) {
		return
	}
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	t := parseTarget(r.URL.Path)
	if !g.admit(w, r, t) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch t.kind {
	case "base":
		writeJSON(w, http.StatusOK, struct{}{})
	case "tags":
		g.serveTags(w, t)
	case "manifest":
		g.serveManifest(w, r, t)
	case "blob":
		g.serveBlob(w, r, t)
	case "upload":
		g.serveUpload(w, r, t)
	default:
		fail(w, http.StatusNotFound, "UNSUPPORTED", "no such resource")
	}
}

// repo returns the repository of that name; with create it makes a missing one.
// The caller holds the lock.
func (g *Registry) repo(name string, create bool) *repository {
	if found := g.repos[name]; found != nil || !create {
		return found
	}
	made := &repository{
		blobs:     map[string][]byte{},
		manifests: map[string]manifest{},
		tags:      map[string]string{},
	}
	g.repos[name] = made
	return made
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The status is out already: a client that is gone is all that can go wrong.
	_ = json.NewEncoder(w).Encode(body)
}

// fail answers in the error format of the distribution API.
func fail(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]any{
		"errors": []map[string]string{{"code": code, "message": message}},
	})
}

// admit answers 401 with the registry's challenge, or 403, and returns false
// unless the request may go on.
func (g *Registry) admit(w http.ResponseWriter, r *http.Request, t target) bool {
	switch g.opts.Auth {
	case Basic:
		user, password, ok := r.BasicAuth()
		if ok && passwordOK(g.opts.Users, user, password) {
			return true
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="testregistry"`)
	case Bearer:
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		scope := scopeFor(r.Method, t)
		challenge := fmt.Sprintf(`Bearer realm="%s",service="%s"`, g.opts.Realm, g.opts.Tokens.opts.Service)
		if scope.Name != "" {
			challenge += fmt.Sprintf(`,scope="%s"`, scope)
		}
		if strings.EqualFold(scheme, "Bearer") {
			claims, ok := g.opts.Tokens.Verify(token)
			switch {
			case !ok:
				challenge += `,error="invalid_token"`
			case !claims.grants(scope):
				challenge += `,error="insufficient_scope"`
			default:
				return true
			}
		}
		w.Header().Set("WWW-Authenticate", challenge)
	default:
		return true
	}
	fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	return false
}

// scopeFor is what a token must grant for a request; the base path needs no more
// than a valid token.
func scopeFor(method string, t target) Access {
	if t.repo == "" {
		return Access{}
	}
	actions := []string{"pull"}
	if method != http.MethodGet && method != http.MethodHead {
		actions = []string{"pull", "push"}
	}
	return Access{Type: "repository", Name: t.repo, Actions: actions}
}

func passwordOK(users map[string]string, user, password string) bool {
	want, known := users[user]
	return known && password == want
}
