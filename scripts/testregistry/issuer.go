package testregistry

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"time"
)

// IssuerOptions says how an [Issuer] behaves. The zero value confirms a login at the first
// poll, describes itself as RFC 8414 says, and has refresh tokens and revocation.
type IssuerOptions struct {
	Path     string // of the issuer's URL, as "/realms/team"; "" for none
	OpenID   bool   // describes itself by OpenID Connect Discovery alone
	CallsIt  string // the issuer in the metadata, where it is not its own URL
	ClientID string // the only client; "" lets every one in

	// Polls are the answers to the first polls of every code, each an OAuth2 error code,
	// "drop" (the connection is closed), "unavailable" (503), "garbage" (no JSON) or
	// "endless" (no answer). After them the login is confirmed, unless Manual is set.
	Polls  []string
	Manual bool // wait for [Issuer.Confirm]

	CodeLife  int // seconds; 0 is 600
	Interval  int // seconds; 0 is 1
	TokenLife int // seconds; 0 is 3600, below 0 leaves expires_in out

	Claims          map[string]any // of an ID token; nil for none
	NoRefresh       bool           // no refresh tokens
	Rotate          bool           // a refresh token is good for one use
	NoRevocation    bool           // no revocation endpoint
	RevokeStatus    int            // of the revocation endpoint; 0 is 200
	Before          func(http.ResponseWriter, *http.Request) bool
	DeviceAnswer    string // the whole answer to the request for a code
	VerificationURI string // in place of its own page
}

// Issuer is an OAuth2 authorization server for device logins (RFC 8628) with metadata
// (RFC 8414), refresh tokens and revocation (RFC 7009). It calls itself by the host that
// it is asked at. It is safe for concurrent use.
type Issuer struct {
	opts IssuerOptions

	mu      sync.Mutex
	codes   map[string]*deviceCode // by device code
	access  map[string]time.Time   // live access tokens and when they end
	refresh map[string]bool        // live refresh tokens
	revoked []string
	given   []string // every secret that was given out
}

// deviceCode is one login under way.
type deviceCode struct {
	user      string
	polls     int
	expires   time.Time
	confirmed bool
}

// NewIssuer makes an issuer.
func NewIssuer(opts IssuerOptions) *Issuer {
	return &Issuer{opts: opts, codes: map[string]*deviceCode{}, access: map[string]time.Time{}, refresh: map[string]bool{}}
}

// Confirm confirms the login of a user code, as its page would, and says whether there is one.
func (i *Issuer) Confirm(userCode string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, c := range i.codes {
		if c.user == userCode {
			c.confirmed = true
			return true
		}
	}
	return false
}

// Accepts says whether an access token is live.
func (i *Issuer) Accepts(token string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	end, ok := i.access[token]
	return ok && time.Now().Before(end)
}

// Live is the number of refresh tokens that are good.
func (i *Issuer) Live() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.refresh)
}

// Revoked are the tokens that were revoked, in order.
func (i *Issuer) Revoked() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.revoked)
}

// Secrets are the device codes and tokens given out so far.
func (i *Issuer) Secrets() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.given)
}

// Admits is a Before hook for a [Registry] or a [TokenServer]: a live access token as the
// password of Basic becomes the password of user there, and a live refresh token in an
// OAuth2 form a password grant; everything else is as it was.
func (i *Issuer) Admits(user, password string) func(http.ResponseWriter, *http.Request) bool {
	return func(_ http.ResponseWriter, r *http.Request) bool {
		if _, token, ok := r.BasicAuth(); ok && i.Accepts(token) {
			r.SetBasicAuth(user, password)
		}
		if r.Method != http.MethodPost || r.ParseForm() != nil {
			return false
		}
		i.mu.Lock()
		live := i.refresh[r.PostForm.Get("refresh_token")]
		i.mu.Unlock()
		if live {
			r.PostForm.Set("grant_type", "password")
			r.PostForm.Set("username", user)
			r.PostForm.Set("password", password)
		}
		return false
	}
}

// ServeHTTP answers one request.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	_ = r.ParseForm() // a form that does not parse has no grant_type
	if i.opts.Before != nil && i.opts.Before(w, r) {
		return
	}
	self := url.URL{Scheme: "http", Host: r.Host, Path: i.opts.Path}
	if r.TLS != nil {
		self.Scheme = "https"
	}
	wellKnown := "/.well-known/oauth-authorization-server" + i.opts.Path
	if i.opts.OpenID {
		wellKnown = i.opts.Path + "/.well-known/openid-configuration"
	}
	switch {
	case r.Method == http.MethodGet && r.URL.Path == wellKnown:
		i.describe(w, self.String())
	case r.Method == http.MethodPost && r.URL.Path == i.opts.Path+"/device":
		i.start(w, r, self.String())
	case r.Method == http.MethodPost && r.URL.Path == i.opts.Path+"/token":
		i.token(w, r)
	case r.Method == http.MethodPost && r.URL.Path == i.opts.Path+"/revoke" && !i.opts.NoRevocation:
		i.revoke(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (i *Issuer) describe(w http.ResponseWriter, self string) {
	doc := map[string]any{
		"issuer": cmp.Or(i.opts.CallsIt, self), "device_authorization_endpoint": self + "/device", "token_endpoint": self + "/token",
		"scopes_supported": []string{"openid", "offline_access", "registry"},
	}
	if !i.opts.NoRevocation {
		doc["revocation_endpoint"] = self + "/revoke"
	}
	writeJSON(w, http.StatusOK, doc)
}

func (i *Issuer) start(w http.ResponseWriter, r *http.Request, self string) {
	if i.opts.ClientID != "" && r.PostForm.Get("client_id") != i.opts.ClientID {
		refuse(w, "invalid_client")
		return
	}
	if i.opts.DeviceAnswer != "" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(i.opts.DeviceAnswer))
		return
	}
	life := time.Duration(cmp.Or(i.opts.CodeLife, 600)) * time.Second
	device := "device-" + rand.Text()
	user := rand.Text()[:4] + "-" + rand.Text()[:4]
	i.mu.Lock()
	i.codes[device] = &deviceCode{user: user, expires: time.Now().Add(life)}
	i.given = append(i.given, device)
	i.mu.Unlock()
	page := cmp.Or(i.opts.VerificationURI, self+"/activate")
	writeJSON(w, http.StatusOK, map[string]any{
		"device_code": device, "user_code": user, "verification_uri": page, "verification_uri_complete": page + "?user_code=" + user,
		"expires_in": int(life.Seconds()), "interval": cmp.Or(i.opts.Interval, 1),
	})
}

func (i *Issuer) revoke(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	status := cmp.Or(i.opts.RevokeStatus, http.StatusOK)
	if status == http.StatusOK {
		delete(i.refresh, r.PostForm.Get("token"))
		i.revoked = append(i.revoked, r.PostForm.Get("token"))
	}
	w.WriteHeader(status)
}

// refuse answers in the error format of RFC 6749 §5.2.
func refuse(w http.ResponseWriter, code string) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": code})
}

// unsigned is a JWT with these claims and no signature worth the name.
func unsigned(claims map[string]any) string {
	body, _ := json.Marshal(claims) // a test's own claims
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(`{"alg":"none"}`)) + "." + enc.EncodeToString(body) + "." + enc.EncodeToString([]byte("none"))
}

// token is the token endpoint: polls and refreshes.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	switch r.PostForm.Get("grant_type") {
	case "urn:ietf:params:oauth:grant-type:device_code":
		i.poll(w, r)
	case "refresh_token":
		i.renew(w, r)
	default:
		refuse(w, "unsupported_grant_type")
	}
}

// poll answers a poll as the options say.
func (i *Issuer) poll(w http.ResponseWriter, r *http.Request) {
	code, answer := r.PostForm.Get("device_code"), ""
	i.mu.Lock()
	c := i.codes[code]
	switch {
	case c == nil:
		answer = "invalid_grant"
	case c.polls < len(i.opts.Polls): // also of a code that has just expired: no clock decides a test
		answer = i.opts.Polls[c.polls]
	case time.Now().After(c.expires):
		answer = "expired_token"
	case i.opts.Manual && !c.confirmed:
		answer = "authorization_pending"
	default:
		delete(i.codes, code)
	}
	if c != nil {
		c.polls++
	}
	i.mu.Unlock()
	switch answer {
	case "":
		i.give(w, "")
	case "drop":
		panic(http.ErrAbortHandler) // closes the connection, and nothing else
	case "endless":
		<-r.Context().Done()
	case "unavailable":
		w.WriteHeader(http.StatusServiceUnavailable)
	case "garbage":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{\"access_token\": \x1b[31m"))
	default:
		refuse(w, answer)
	}
}

func (i *Issuer) renew(w http.ResponseWriter, r *http.Request) {
	used := r.PostForm.Get("refresh_token")
	i.mu.Lock()
	good := i.refresh[used]
	if good && i.opts.Rotate {
		delete(i.refresh, used)
	}
	i.mu.Unlock()
	if !good {
		refuse(w, "invalid_grant")
		return
	}
	i.give(w, used)
}

// give answers with tokens. A refresh token that was used is not repeated.
func (i *Issuer) give(w http.ResponseWriter, used string) {
	life := cmp.Or(i.opts.TokenLife, 3600)
	access := "access-" + rand.Text()
	body := map[string]any{"access_token": access, "token_type": "Bearer"}
	end := time.Now().Add(24 * time.Hour)
	if life > 0 {
		body["expires_in"] = life
		end = time.Now().Add(time.Duration(life) * time.Second)
	}
	if i.opts.Claims != nil {
		body["id_token"] = unsigned(i.opts.Claims)
	}
	i.mu.Lock()
	i.access[access] = end
	i.given = append(i.given, access)
	if !i.opts.NoRefresh && (used == "" || i.opts.Rotate) {
		token := "refresh-" + rand.Text()
		i.refresh[token] = true
		i.given = append(i.given, token)
		body["refresh_token"] = token
	}
	i.mu.Unlock()
	writeJSON(w, http.StatusOK, body)
}

// Devices starts an issuer, and a registry whose token server takes the issuer's access
// tokens as passwords, and nothing else.
func Devices(opts IssuerOptions) (issuer *Issuer, at *httptest.Server, registry *httptest.Server, err error) {
	issuer = NewIssuer(opts)
	at = httptest.NewServer(issuer)
	password := rand.Text()
	tokens, err := NewTokenServer(TokenOptions{
		Users: map[string]string{"alice": password}, Before: issuer.Admits("alice", password),
	})
	if err != nil {
		return nil, nil, nil, err
	}
	realm := httptest.NewServer(tokens)
	registry = httptest.NewServer(New(Options{Auth: Bearer, Realm: realm.URL, Tokens: tokens}))
	at.Config.RegisterOnShutdown(realm.Close)
	return issuer, at, registry, nil
}
