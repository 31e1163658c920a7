package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"regshape/store/printable"
)

// explain turns an error of a request into an outcome and a message. The message never
// quotes the whole error: net/http puts remote bytes into its own.
func (s *session) explain(ctx context.Context, err error) *failure {
	var f *failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(context.Cause(ctx), errOutOfTime):
		return &failure{outcome: Unreachable, message: "no response within " + s.c.opt.Timeout.String()}
	case errors.Is(ctx.Err(), context.Canceled):
		return &failure{outcome: Unreachable, message: "interrupted"}
	case s.router.serverSpokeFirst.Load():
		return notHTTP
	}
	f = classify(err)
	if silent := s.router.certRequested.Load(); silent != nil && (silent != refusedClientCert || f.outcome == Unreachable) {
		return silent
	}
	return f
}

// failed is explain for a request to u. The options that relax checks are for the registry's
// host only, so the advice for another server is different.
func (s *session) failed(ctx context.Context, u *url.URL, err error) *failure {
	f := *s.explain(ctx, err)
	if errors.Is(err, errRefused) {
		f.message = origin(u) + ": " + f.message
	}
	if f.outcome == TLS && (s.router.issuer || !strings.EqualFold(u.Hostname(), s.base.Hostname())) {
		f.advice = adviceElsewhere(f.advice, s.c.opt.Insecure)
	}
	return &f
}

// adviceElsewhere is the advice about a server other than the registry.
func adviceElsewhere(a Advice, insecure bool) Advice {
	switch a {
	case TrustCA, FixCertificate:
		if insecure {
			return InsecureElsewhere
		}
		return TrustOtherCA
	case FixName, RenewCertificate, ReissueCertificate:
		return ReplaceOtherCertificate
	case UpgradeTLS, TrustOtherCA, FixProxy:
		return a
	}
	return ""
}

// classify is explain without a session: for timing lines, too.
func classify(err error) *failure {
	f := classifyTLS(err)
	if f == nil {
		f = classifyOther(err)
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != proxyConnect && op.Op != socksConnect {
		return f
	}
	out := *f
	out.message, out.advice = "the proxy: "+f.message, FixProxy
	if f.advice == TrustCA {
		out.advice = TrustOtherCA
	}
	return &out
}

// What net/http calls a failure to connect to an HTTP proxy, and a refusal of a SOCKS one.
const (
	proxyConnect = "proxyconnect"
	socksConnect = "socks connect"
)

// What Windows says instead of ECONNRESET and ECONNREFUSED; elsewhere nothing has these numbers.
const wsaReset, wsaRefused = syscall.Errno(10054), syscall.Errno(10061)

func classifyOther(err error) *failure {
	var (
		f   *failure
		z   *addressError
		dns *net.DNSError
		no  syscall.Errno
		out = &failure{outcome: Unreachable, message: "the connection was lost"}
	)
	text := err.Error()
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &z):
		return &failure{outcome: Protocol, message: "the address was refused: " + z.why, advice: z.advice}
	case errors.Is(err, context.Canceled):
		out.message = "interrupted"
	case errors.As(err, &dns) && dns.IsNotFound:
		out.message = "no such host"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), timedOut(err):
		out.message = "no response in time"
	case errors.As(err, &dns):
		out.message = "the name server did not respond"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, wsaRefused):
		out.message = "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, wsaReset):
		out.message = "connection reset"
	case errors.As(err, &no):
		// The texts of the operating system hold nothing from the network.
		out.message = no.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		out.message = "the connection was closed without a response"
	case strings.Contains(text, "headers exceeded"), strings.Contains(text, "header list larger"):
		return &failure{outcome: Protocol, message: "the response headers are too long"}
	case strings.Contains(text, "COMPRESSION_ERROR"):
		// HTTP/2 fails like this at one field beyond the limit, too.
		return &failure{outcome: Protocol, message: "the response headers are too long or malformed"}
	case strings.Contains(text, "malformed"), strings.Contains(text, "http2: "), strings.Contains(text, "net/http: HTTP/1.x"),
		strings.Contains(text, "too many 1xx"), strings.Contains(text, "bad Content-Length"),
		strings.Contains(text, "invalid header"), strings.Contains(text, "transfer encoding"), strings.Contains(text, "PROTOCOL_ERROR"):
		// net/http has no types for these.
		return notHTTP
	}
	return out
}

// What a server that asked for a client certificate did not answer to: none, since there is none
// or it named other authorities; and one. Since TLS 1.3 the alert comes after the handshake, and
// may be lost to the reset that follows it.
var (
	noClientCert = &failure{
		outcome: TLS, message: "the server asks for a client certificate, and refused the connection without one",
		advice: GiveClientCert,
	}
	otherClientCert = &failure{
		outcome: TLS, message: "the server accepts no client certificate of this authority, and refused the connection without one",
		advice: ReplaceClientCert,
	}
	refusedClientCert = &failure{
		outcome: TLS, message: "the server closed the connection when it got the client certificate",
		advice: ReplaceClientCert,
	}
)

// notHTTP is a response of another protocol.
var notHTTP = &failure{outcome: Protocol, message: "the response is not HTTP", advice: CheckName}

func timedOut(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// classifyTLS recognises TLS errors; nil means that it is another one.
func classifyTLS(err error) *failure {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		op        *net.OpError
		out       = &failure{outcome: TLS}
	)
	switch text := err.Error(); {
	case errors.As(err, &authority):
		out.message = "the certificate is signed by an unknown authority"
		out.advice = TrustCA
	case errors.As(err, &name) && !hasAltNames(name.Certificate):
		out.message = "the certificate has no subjectAltName, and a common name alone does not count"
		out.advice = ReissueCertificate
	case errors.As(err, &name):
		out.message = "the certificate is for another name" + certNames(name.Certificate)
		out.advice = FixName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		out.message = "the certificate has expired or is not yet valid"
		out.advice = RenewCertificate
	case errors.As(err, &invalid), errors.As(err, &verify):
		out.message = "the certificate is not valid"
		out.advice = FixCertificate
	case errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/", errors.Is(err, http.ErrSchemeMismatch):
		out.message = "the server speaks plain http, not https"
		out.advice = AllowHTTP
	case errors.As(err, &record):
		out.message = "the server does not speak TLS"
		out.advice = MaybeHTTP
	case errors.As(err, &op) && op.Op == "remote error":
		// An alert; its text is from the TLS library's own table.
		alert := printable.Line(strings.TrimPrefix(op.Err.Error(), "tls: "), 80)
		switch {
		case alert == "protocol version not supported":
			return oldTLS
		case slices.Contains(certAlerts, alert):
			out.message, out.advice = "the server refused the client certificate ("+alert+")", ReplaceClientCert
		default:
			out.message, out.advice = "the server refused the TLS connection ("+alert+")", MaybeClientCert
		}
	case strings.HasPrefix(text, "tls: server selected unsupported protocol version"):
		return oldTLS
	case strings.Contains(text, "tls: ") && !strings.Contains(text, "malformed"):
		out.message = "the TLS connection failed"
	default:
		return nil
	}
	return out
}

// oldTLS is a server that has only versions that RFC 8996 forbids. It says so in an alert, or, if
// it is older than 1.2 itself, selects one that was not offered.
var oldTLS = &failure{
	outcome: TLS, message: "the server's TLS protocol version is too old: it has none from 1.2 on",
	advice: UpgradeTLS,
}

// certAlerts are the alerts about a certificate (RFC 8446 §6.2), which from a server is the
// client's.
var certAlerts = []string{
	"bad certificate", "unsupported certificate", "revoked certificate", "expired certificate", "unknown certificate",
	"unknown certificate authority",
}

// speaksTLS reports whether a failed handshake shows that the server does speak TLS, so that
// trying http instead would be a downgrade.
func speaksTLS(err error) bool {
	return classifyTLS(err) != nil && !errors.As(err, new(tls.RecordHeaderError))
}

// hasAltNames reports whether a certificate has a subjectAltName (RFC 5280 §4.2.1.6), which
// alone counts (RFC 9525 §6.3).
func hasAltNames(c *x509.Certificate) bool {
	return c == nil || slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.String() == "2.5.29.17" })
}

func certNames(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + printable.Line(strings.Join(names, ", "), 80) + ")"
}

// theRegistry is who answers, in a message, unless it is a token server or an issuer.
const theRegistry = "the registry"

// statusFailure turns a status that says nothing about the credential into a failure; who is
// theRegistry, or another server with its host.
func (s *session) statusFailure(res *response, who string) *failure {
	detail := s.detail(res)
	f := &failure{outcome: Protocol, message: who + " answered " + statusText(res.status), detail: detail}
	switch {
	case res.status == http.StatusProxyAuthRequired:
		return proxyAnswer(res.status)
	case res.status == http.StatusTooManyRequests:
		f.outcome, f.message = Throttled, "too many requests"
		if wait, ok := retryAfter(res.header, s.c.now()); ok && wait > 0 {
			f.message += "; " + who + " asks to wait " + strconv.Itoa(int(wait.Seconds())) + " s"
		}
		return f
	case res.status >= 500:
		f.outcome = Unreachable
	case res.status == http.StatusBadRequest && s.base.Scheme == "http":
		// What TLS servers respond to plain http.
		f.advice = MaybeHTTPS
	case res.status == http.StatusBadRequest && who == theRegistry && res.isHTML():
		// What nginx responds without a client certificate; a registry's own answer is JSON.
		f.advice = MaybeClientCert
	}
	if detail != "" {
		f.message += ": " + detail
	}
	return f
}

// proxyAnswer is a status of the proxy's own: to CONNECT, or 407, which only proxies send (RFC
// 9110 §15.5.8). The registry was not reached, so this is Unreachable.
func proxyAnswer(status int) *failure {
	f := &failure{outcome: Unreachable, message: "the proxy answered " + statusText(status), advice: FixProxy}
	if status == http.StatusProxyAuthRequired {
		f.advice = ProxyLogin
	}
	return f
}

// detail is the server's reason: the distribution specification's errors, OAuth2's error
// (RFC 6749 §5.2), the usual single fields, or plain text.
func (s *session) detail(res *response) string {
	var body struct {
		Errors []struct {
			Code, Message string
		}
		Error       any
		Description string `json:"error_description"`
		Message     string
		Details     any
	}
	text := ""
	kind, _, _ := mime.ParseMediaType(res.header.Get("Content-Type"))
	// A field of an unexpected type leaves the others intact.
	if err := json.Unmarshal(res.body, &body); err == nil || errors.As(err, new(*json.UnmarshalTypeError)) {
		for _, e := range body.Errors {
			text = first(text, e.Message, e.Code)
		}
		code, _ := body.Error.(string)
		details, _ := body.Details.(string)
		text = first(text, body.Description, body.Message, details, code)
	} else if kind == "text/plain" {
		text = string(res.body)
	}
	return printable.Line(s.secrets.Redact(text), 200)
}

func first(texts ...string) string {
	for _, t := range texts {
		if strings.TrimSpace(t) != "" {
			return t
		}
	}
	return ""
}
