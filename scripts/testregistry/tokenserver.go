package testregistry

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// TokenOptions says what a [TokenServer] issues, and to whom.
type TokenOptions struct {
	Users map[string]string // user name -> password

	Issuer  string // REGISTRY_AUTH_TOKEN_ISSUER of the registry; "" is "testregistry-issuer"
	Service string // REGISTRY_AUTH_TOKEN_SERVICE; "" is "testregistry"
	Alg     string // "ES256" or "RS256"; "" is ES256

	// NoOAuth2 answers 404 to POST and issues no refresh tokens. Anonymous gives whoever
	// sends no credentials a token, too, which grants nothing. Gitea's does both.
	NoOAuth2, Anonymous bool

	// Before sees every request first and returns true when it has answered it.
	Before func(http.ResponseWriter, *http.Request) bool
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

// TokenServer issues tokens of Docker's token authentication at whatever path it
// is mounted: to GET with HTTP Basic, and to an OAuth2 POST with the grants
// password and refresh_token. Every user is granted every scope asked for; a
// request without credentials is refused, unless the options say otherwise. It is
// safe for concurrent use.
type TokenServer struct {
	opts TokenOptions
	root *Authority
	key  *signer

	mu      sync.Mutex
	issued  map[string]Claims // by access token
	refresh map[string]string // refresh token -> user name
}

// NewTokenServer makes a token server with fresh keys.
func NewTokenServer(opts TokenOptions) (*TokenServer, error) {
	if opts.Issuer == "" {
		opts.Issuer = "testregistry-issuer"
	}
	if opts.Service == "" {
		opts.Service = "testregistry"
	}
	if opts.Alg == "" {
		opts.Alg = "ES256"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	root, err := NewAuthority()
	if err != nil {
		return nil, err
	}
	key, err := newSigner(opts.Alg, root)
	if err != nil {
		return nil, err
	}
	return &TokenServer{opts: opts, root: root, key: key, issued: map[string]Claims{}, refresh: map[string]string{}}, nil
}

// Issuer returns the "iss" claim of the tokens.
func (s *TokenServer) Issuer() string { return s.opts.Issuer }

// Service returns the "aud" claim of the tokens, the service of the challenge.
func (s *TokenServer) Service() string { return s.opts.Service }

// RootCertPEM returns the certificate that the chain in each token leads to, for
// REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE.
func (s *TokenServer) RootCertPEM() []byte { return s.root.CertPEM() }

// Verify returns the claims of a token that this server issued, and whether there is one
// that is valid now.
func (s *TokenServer) Verify(token string) (claims Claims, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	claims, ok = s.issued[token]
	return claims, ok && s.opts.Now().Unix() < claims.Expires
}

// Revoke makes every refresh token of a user worthless.
func (s *TokenServer) Revoke(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, of := range s.refresh {
		if of == user {
			delete(s.refresh, token)
		}
	}
}

// ServeHTTP answers one token request.
func (s *TokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.opts.Before != nil && s.opts.Before(w, r) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if s.opts.NoOAuth2 && r.Method == http.MethodPost {
		http.NotFound(w, r)
		return
	}
	var user string
	var offline bool
	switch r.Method {
	case http.MethodGet:
		name, password, ok := r.BasicAuth()
		if anyone := s.opts.Anonymous && !ok; !anyone && !passwordOK(s.opts.Users, name, password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="testregistry tokens"`)
			fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
			return
		}
		user, offline = name, r.FormValue("offline_token") == "true" && !s.opts.NoOAuth2
	case http.MethodPost:
		if r.ParseForm() != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
			return
		}
		var ok bool
		if user, ok = s.grant(r); !ok {
			// RFC 6749 §5.2 would have 400 here; the token servers of registries send 401.
			writeJSON(w, http.StatusUnauthorized, map[string]string{
				"error": "invalid_grant", "error_description": "incorrect username or password",
			})
			return
		}
		offline = r.PostForm.Get("access_type") == "offline" || r.PostForm.Get("grant_type") == "refresh_token"
	default:
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "method not allowed")
		return
	}
	if service := r.FormValue("service"); service != s.opts.Service {
		fail(w, http.StatusBadRequest, "DENIED", "unknown service")
		return
	}
	s.issue(w, r, user, offline)
}

// grant returns the user whom an OAuth2 request speaks for.
func (s *TokenServer) grant(r *http.Request) (string, bool) {
	switch r.PostForm.Get("grant_type") {
	case "password":
		user := r.PostForm.Get("username")
		return user, passwordOK(s.opts.Users, user, r.PostForm.Get("password"))
	case "refresh_token":
		s.mu.Lock()
		defer s.mu.Unlock()
		user, ok := s.refresh[r.PostForm.Get("refresh_token")]
		return user, ok
	}
	return "", false
}

func (s *TokenServer) issue(w http.ResponseWriter, r *http.Request, user string, offline bool) {
	access := []Access{}
	// GET repeats the parameter, OAuth2 puts the scopes into one, with spaces.
	for _, scopes := range r.Form["scope"] {
		for _, scope := range strings.Fields(scopes) {
			if one, ok := parseScope(scope); ok && user != "" {
				access = append(access, one)
			}
		}
	}
	now := s.opts.Now()
	claims := Claims{
		Issuer: s.opts.Issuer, Subject: user, Audience: s.opts.Service,
		// A registry on a clock that is a little behind must take the token too.
		NotFrom: now.Add(-10 * time.Second).Unix(), Issued: now.Unix(), Expires: now.Add(tokenLife).Unix(),
		ID: rand.Text(), Access: access,
	}
	token, err := s.key.sign(claims)
	if err != nil {
		fail(w, http.StatusInternalServerError, "UNKNOWN", "cannot sign")
		return
	}
	s.mu.Lock()
	s.issued[token] = claims
	s.mu.Unlock()
	body := map[string]any{
		"token": token, "access_token": token,
		"expires_in": int(tokenLife.Seconds()), "issued_at": now.UTC().Format(time.RFC3339),
	}
	if offline {
		body["refresh_token"] = s.refreshToken(r, user)
	}
	writeJSON(w, http.StatusOK, body)
}

// refreshToken hands back the refresh token that was used, or a new one.
func (s *TokenServer) refreshToken(r *http.Request, user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := r.PostForm.Get("refresh_token")
	if _, ok := s.refresh[used]; ok {
		return used
	}
	made := rand.Text() + rand.Text()
	s.refresh[made] = user
	return made
}

// tokenLife is how long an access token lasts; Docker's documentation gives 60
// seconds as the least a server may choose, Docker Hub gives 300.
const tokenLife = 5 * time.Minute

// Access is one entry of a token's "access" claim.
type Access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// String writes the access as a scope, type:name:action,action.
func (a Access) String() string {
	return a.Type + ":" + a.Name + ":" + strings.Join(a.Actions, ",")
}

// parseScope reads one scope; a name may itself hold colons (host:port/repo).
func parseScope(scope string) (Access, bool) {
	kind, rest, ok := strings.Cut(scope, ":")
	i := strings.LastIndex(rest, ":")
	if !ok || i < 1 {
		return Access{}, false
	}
	return Access{Type: kind, Name: rest[:i], Actions: strings.Split(rest[i+1:], ",")}, true
}

// Claims is the body of a token in Docker's token format.
type Claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience string   `json:"aud"`
	Expires  int64    `json:"exp"` // Unix seconds, as the next two
	NotFrom  int64    `json:"nbf"`
	Issued   int64    `json:"iat"`
	ID       string   `json:"jti"`
	Access   []Access `json:"access"`
}

func (c Claims) grants(need Access) bool {
	if need.Name == "" {
		return true
	}
	have := map[string]bool{}
	for _, one := range c.Access {
		if one.Type == need.Type && one.Name == need.Name {
			for _, action := range one.Actions {
				have[action] = true
			}
		}
	}
	return !slices.ContainsFunc(need.Actions, func(action string) bool { return !have[action] && !have["*"] })
}

// signer signs tokens with a leaf certificate of the authority, whose chain goes
// into each token: that is how a registry with REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE
// finds the key.
type signer struct {
	alg  string // "ES256" or "RS256"
	key  crypto.Signer
	leaf []byte // DER
}

func newSigner(alg string, root *Authority) (*signer, error) {
	var key crypto.Signer
	var err error
	switch alg {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		return nil, fmt.Errorf("signature algorithm %q is not ES256 or RS256", alg)
	}
	if err != nil {
		return nil, fmt.Errorf("make token key: %w", err)
	}
	template, err := newTemplate("testregistry tokens")
	if err != nil {
		return nil, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	leaf, err := root.sign(template, key.Public())
	if err != nil {
		return nil, err
	}
	return &signer{alg: alg, key: key, leaf: leaf}, nil
}

// sign returns claims as a JWT in compact form (RFC 7519, RFC 7515).
func (s *signer) sign(claims Claims) (string, error) {
	header, err := json.Marshal(map[string]any{
		"typ": "JWT",
		"alg": s.alg,
		"x5c": []string{base64.StdEncoding.EncodeToString(s.leaf)}, // RFC 7515 §4.1.6: not base64url
	})
	if err != nil {
		return "", fmt.Errorf("write token header: %w", err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write token claims: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(body)
	digest := sha256.Sum256([]byte(text))
	var signature []byte
	switch key := s.key.(type) {
	case *ecdsa.PrivateKey:
		// RFC 7518 §3.4 wants the two numbers side by side, 32 bytes each, not ASN.1.
		r, t, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			return "", fmt.Errorf("sign token: %w", err)
		}
		signature = append(r.FillBytes(make([]byte, 32)), t.FillBytes(make([]byte, 32))...)
	default:
		signature, err = s.key.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			return "", fmt.Errorf("sign token: %w", err)
		}
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
