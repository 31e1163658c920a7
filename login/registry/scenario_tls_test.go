package registry

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// tlsScenarios are certificates of all kinds, and none.
func tlsScenarios() []scenario {
	signed := func(until time.Duration, names ...string) func(*stage) {
		return func(st *stage) {
			pair, certPEM, _ := selfSigned(st.t, time.Now().Add(until), names...)
			st.tls = &tls.Config{Certificates: []tls.Certificate{pair}}
			st.opt.CAFile = writeFile(st.t, "own.pem", certPEM)
		}
	}
	mutual := func(version uint16, given bool) func(*stage) {
		return func(st *stage) {
			_, certPEM, keyPEM := selfSigned(st.t, time.Now().Add(time.Hour), "alice")
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(certPEM)
			st.tls.ClientAuth, st.tls.ClientCAs, st.tls.MaxVersion = tls.RequireAndVerifyClientCert, pool, version
			if given {
				st.opt.CertFile, st.opt.KeyFile = writeFile(st.t, "c.pem", certPEM), writeFile(st.t, "k.pem", keyPEM)
			}
		}
	}
	stranger := func(st *stage) {
		_, certPEM, _ := selfSigned(st.t, time.Now().Add(time.Hour), "other.example")
		st.opt.CAFile = writeFile(st.t, "other.pem", certPEM)
	}
	const (
		unknown  = "the certificate is signed by an unknown authority"
		caHint   = "trust the registry's CA with --ca-file FILE"
		certHint = "give it one with --cert-file FILE --key-file FILE"
		refused  = "the server asks for a client certificate, and refused the connection without one"
		noTLS    = "the server speaks plain http, not https"
		httpHint = "if that is meant: --plain-http"
	)
	b := asksBasic(nil)
	return []scenario{
		{name: "unknown authority", reg: b, before: stranger, transport: "-", want: TLS, message: unknown, hint: caHint},
		{name: "unknown authority on loopback", loopback: true, reg: b, before: stranger, transport: "-", want: TLS, message: unknown, hint: caHint},
		{name: "unknown authority, insecure", reg: b, before: stranger, opt: Options{Insecure: true}, transport: "https-insecure", scheme: "basic", want: Verified, message: accepted, asked: basic2},
		{name: "a CA of its own", reg: b, before: signed(time.Hour, "reg.example"), scheme: "basic", want: Verified, message: accepted, asked: basic2},
		{name: "a certificate that expired", reg: b, before: signed(-time.Hour, "reg.example"), transport: "-", want: TLS, message: "the certificate has expired or is not yet valid", hint: "have the certificate renewed and check this machine's clock; --insecure goes on without verification"},
		{name: "a certificate of the future", reg: b, before: signed(96*time.Hour, "reg.example"), transport: "-", want: TLS, message: "the certificate has expired or is not yet valid", hint: "have the certificate renewed and check this machine's clock; --insecure goes on without verification"},
		{name: "a certificate for another name", reg: b, before: signed(time.Hour, "elsewhere.example"), transport: "-", want: TLS, message: "the certificate is for another name (elsewhere.example)", hint: "use a name the certificate is for, or --ca-file FILE with the right CA if it was put in the way, or --insecure"},
		{name: "a certificate for another name, insecure", reg: b, before: signed(time.Hour, "elsewhere.example"), opt: Options{Insecure: true}, transport: "https-insecure", scheme: "basic", want: Verified, message: accepted, asked: basic2},
		{name: "a client certificate is missing", reg: b, before: mutual(tls.VersionTLS13, false), transport: "-", want: TLS, message: refused, hint: certHint},
		{name: "a client certificate is missing (TLS 1.2)", reg: b, before: mutual(tls.VersionTLS12, false), transport: "-", want: TLS, message: refused, hint: certHint},
		{name: "a client certificate", reg: b, before: mutual(tls.VersionTLS13, true), scheme: "basic", want: Verified, message: accepted, asked: basic2},
		{name: "a token server of an unknown authority", reg: b, auth: gives(nil), before: stranger, at: map[string]string{"reg": "203.0.113.9"}, transport: "-", want: TLS, message: unknown, hint: caHint},
		{name: "a token server of an unknown authority, insecure", reg: asksBearer(nil), auth: gives(nil), before: stranger, opt: Options{Insecure: true}, transport: "https-insecure", scheme: "bearer", want: TLS, message: "the token server auth.example: " + unknown, hint: "trust its CA with --ca-file FILE; --insecure is for the registry's own host alone", asked: ping},
		{name: "a token server at another port of the registry, insecure", reg: moveTo("/token", gives(nil), asks(nil, `Bearer realm="https://reg.example:5001/token",service="fake"`)), before: stranger, opt: Options{Insecure: true}, transport: "https-insecure", scheme: "bearer", want: Verified, message: accepted, asked: ping + "; reg GET /token?account=alice&service=fake basic; reg GET /v2/ bearer"},
		{name: "a redirect to an unknown authority, insecure", reg: moves("/v2/", "https://other.example/v2/", 302, false, b), other: b, before: stranger, opt: Options{Insecure: true}, transport: "-", want: TLS, message: unknown, hint: "trust its CA with --ca-file FILE; --insecure is for the registry's own host alone", asked: ping},
		{name: "TLS of the past", reg: b, before: func(st *stage) { st.tls.MinVersion, st.tls.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, transport: "-", want: TLS, message: "the server refused the TLS connection (protocol version not supported)", hint: "if it wants a client certificate: --cert-file FILE --key-file FILE"},
		{name: "plain http unasked", host: "plain.example", plain: b, transport: "-", want: TLS, message: noTLS, hint: httpHint},
		{name: "plain http unasked, insecure", host: "plain.example", plain: b, opt: Options{Insecure: true}, transport: "-", want: TLS, message: noTLS, hint: httpHint},
		{name: "plain http asked for", noTLS: true, reg: b, scheme: "basic", want: Verified, message: accepted, asked: basic2},
		{name: "plain http on loopback", noTLS: true, loopback: true, reg: b, scheme: "basic", want: Verified, message: accepted, asked: basic2},
		{name: "plain http with a plain token server", noTLS: true, reg: asks(nil, `Bearer realm="http://auth.example/token",service="fake"`), auth: gives(nil), scheme: "bearer", want: Verified, message: accepted, asked: proof3},
		{name: "https asked plainly", reg: b, opt: Options{PlainHTTP: true}, transport: "http", want: Protocol, message: "the registry answered 400 Bad Request", hint: "if the server wants https, leave out --plain-http"},
		{name: "an IPv6 literal", host: "[2001:db8::1]", reg: b, scheme: "basic", want: Verified, message: accepted, asked: basic2},
		{name: "an IPv6 literal with a port", host: "[2001:DB8::1]:5000", reg: b, scheme: "basic", want: Verified, message: accepted, asked: basic2},
	}
}

// rawScenarios are servers that do not speak HTTP.
func rawScenarios() []scenario {
	const not, closed = "the answer is not HTTP", "the connection was closed without an answer"
	group := []scenario{
		{name: "SSH", raw: "SSH-2.0-OpenSSH_9.2\r\n", first: true, message: not},
		{name: "SSH asked by TLS", raw: "SSH-2.0-OpenSSH_9.2\r\n", first: true, message: "the server does not speak TLS", hint: "if it speaks plain http: --plain-http", want: TLS},
		{name: "a mail server on loopback", raw: "220 mail.example ESMTP\r\n", first: true, loopback: true, message: not},
		{name: "nonsense", raw: "\x00\x01\x02\x03\n\n", message: not},
		{name: "a closed connection", raw: "\x00", want: Unreachable, message: closed},
		{name: "half a header", raw: "HTTP/1.1 200 OK\r\nContent-", message: not},
		{name: "a page without a header", raw: "<html>hello</html>", message: not},
		{name: "a length that is none", raw: "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", message: not},
		{name: "an odd encoding", raw: "HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: odd\r\n\r\n", message: not},
	}
	for i := range group {
		group[i].transport, group[i].noTLS = "-", group[i].name != "SSH asked by TLS"
		if group[i].want == "" {
			group[i].want = Protocol
		}
	}
	return group
}
