package registry

import (
	"fmt"
	"io"
	"time"

	"regshape/login/redact"
)

// Outcome says how a verification ended. The text is the "reason" of JSON output.
type Outcome string

// The outcomes of a verification.
const (
	// Verified: the registry accepted the credential.
	Verified Outcome = "verified"
	// Unverified: the registry never asked for a credential.
	Unverified Outcome = "unverified"
	// Rejected: the registry or its token server answered 401 to the credential.
	Rejected Outcome = "rejected"
	// Forbidden: the credential may be right but gives no access to what was requested (403).
	Forbidden Outcome = "forbidden"
	// NotARegistry: the server has no /v2/, or responds with a web page.
	NotARegistry Outcome = "not-a-registry"
	// Unreachable: no connection, no response in time, or 5xx after the retries.
	Unreachable Outcome = "unreachable"
	// TLS: no trusted TLS connection, plain http in response to TLS included.
	TLS Outcome = "tls"
	// Throttled: 429 until time or retries ran out.
	Throttled Outcome = "throttled"
	// Protocol: a response that is not valid, or a realm or redirect that was refused.
	Protocol Outcome = "protocol"
)

// Stores reports whether a credential with this outcome may be stored: true for
// Verified and, to be done with a warning, for Unverified.
func (o Outcome) Stores() bool { return o == Verified || o == Unverified }

// Advice is a kind of advice after a failure. Front ends have the words and the flags.
type Advice string

// Kinds of advice.
const (
	// TrustCA: trust the authority that signed the registry's certificate.
	TrustCA Advice = "trust-ca"
	// TrustOtherCA: trust the authority of a server other than the registry.
	TrustOtherCA Advice = "trust-other-ca"
	// InsecureElsewhere is TrustOtherCA where only the registry's certificate goes unverified.
	InsecureElsewhere Advice = "insecure-elsewhere"
	// ReplaceOtherCertificate: a server other than the registry needs another certificate.
	ReplaceOtherCertificate Advice = "replace-other-certificate"
	// FixName: ask by a name that the certificate is for.
	FixName Advice = "fix-name"
	// RenewCertificate: it has expired, or the clock is wrong.
	RenewCertificate Advice = "renew-certificate"
	// ReissueCertificate: it needs the registry's name as subjectAltName.
	ReissueCertificate Advice = "reissue-certificate"
	// UpgradeTLS: the server needs TLS 1.2 or newer.
	UpgradeTLS Advice = "upgrade-tls"
	// FixCertificate: trust its authority, or do without verification.
	FixCertificate Advice = "fix-certificate"
	// AllowHTTP: allow plain http, which the server speaks.
	AllowHTTP Advice = "allow-http"
	// MaybeHTTP: allow plain http, if the server speaks it.
	MaybeHTTP Advice = "maybe-http"
	// UseHTTPS: ask by https, which the server wants.
	UseHTTPS Advice = "use-https"
	// MaybeHTTPS: ask by https, if the server wants it.
	MaybeHTTPS Advice = "maybe-https"
	// GiveClientCert: the server wants a client certificate.
	GiveClientCert Advice = "give-client-cert"
	// MaybeClientCert: the server may want a client certificate.
	MaybeClientCert Advice = "maybe-client-cert"
	// ReplaceClientCert: the server refuses this client certificate.
	ReplaceClientCert Advice = "replace-client-cert"
	// FixCertFile: a file below Options.CertDirs cannot be used.
	FixCertFile Advice = "fix-cert-file"
	// FixProxy: the environment's proxy is not a URL, cannot be reached, or does not connect.
	FixProxy Advice = "fix-proxy"
	// ProxyLogin: give the proxy a user name and a password.
	ProxyLogin Advice = "proxy-login"
	// CheckName: there is something else at this name and port.
	CheckName Advice = "check-name"
	// NoAPI: there is no /v2/ at this name and port.
	NoAPI Advice = "no-api"
	// OtherRegistry: log in to Result.Suggested.
	OtherRegistry Advice = "other-registry"
	// GiveCredential: give a user name and a password.
	GiveCredential Advice = "give-credential" //nolint:gosec // a name, not a credential
	// GivePassword: an identity token or a device login is not taken.
	GivePassword Advice = "give-password"
	// CheckUsername: the user name cannot be one of Basic authentication.
	CheckUsername Advice = "check-username"
	// NoToken: the registry is used without tokens.
	NoToken Advice = "no-token"
	// ConfirmAgain: a device login has to be confirmed again.
	ConfirmAgain Advice = "confirm-again"
	// GiveScope: name a repository that the credential is for.
	GiveScope Advice = "give-scope"
	// GiveIssuer: the issuer's URL cannot be one.
	GiveIssuer Advice = "give-issuer"
	// CheckIssuerURL: there is no issuer at the URL.
	CheckIssuerURL Advice = "check-issuer-url"
	// UseIssuer: the issuer calls itself Result.Suggested.
	UseIssuer Advice = "use-issuer"
	// CheckClientID: the issuer does not let the client log in with a device.
	CheckClientID Advice = "check-client-id"
	// OtherScope: the issuer refuses the scope.
	OtherScope Advice = "other-scope"
)

// Result is the result of one verification.
type Result struct {
	Outcome Outcome
	// Transport is how the registry was reached: "https", "https-insecure" (certificate
	// not verified) or "http"; empty when it was not.
	Transport string
	// TokenServer is whether the registry accepted a token that its token server issued.
	TokenServer bool
	// IdentityToken is the refresh token that the token server issued, if
	// Options.WantIdentityToken was set and it has them. It is a secret.
	IdentityToken string
	// Message is one line, safe for a terminal and free of secrets, fit to follow
	// "Login failed for R: ".
	Message string
	// Advice is what may help, or "". Suggested is the registry or issuer that it is about,
	// for the two kinds that name one; it is safe for a terminal.
	Advice    Advice
	Suggested string
	// Detail is the registry's own reason for a refusal, or "". It is safe for a terminal,
	// shortened, and without the secrets of this verification.
	Detail string
}

// Format prints the result without its identity token, whatever the verb.
func (r Result) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s: %s", string(r.Outcome), r.Message)
}

// Credential is what to verify. The zero value means none.
type Credential struct {
	Username string
	// Secret is a password, a personal access token, or with IdentityToken set an
	// OAuth2 refresh token.
	Secret        string
	IdentityToken bool
}

// Format prints the user name without the secret, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%q %s", c.Username, redact.Mark)
}

func (c Credential) empty() bool { return c.Username == "" && c.Secret == "" }

// Token is a bearer token for scripts.
type Token struct {
	// Value is the token. It is a secret.
	Value string
	// ExpiresIn is the token's lifetime: 60 s when the server sent none (distribution's
	// token specification).
	ExpiresIn time.Duration
}

// Format prints a placeholder, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redact.Mark) }

// failure is an error with its outcome. Every verification that does not succeed ends in
// one.
type failure struct {
	outcome         Outcome
	message, detail string
	advice          Advice
	suggested       string
}

func (f *failure) Error() string { return f.message }

func (f *failure) result() Result {
	return Result{Outcome: f.outcome, Message: f.message, Advice: f.advice, Suggested: f.suggested, Detail: f.detail}
}
