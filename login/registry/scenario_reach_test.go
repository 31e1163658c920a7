package registry

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// moveTo answers one path with a handler of its own.
func moveTo(path string, h, otherwise handler) handler {
	return func(st *stage, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			h(st, w, r)
			return
		}
		otherwise(st, w, r)
	}
}

// closes makes every request a connection of its own.
func closes(h handler) handler {
	return func(st *stage, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		h(st, w, r)
	}
}

// tunnels is a CONNECT proxy, which knows far.example as the registry and auth.example as
// the token server, and answers plain requests as the registry would.
func tunnels(st *stage, w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		st.sc.reg(st, w, r)
		return
	}
	role := "reg"
	if strings.HasPrefix(r.Host, "far-auth.") {
		role = "auth"
	}
	out, err := net.Dial("tcp", st.listener(role).Addr().String())
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	conn, _, _ := http.NewResponseController(w).Hijack()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(out, conn); _ = out.Close() }()
	go func() { _, _ = io.Copy(conn, out); _ = conn.Close() }()
}

// hangsUp says something that need not be HTTP, and is gone; with hears after it has heard more.
func hangsUp(last string, hears bool) handler {
	return func(_ *stage, w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		_, _ = io.WriteString(conn, last)
		if hears {
			_, _ = conn.Read(make([]byte, 4096))
		}
		_ = conn.Close()
	}
}

// lends is tunnels for the registry alone.
func lends(status int) handler {
	return func(st *stage, w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, "far-auth.") {
			w.WriteHeader(status)
			return
		}
		tunnels(st, w, r)
	}
}

// proxyScenarios have HTTPS_PROXY and HTTP_PROXY set, with a password, and NO_PROXY for
// all but far.example and far-auth.example. The proxy sits on loopback, which must not
// be held against the registry: the literal host of the realm is judged.
func proxyScenarios() []scenario {
	const (
		connect = "proxy CONNECT far.example:443; "
		login   = "the proxy answered 407 Proxy Authentication Required"
	)
	realm := func(host string) handler { return asks(nil, `Bearer realm="https://`+host+`/token",service="fake"`) }
	group := []scenario{
		{name: "proxy", reg: asksBasic(nil), proxy: tunnels, want: Verified, message: accepted, asked: connect + basic2},
		{name: "proxy to the token server, too", reg: realm("far-auth.example"), auth: gives(nil), proxy: tunnels, want: Verified, message: accepted, asked: connect + ping + "; proxy CONNECT far-auth.example:443; auth GET /token?account=alice&service=fake basic; reg GET /v2/ bearer"},
		{name: "proxy, but not to the token server", reg: realm("auth.example"), auth: gives(nil), proxy: tunnels, want: Verified, message: accepted, asked: connect + proof3},
		{name: "proxy for plain http", noTLS: true, reg: asksBasic(nil), proxy: tunnels, want: Verified, message: accepted, asked: "proxy GET http://far.example/v2/; proxy GET http://far.example/v2/ basic"},
		{name: "proxy that wants a login", reg: asksBasic(nil), proxy: says(407, "px:proxy-canary", "Content-Type: text/plain"), transport: "-", want: Unreachable, message: login, advice: ProxyLogin, asked: "proxy CONNECT far.example:443"},
		{name: "proxy that wants a login, plain http", noTLS: true, reg: asksBasic(nil), proxy: says(407, "px:proxy-canary", "Content-Type: text/plain"), want: Unreachable, message: login, advice: ProxyLogin, asked: "proxy GET http://far.example/v2/"},
		{name: "proxy that wants a login with a page, plain http", noTLS: true, reg: asksBasic(nil), proxy: says(407, "<html>", "Content-Type: text/html", `Proxy-Authenticate: Basic realm="x"`), want: Unreachable, message: login, advice: ProxyLogin, asked: "proxy GET http://far.example/v2/"},
		{name: "proxy that wants a login for the token server", reg: realm("far-auth.example"), auth: gives(nil), proxy: lends(407), want: Unreachable, message: "the token server far-auth.example: " + login, advice: ProxyLogin, asked: connect + ping + "; proxy CONNECT far-auth.example:443"},
		{name: "proxy that wants a login for the token server, plain http", noTLS: true, reg: asks(nil, `Bearer realm="http://far-auth.example/token",service="fake"`), proxy: lends(407), want: Unreachable, message: login, advice: ProxyLogin, asked: "proxy GET http://far.example/v2/; proxy GET http://far-auth.example/token?account=alice&service=fake basic"},
		{name: "proxy behind the proxy that wants a login", reg: says(407, ""), proxy: tunnels, want: Unreachable, message: login, advice: ProxyLogin, asked: connect + ping},
		{name: "proxy that forbids", reg: asksBasic(nil), proxy: says(403, ""), transport: "-", want: Unreachable, message: "the proxy answered 403 Forbidden", advice: FixProxy, asked: "proxy CONNECT far.example:443"},
		{name: "proxy that forbids the token server", reg: realm("far-auth.example"), auth: gives(nil), proxy: lends(403), want: Unreachable, message: "the token server far-auth.example: the proxy answered 403 Forbidden", advice: FixProxy, asked: connect + ping + "; proxy CONNECT far-auth.example:443"},
		{name: "proxy that finds nobody", reg: asksBasic(nil), proxy: says(502, ""), transport: "-", want: Unreachable, message: "the proxy answered 502 Bad Gateway", advice: FixProxy, asked: "proxy CONNECT far.example:443"},
		{name: "proxy that hangs up", reg: asksBasic(nil), proxy: hangsUp("", false), transport: "-", want: Unreachable, message: "the proxy: the connection was closed without a response", advice: FixProxy, asked: "proxy CONNECT far.example:443"},
		{name: "proxy that hangs up, plain http", noTLS: true, reg: asksBasic(nil), proxy: hangsUp("", false), transport: "-", want: Unreachable, message: "the proxy: the connection was closed without a response", advice: FixProxy, asked: "proxy GET http://far.example/v2/"},
		{name: "proxy that does not speak HTTP", reg: asksBasic(nil), proxy: hangsUp("no\r\n\r\n", false), transport: "-", want: Protocol, message: "the proxy: the response is not HTTP", advice: FixProxy, asked: "proxy CONNECT far.example:443"},
		{name: "proxy to a registry that hangs up", proxy: hangsUp("HTTP/1.1 200 OK\r\n\r\n", true), transport: "-", want: Unreachable, message: "the connection was closed without a response", asked: "proxy CONNECT far.example:443"},
		{name: "proxy that is not there", reg: asksBasic(nil), transport: "-", want: Unreachable, message: "the proxy: connection refused", advice: FixProxy},
	}
	group[len(group)-1].before = func(st *stage) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			st.t.Fatal(err)
		}
		st.gone = l
		_ = l.Close()
	}
	for name, host := range map[string]string{
		"IPv6 loopback": "[::1]", "metadata": "169.254.169.254", "odd name of loopback": "x.far.localhost.",
		"number": "2130706433", "hexadecimal number": "0x7f.1",
		"metadata name": "metadata.google.internal", "metadata address of IPv6": "[fd00:ec2::254]", "metadata address behind a translator": "[64:ff9b::a9fe:a9fe]",
	} {
		zone := "it is at a loopback address and the registry is not"
		switch {
		case strings.HasPrefix(name, "metadata"):
			zone = "it is at a cloud metadata address and the registry is not"
		case strings.HasSuffix(name, "number"):
			zone = "its host name is not in a standard notation"
		}
		sc := scenario{
			name: "proxy, realm at a " + name, reg: realm(host), proxy: tunnels, want: Protocol,
			message: "https://" + host + ": the address was refused: " + zone, asked: connect + ping,
		}
		group = append(group, sc)
	}
	for i := range group {
		group[i].host = "far.example"
		group[i].at = map[string]string{"proxy": "127.0.0.1"}
	}
	return group
}

// realmScenarios are registries that send us to a token server, each at an address.
func realmScenarios() []scenario {
	const refused = "https://auth.example: the address was refused: it is at a %s address and the registry is not"
	var group []scenario
	for _, tt := range []struct{ name, reg, auth, zone string }{
		{"public", "203.0.113.1", "203.0.113.2", ""},
		{"private", "203.0.113.1", "10.1.2.3", ""},
		{"loopback, as the registry", "127.0.0.1", "127.0.0.2", ""},
		{"loopback over IPv6, as the registry", "127.0.0.1", "::1", ""},
		{"link-local, as the registry", "169.254.1.1", "169.254.1.2", ""},
		{"loopback", "203.0.113.1", "127.0.0.1", "loopback"},
		{"loopback as mapped IPv4", "203.0.113.1", "::ffff:127.0.0.1", "loopback"},
		{"loopback from a private network", "10.0.0.1", "::1", "loopback"},
		{"unspecified", "203.0.113.1", "0.0.0.0", "loopback"},
		{"link-local", "203.0.113.1", "169.254.7.7", "link-local"},
		{"link-local over IPv6", "10.0.0.1", "fe80::1", "link-local"},
		{"metadata", "203.0.113.1", "169.254.169.254", "cloud metadata"},
		{"metadata from link-local", "169.254.1.1", "169.254.169.254", "cloud metadata"},
		{"metadata from loopback", "127.0.0.1", "fd00:ec2::254", "cloud metadata"},
		{"metadata of another cloud", "203.0.113.1", "100.100.100.200", "cloud metadata"},
		{"metadata over 6to4", "10.0.0.1", "2002:a9fe:a9fe::", "cloud metadata"},
	} {
		sc := scenario{
			name: "realm: " + tt.name, reg: asksBearer(nil), auth: gives(nil), at: map[string]string{"reg": tt.reg, "auth": tt.auth},
			want: Verified, message: accepted, asked: proof3,
		}
		if tt.zone != "" {
			sc.want, sc.message, sc.asked = Protocol, fmt.Sprintf(refused, tt.zone), ping
		}
		group = append(group, sc)
	}
	const noURL = "the token realm is not an http or https URL"
	for name, tt := range map[string]struct{ realm, message string }{
		"plain http under https": {"http://auth.example/token", "the token realm http://auth.example is plain http though the registry is https; nothing was sent to it"},
		"with a user name":       {"https://a:b@auth.example/token", "the token realm at auth.example carries a user name and was refused"},
		"relative":               {"/token", noURL},
		"without a scheme":       {"//auth.example/token", noURL},
		"another scheme":         {"file:///etc/passwd", noURL},
		"without a host":         {"https://:443/token", noURL},
		"not a URL":              {"https://auth.example:port/%zz", noURL},
		"an escape":              {`https://auth.example%1b/`, noURL},
		"a port beyond all":      {"https://auth.example:65536/token", noURL},
		"blanks around it":       {" https://auth.example/token ", noURL},
		"a name for people":      {"Registry Realm", noURL},
	} {
		bearer := `Bearer realm="` + tt.realm + `",service="fake"`
		group = append(group, scenario{
			name: "realm: " + name, reg: asks(nil, bearer), auth: gives(nil),
			want: Protocol, message: tt.message, asked: ping,
		})
		// A realm that nobody can ask gives way to Basic; one that was refused does not.
		for how, challenges := range map[string][]string{
			"Basic before":               {`Basic realm="x"`, bearer},
			"Basic behind":               {bearer, `Basic realm="x"`},
			"Basic before in one header": {`BASIC realm="x", ` + bearer},
			"Basic behind in one header": {bearer + `, basic realm="x"`},
			"Basic among others":         {"Negotiate", bearer, `Digest realm="y", nonce="z"`, "NTLM abc==", `Basic realm="a \"b\", c"`},
		} {
			sc := scenario{
				name: "realm: " + name + ", " + how, reg: asks(nil, challenges...), auth: gives(nil),
				want: Protocol, message: tt.message, asked: ping,
			}
			if tt.message == noURL {
				sc.want, sc.message, sc.asked = Verified, accepted, basic2
			}
			group = append(group, sc)
		}
		if tt.message == noURL {
			group = append(group, scenario{
				name: "realm: " + name + ", another Bearer behind", reg: asks(nil, `Basic realm="x", `+bearer, bearerTo), auth: gives(nil),
				want: Verified, message: accepted, asked: proof3,
			})
		}
	}
	group = append(group, rebindingScenarios()...)
	return append(group,
		scenario{
			name: "realm: at the registry itself", reg: moveTo("/token", gives(nil), asks(nil, `Bearer realm="https://reg.example/token?a=b#c",service="fake"`)),
			at: map[string]string{"reg": "127.0.0.1"}, want: Verified, message: accepted,
			asked: ping + "; reg GET /token?a=b&account=alice&service=fake basic; reg GET /v2/ bearer",
		},
		scenario{
			// The name server gives a public address first and loopback after: each
			// connection is judged by the address that it is made to.
			name: "realm: DNS rebinding", reg: asksBearer(nil), auth: closes(says(503, "")), at: map[string]string{"auth": "203.0.113.2,127.0.0.1"},
			want: Protocol, message: fmt.Sprintf(refused, "loopback"), asked: getTok + "; wait 250ms",
		},
		scenario{
			name: "realm: localhost by the real name server", auth: gives(nil), reg: func(st *stage, w http.ResponseWriter, r *http.Request) {
				asks(nil, `Bearer realm="https://localhost`+st.authPort()+`/token",service="fake"`)(st, w, r)
			},
			want: Protocol, asked: ping,
			message: "https://localhost:PORT: the address was refused: it is at a loopback address and the registry is not",
		},
		scenario{
			name: "realm: at a refused address, Basic beside", reg: asks(nil, `Basic realm="x"`, bearerTo), auth: gives(nil), at: map[string]string{"auth": "127.0.0.1"},
			want: Protocol, message: fmt.Sprintf(refused, "loopback"), asked: ping,
		},
		scenario{
			name: "realm: no such host, Basic beside", reg: asks(nil, `Bearer realm="https://nowhere.example/token"`, `Basic realm="x"`),
			want: Unreachable, message: "the token server nowhere.example: no such host", asked: ping,
		},
		scenario{
			name: "realm: no such host", reg: asks(nil, `Bearer realm="https://nowhere.example/token"`),
			want: Unreachable, message: "the token server nowhere.example: no such host", asked: ping,
		},
	)
}

// rebindingScenarios are registries whose own name leads elsewhere from the second
// connection on. Every connection carries one request.
func rebindingScenarios() []scenario {
	const was = "https://reg.example: the address was refused: it is at a %s address and was not before"
	basic := closes(asksBasic(nil))
	at := func(addresses string) map[string]string { return map[string]string{"reg": addresses} }
	var group []scenario
	for _, tt := range []struct{ to, zone string }{
		{"127.0.0.1", "loopback"}, {"::1", "loopback"}, {"169.254.169.254", "cloud metadata"}, {"169.254.1.1", "link-local"}, {"2002:7f00:1::", "loopback"},
	} {
		group = append(group, scenario{
			name: "rebinding: to " + tt.to, reg: basic, at: at("203.0.113.1," + tt.to),
			want: Protocol, message: fmt.Sprintf(was, tt.zone), asked: ping,
		})
	}
	return append(group,
		scenario{
			name: "rebinding: over plain http", noTLS: true, reg: basic, at: at("203.0.113.1,127.0.0.1"), want: Protocol,
			message: "http://reg.example: the address was refused: it is at a loopback address and was not before", asked: ping,
		},
		scenario{
			// Its answer would become a token, and be sent on.
			name: "rebinding: of a realm at the registry itself", noTLS: true, at: at("203.0.113.1,169.254.169.254"), want: Protocol,
			reg:     moveTo("/token", closes(gives(nil)), closes(asks(nil, `Bearer realm="http://reg.example/token",service="fake"`))),
			message: "http://reg.example: the address was refused: it is at a cloud metadata address and was not before", asked: ping,
		},
		scenario{
			name: "rebinding: before the token is shown", reg: closes(asksBearer(nil)), auth: gives(nil), at: at("203.0.113.1,127.0.0.1"),
			want: Protocol, message: fmt.Sprintf(was, "loopback"), asked: getTok,
		},
		scenario{
			name: "rebinding: of a redirect to the registry itself", reg: closes(moves("/v2/", "/moved", 302, false, asksBasic(nil))), at: at("203.0.113.1,127.0.0.1"),
			transport: "-", want: Protocol, message: fmt.Sprintf(was, "loopback"), asked: ping,
		},
		scenario{
			name: "rebinding: before a retry", reg: closes(says(503, "")), at: at("203.0.113.1,127.0.0.1"),
			transport: "-", want: Protocol, message: fmt.Sprintf(was, "loopback"), asked: ping + "; wait 250ms",
		},
		scenario{
			name: "rebinding: away from loopback", reg: basic, at: at("127.0.0.1,203.0.113.1"),
			want: Protocol, message: "https://reg.example: the address was refused: it was at a loopback address before and no longer is", asked: ping,
		},
		scenario{
			name: "rebinding: within the open network", reg: basic, at: at("203.0.113.1,10.0.0.1"),
			want: Verified, message: accepted, asked: basic2,
		},
	)
}

// moves redirects requests for a path, those with a credential or those without, and
// answers the others as then does.
func moves(path, to string, code int, withAuth bool, then handler) handler {
	return func(st *stage, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path && withAuth == (r.Header.Get("Authorization") != "" || r.Method == http.MethodPost) {
			if to != "" {
				w.Header().Set("Location", to)
			}
			w.WriteHeader(code)
			return
		}
		then(st, w, r)
	}
}

// redirectScenarios are redirects of each request of a login.
func redirectScenarios() []scenario {
	const (
		refresh = ping + "; auth POST /token refresh_token?client_id=regshape&grant_type=refresh_token&service=fake"
		moved   = "; auth POST /moved refresh_token?client_id=regshape&grant_type=refresh_token&service=fake"
		secret  = "; the credential was not sent there"
	)
	b, tok := asksBasic(nil), gives(nil)
	group := []scenario{
		{name: "ping to another path", reg: moves("/v2/", "/moved", 301, false, b), want: Verified, message: accepted, asked: "reg GET /v2/; reg GET /moved; reg GET /v2/ basic"},
		{name: "password to another path", reg: moves("/v2/", "/moved", 302, true, b), want: Verified, message: accepted, asked: basic2 + "; reg GET /moved basic"},
		{name: "password to the same origin by name and port", reg: moves("/v2/", "https://REG.example:443/moved", 307, true, b), want: Verified, message: accepted, asked: basic2 + "; reg GET /moved basic"},
		{name: "ping to another registry", reg: moves("/v2/", "https://other.example/v2/", 302, false, b), other: b, want: Protocol, message: "the registry redirects to https://other.example, which wants its own login", advice: OtherRegistry, suggested: "other.example", asked: ping + "; other GET /v2/"},
		{name: "ping to an open registry", reg: moves("/v2/", "https://other.example/v2/", 302, false, b), other: says(200, ""), want: Unverified, message: "the registry did not ask for a credential", asked: ping + "; other GET /v2/"},
		{name: "password to another registry", reg: moves("/v2/", "https://other.example/v2/", 302, true, b), other: b, want: Protocol, message: "https://reg.example redirects to https://other.example" + secret, advice: OtherRegistry, suggested: "other.example", asked: basic2},
		{name: "password to another port", reg: moves("/v2/", "https://reg.example:8443/v2/", 308, true, b), want: Protocol, message: "https://reg.example redirects to https://reg.example:8443" + secret, advice: OtherRegistry, suggested: "reg.example:8443", asked: basic2},
		{name: "token to another registry", reg: moves("/v2/", "https://other.example/v2/", 307, true, asksBearer(nil)), auth: tok, other: b, want: Protocol, message: "https://reg.example redirects to https://other.example" + secret, advice: OtherRegistry, suggested: "other.example", asked: proof3},
		{name: "ping to plain http", reg: moves("/v2/", "http://plain.example/v2/", 302, false, b), plain: b, transport: "-", want: Protocol, message: "the redirect from https://reg.example to plain http://plain.example was refused", asked: ping},
		{name: "password to plain http", reg: moves("/v2/", "http://reg.example/v2/", 302, true, b), want: Protocol, message: "the redirect from https://reg.example to plain http://reg.example was refused", asked: basic2},
		{name: "a loop", reg: moves("/v2/", "/v2/", 302, false, b), transport: "-", want: Protocol, message: "too many redirects from https://reg.example", asked: "reg GET /v2/; reg GET /v2/; reg GET /v2/; reg GET /v2/; reg GET /v2/; reg GET /v2/"},
		{name: "a redirect to nowhere", reg: moves("/v2/", "", 302, false, b), transport: "-", want: Protocol, message: "https://reg.example redirects without a usable Location", asked: ping},
		{name: "a redirect to a file", reg: moves("/v2/", "file:///etc/passwd", 302, false, b), transport: "-", want: Protocol, message: "https://reg.example redirects without a usable Location", asked: ping},
		{name: "a redirect inside", reg: moves("/v2/", "https://other.example/latest/meta-data", 302, false, b), other: b, at: map[string]string{"other": "169.254.169.254"}, transport: "-", want: Protocol, message: "https://other.example: the address was refused: it is at a cloud metadata address and the registry is not", asked: ping},
		{name: "the token server to another path", reg: asksBearer(nil), auth: moves("/token", "/moved", 307, true, tok), want: Verified, message: accepted, asked: getTok + "; auth GET /moved basic; reg GET /v2/ bearer"},
		{name: "the token server to another", reg: asksBearer(nil), auth: moves("/token", "https://other.example/token", 307, true, tok), other: tok, want: Protocol, message: "https://auth.example redirects to https://other.example" + secret, advice: OtherRegistry, suggested: "other.example", asked: getTok},
		{name: "the token server to plain http", reg: asksBearer(nil), auth: moves("/token", "http://plain.example/token", 307, true, tok), plain: tok, want: Protocol, message: "the redirect from https://auth.example to plain http://plain.example was refused", asked: getTok},
		{name: "POST with 307", reg: asksBearer(nil), auth: moves("/token", "/moved", 307, true, tok), cred: identity, want: Verified, message: accepted, asked: refresh + moved + "; reg GET /v2/ bearer"},
		{name: "POST with 308", reg: asksBearer(nil), auth: moves("/token", "/moved", 308, true, tok), cred: identity, want: Verified, message: accepted, asked: refresh + moved + "; reg GET /v2/ bearer"},
		{name: "POST with 302", reg: asksBearer(nil), auth: moves("/token", "/moved", 302, true, tok), cred: identity, want: Protocol, message: "the redirect of a token request at https://auth.example was refused", asked: refresh},
		{name: "POST with 307 to another", reg: asksBearer(nil), auth: moves("/token", "https://other.example/token", 307, true, tok), other: tok, cred: identity, want: Protocol, message: "https://auth.example redirects to https://other.example" + secret, advice: OtherRegistry, suggested: "other.example", asked: refresh},
		{name: "plain http to https at the same host", noTLS: true, reg: moves("/v2/", "https://reg.example/v2/", 301, true, b), want: Protocol, message: "http://reg.example redirects to https://reg.example" + secret, advice: UseHTTPS, asked: basic2},
	}
	return group
}

// tlsScenarios are certificates of all kinds, and none.
func tlsScenarios() []scenario {
	signed := func(until time.Duration, names ...string) func(*stage) {
		return func(st *stage) {
			pair, certPEM, _ := selfSigned(st.t, time.Now().Add(until), names...)
			st.tls = &tls.Config{Certificates: []tls.Certificate{pair}}
			st.opt.CAFile = writeFile(st.t, "own.pem", certPEM)
		}
	}
	// otherAuth has the token server alone be so.
	otherAuth := func(change func(*stage)) func(*stage) {
		return func(st *stage) {
			reg, caFile := st.tls, st.opt.CAFile
			st.tls = st.tls.Clone()
			change(st)
			st.authTLS, st.tls, st.opt.CAFile = st.tls, reg, caFile
		}
	}
	mutual := func(version uint16, until time.Duration, given bool) func(*stage) {
		return func(st *stage) {
			_, certPEM, keyPEM := selfSigned(st.t, time.Now().Add(until), "alice")
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
		unknown = "the certificate is signed by an unknown authority"
		refused = "the server asks for a client certificate, and refused the connection without one"
		noTLS   = "the server speaks plain http, not https"
		noSAN   = "the certificate has no subjectAltName, and a common name alone does not count"
		old     = "the server's TLS protocol version is too old: it has none from 1.2 on"
		// What OpenSSL 0.9.8 answers: a ServerHello of TLS 1.0.
		oldHello = "\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01" + "01234567890123456789012345678901" + "\x00\x00\x2f\x00"
	)
	b := asksBasic(nil)
	return []scenario{
		{name: "unknown authority", reg: b, before: stranger, transport: "-", want: TLS, message: unknown, advice: TrustCA},
		{name: "unknown authority on loopback", loopback: true, reg: b, before: stranger, transport: "-", want: TLS, message: unknown, advice: TrustCA},
		{name: "unknown authority, insecure", reg: b, before: stranger, opt: Options{Insecure: true}, transport: "https-insecure", want: Verified, message: accepted, asked: basic2},
		{name: "a CA of its own", reg: b, before: signed(time.Hour, "reg.example"), want: Verified, message: accepted, asked: basic2},
		{name: "a certificate that expired", reg: b, before: signed(-time.Hour, "reg.example"), transport: "-", want: TLS, message: "the certificate has expired or is not yet valid", advice: RenewCertificate},
		{name: "a certificate of the future", reg: b, before: signed(96*time.Hour, "reg.example"), transport: "-", want: TLS, message: "the certificate has expired or is not yet valid", advice: RenewCertificate},
		{name: "a certificate for another name", reg: b, before: signed(time.Hour, "elsewhere.example"), transport: "-", want: TLS, message: "the certificate is for another name (elsewhere.example)", advice: FixName},
		{name: "a certificate for another name, insecure", reg: b, before: signed(time.Hour, "elsewhere.example"), opt: Options{Insecure: true}, transport: "https-insecure", want: Verified, message: accepted, asked: basic2},
		{name: "a client certificate is missing", reg: b, before: mutual(tls.VersionTLS13, time.Hour, false), transport: "-", want: TLS, message: refused, advice: GiveClientCert},
		{name: "a client certificate is missing (TLS 1.2)", reg: b, before: mutual(tls.VersionTLS12, time.Hour, false), transport: "-", want: TLS, message: refused, advice: GiveClientCert},
		{name: "a client certificate", reg: b, before: mutual(tls.VersionTLS13, time.Hour, true), want: Verified, message: accepted, asked: basic2},
		{name: "a client certificate that expired", reg: b, before: mutual(tls.VersionTLS12, -time.Hour, true), transport: "-", want: TLS, message: "the server refused the client certificate (expired certificate)", advice: ReplaceClientCert},
		{name: "a client certificate of another authority", reg: b, before: func(st *stage) {
			mutual(tls.VersionTLS13, time.Hour, false)(st)
			_, certPEM, keyPEM := selfSigned(st.t, time.Now().Add(time.Hour), "bob")
			st.opt.CertFile, st.opt.KeyFile = writeFile(st.t, "c.pem", certPEM), writeFile(st.t, "k.pem", keyPEM)
		}, transport: "-", want: TLS, message: "the server accepts no client certificate of this authority, and refused the connection without one", advice: ReplaceClientCert},
		{name: "a client certificate is missing at nginx", reg: says(400, "<html>", "Content-Type: text/html"), want: Protocol, message: "the registry answered 400 Bad Request", advice: MaybeClientCert, asked: ping},
		{name: "a token server of an unknown authority", reg: b, auth: gives(nil), before: stranger, at: map[string]string{"reg": "203.0.113.9"}, transport: "-", want: TLS, message: unknown, advice: TrustCA},
		{name: "a token server of an unknown authority, insecure", reg: asksBearer(nil), auth: gives(nil), before: stranger, opt: Options{Insecure: true}, transport: "https-insecure", want: TLS, message: "the token server auth.example: " + unknown, advice: InsecureElsewhere, asked: ping},
		{name: "a token server at another port of the registry, insecure", reg: moveTo("/token", gives(nil), asks(nil, `Bearer realm="https://reg.example:5001/token",service="fake"`)), before: stranger, opt: Options{Insecure: true}, transport: "https-insecure", want: Verified, message: accepted, asked: ping + "; reg GET /token?account=alice&service=fake basic; reg GET /v2/ bearer"},
		{name: "a redirect to an unknown authority, insecure", reg: moves("/v2/", "https://other.example/v2/", 302, false, b), other: b, before: stranger, opt: Options{Insecure: true}, transport: "-", want: TLS, message: unknown, advice: InsecureElsewhere, asked: ping},
		{name: "TLS of the past", reg: b, before: func(st *stage) { st.tls.MinVersion, st.tls.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, transport: "-", want: TLS, message: old, advice: UpgradeTLS},
		{name: "TLS of the past, insecure", reg: b, before: func(st *stage) { st.tls.MinVersion, st.tls.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }, opt: Options{Insecure: true}, transport: "-", want: TLS, message: old, advice: UpgradeTLS},
		{name: "TLS of the past at a server that knows no other", raw: oldHello, transport: "-", want: TLS, message: old, advice: UpgradeTLS},
		{name: "no common cipher", reg: b, before: func(st *stage) {
			st.tls.MaxVersion, st.tls.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		}, transport: "-", want: TLS, message: "the server refused the TLS connection (handshake failure)", advice: MaybeClientCert},
		{name: "a certificate without subjectAltName", reg: b, before: signed(time.Hour, "CN=reg.example"), transport: "-", want: TLS, message: noSAN, advice: ReissueCertificate},
		{name: "a certificate without subjectAltName for another name", reg: b, before: signed(time.Hour, "CN=elsewhere.example"), transport: "-", want: TLS, message: noSAN, advice: ReissueCertificate},
		{name: "a certificate without subjectAltName, insecure", reg: b, before: signed(time.Hour, "CN=reg.example"), opt: Options{Insecure: true}, transport: "https-insecure", want: Verified, message: accepted, asked: basic2},
		{name: "a certificate without subjectAltName that expired", reg: b, before: signed(-time.Hour, "CN=reg.example"), transport: "-", want: TLS, message: "the certificate has expired or is not yet valid", advice: RenewCertificate},
		{name: "a certificate for an address", reg: b, before: signed(time.Hour, "192.0.2.1"), transport: "-", want: TLS, message: "the certificate is for another name (192.0.2.1)", advice: FixName},
		{name: "a token server without subjectAltName", reg: asksBearer(nil), auth: gives(nil), before: otherAuth(signed(time.Hour, "CN=auth.example")), want: TLS, message: "the token server auth.example: " + noSAN, advice: ReplaceOtherCertificate, asked: ping},
		{name: "a token server whose certificate expired", reg: asksBearer(nil), auth: gives(nil), before: otherAuth(signed(-time.Hour, "auth.example")), want: TLS, message: "the token server auth.example: the certificate has expired or is not yet valid", advice: ReplaceOtherCertificate, asked: ping},
		{name: "a token server of the past", reg: asksBearer(nil), auth: gives(nil), before: otherAuth(func(st *stage) { st.tls.MaxVersion = tls.VersionTLS11 }), want: TLS, message: "the token server auth.example: " + old, advice: UpgradeTLS, asked: ping},
		{name: "plain http unasked", host: "plain.example", plain: b, transport: "-", want: TLS, message: noTLS, advice: AllowHTTP},
		{name: "plain http unasked, insecure", host: "plain.example", plain: b, opt: Options{Insecure: true}, transport: "-", want: TLS, message: noTLS, advice: AllowHTTP},
		{name: "plain http asked for", noTLS: true, reg: b, want: Verified, message: accepted, asked: basic2},
		{name: "plain http on loopback", noTLS: true, loopback: true, reg: b, want: Verified, message: accepted, asked: basic2},
		{name: "plain http with a plain token server", noTLS: true, reg: asks(nil, `Bearer realm="http://auth.example/token",service="fake"`), auth: gives(nil), want: Verified, message: accepted, asked: proof3},
		{name: "https asked plainly", reg: b, opt: Options{PlainHTTP: true}, transport: "http", want: Protocol, message: "the registry answered 400 Bad Request", advice: MaybeHTTPS},
		{name: "an IPv6 literal", host: "[2001:db8::1]", reg: b, want: Verified, message: accepted, asked: basic2},
		{name: "an IPv6 literal with a port", host: "[2001:DB8::1]:5000", reg: b, want: Verified, message: accepted, asked: basic2},
	}
}

// rawScenarios are servers that do not speak HTTP.
func rawScenarios() []scenario {
	const not, closed = "the response is not HTTP", "the connection was closed without a response"
	group := []scenario{
		{name: "SSH", raw: "SSH-2.0-OpenSSH_9.2\r\n", first: true, message: not},
		{name: "SSH asked by TLS", raw: "SSH-2.0-OpenSSH_9.2\r\n", first: true, message: "the server does not speak TLS", advice: MaybeHTTP, want: TLS},
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
			group[i].want, group[i].advice = Protocol, CheckName
		}
	}
	return group
}

// troubleScenarios are registries in trouble, before and after the password is sent.
func troubleScenarios() []scenario {
	again := func(n int, line string, waits ...string) string {
		out := make([]string, 0, 2*n)
		for i := range n {
			if out = append(out, line); i < len(waits) {
				out = append(out, "wait "+waits[i])
			}
		}
		return strings.Join(out, "; ")
	}
	const (
		open = "the registry did not ask for a credential"
		page = "not a registry: it answers /v2/ with a web page"
		html = "Content-Type: text/html"
	)
	group := []scenario{
		{name: "429, then well", reg: firstSays(1, says(429, "", "Retry-After: 2"), asksBasic(nil)), want: Verified, message: accepted, asked: again(1, ping, "2s") + "; " + basic2},
		{name: "429 by date", reg: firstSays(1, says(429, "", "Retry-After: Thu, 01 Jan 2026 00:00:03 GMT"), asksBasic(nil)), want: Verified, message: accepted, asked: again(1, ping, "3s") + "; " + basic2},
		{name: "429 with an odd wait", reg: firstSays(1, says(429, "", "Retry-After: soon"), asksBasic(nil)), want: Verified, message: accepted, asked: again(1, ping, "250ms") + "; " + basic2},
		{name: "429 for ever", reg: says(429, "", "Retry-After: 0"), want: Throttled, message: "too many requests", asked: again(4, ping, "100ms", "100ms", "100ms")},
		{name: "429 for an hour", reg: says(429, "", "Retry-After: 3600"), want: Throttled, message: "too many requests; the registry asks to wait 3600 s", asked: ping},
		{name: "429 after the password", reg: asksBasic(says(429, "")), want: Throttled, message: "too many requests", asked: ping + "; " + again(4, "reg GET /v2/ basic", "250ms", "500ms", "1s")},
		{name: "503, then well", reg: firstSays(2, says(503, ""), asksBasic(nil)), want: Verified, message: accepted, asked: again(2, ping, "250ms", "500ms") + "; " + basic2},
		{name: "503 for ever", reg: says(503, "down", "Content-Type: text/plain"), want: Unreachable, message: "the registry answered 503 Service Unavailable: down", asked: again(4, ping, "250ms", "500ms", "1s")},
		{name: "503 for ages", reg: says(503, "", "Retry-After: 99999999999999999999"), want: Unreachable, message: "the registry answered 503 Service Unavailable", asked: ping},
		{name: "500 after the password", reg: asksBasic(says(500, "")), want: Unreachable, message: "the registry answered 500 Internal Server Error", asked: ping + "; " + again(4, "reg GET /v2/ basic", "250ms", "500ms", "1s")},
		{name: "501 is final", reg: says(501, ""), want: Unreachable, message: "the registry answered 501 Not Implemented", asked: ping},
		{name: "a slow answer", reg: waits, opt: Options{Timeout: 900 * time.Millisecond}, transport: "-", want: Unreachable, message: "no response within 900ms", asked: ping},
		{name: "a slow answer after the password", reg: asksBasic(waits), opt: Options{Timeout: 1500 * time.Millisecond}, want: Unreachable, message: "no response within 1.5s", asked: basic2},
		{name: "a body that drips for ever", reg: drips, opt: Options{Timeout: 900 * time.Millisecond}, transport: "-", want: Unreachable, message: "no response within 900ms", asked: ping},
		{name: "a body without end", reg: floods, want: Unverified, message: "the registry did not ask for a credential", asked: ping},
		{name: "a huge header", reg: says(200, "", "X: "+strings.Repeat("x", 2*maxHeader)), transport: "-", want: Protocol, message: "the response headers are too long or malformed", asked: ping},
		{name: "ten thousand headers", reg: says(200, "", strings.Split(strings.Repeat("X: xxxxxxxxxx\n", 10_000)+"X: y", "\n")...), transport: "-", want: Protocol, message: "the response headers are too long", asked: ping},
		{name: "a huge header in HTTP/1", noTLS: true, reg: says(200, "", "X: "+strings.Repeat("x", 2*maxHeader)), transport: "-", want: Protocol, message: "the response headers are too long", asked: ping},
		{name: "Ctrl-C", reg: interrupts, transport: "-", want: Unreachable, message: "interrupted", asked: ping},
		{name: "Ctrl-C after the password", reg: asksBasic(interrupts), want: Unreachable, message: "interrupted", asked: basic2},
		{name: "Ctrl-C at the token server", reg: asksBearer(nil), auth: interrupts, want: Unreachable, message: "the token server auth.example: interrupted", asked: getTok},
		{name: "an open registry", reg: says(200, "{}", jsonHeader), want: Unverified, message: "the registry did not ask for a credential", asked: ping},
		{name: "a web page", reg: says(200, "<html>", "Content-Type: text/html; charset=utf-8"), want: NotARegistry, message: "not a registry: it answers /v2/ with a web page", advice: CheckName, asked: ping},
		{name: "a web page that says who it is", reg: says(200, "<html>", "Content-Type: text/html", "Docker-Distribution-Api-Version: registry/2.0"), want: Unverified, message: "the registry did not ask for a credential", asked: ping},
		{name: "no API", reg: says(404, ""), want: NotARegistry, message: "not a registry: it answers /v2/ with 404 Not Found", advice: NoAPI, asked: ping},
		{name: "forbidden at once", reg: says(403, ""), want: Forbidden, message: "the registry refuses access before it asks for a credential", asked: ping},
		{name: "an empty answer", reg: says(204, ""), want: Protocol, message: "the registry answered 204 No Content", asked: ping},
		{name: "Docker Hub by another name", host: "docker.io", reg: asksBasic(nil), transport: "-", want: Unreachable, message: "no such host"},
		{name: "no such host", host: "nowhere.example", transport: "-", want: Unreachable, message: "no such host"},
		{name: "503 with a page", reg: says(503, "<html>", html), want: Unreachable, message: "the registry answered 503 Service Unavailable", asked: again(4, ping, "250ms", "500ms", "1s")},
		{name: "429 with a page", reg: says(429, "<html>", html, "Retry-After: 3600"), want: Throttled, message: "too many requests; the registry asks to wait 3600 s", asked: ping},
		{name: "403 with a page", reg: says(403, "<html>", html), want: Forbidden, message: "the registry refuses access before it asks for a credential", asked: ping},
		{name: "404 with a page", reg: says(404, "<html>", html), want: NotARegistry, message: "not a registry: it answers /v2/ with 404 Not Found", advice: NoAPI, asked: ping},
		{name: "405 with a page", reg: says(405, "<html>", html), want: NotARegistry, message: page, advice: CheckName, asked: ping},
		{name: "400 with a page over plain http", noTLS: true, reg: says(400, "<html>", html), want: Protocol, message: "the registry answered 400 Bad Request", advice: MaybeHTTPS, asked: ping},
		{name: "a page behind a redirect", reg: moves("/v2/", "https://other.example/login", 302, false, says(200, "")), other: says(200, "<!DOCTYPE html>", html), want: NotARegistry, message: page, advice: CheckName, asked: ping + "; other GET /login"},
	}
	// What answers /v2/ with 200 is a registry unless it is a page for people.
	for name, tt := range map[string]struct {
		body   string
		header string
		page   bool
	}{
		"an empty page":             {"", html, false},
		"an empty page of XHTML":    {"", "Content-Type: application/xhtml+xml", false},
		"blanks":                    {" \r\n", html + "; charset=utf-8", false},
		"an empty text":             {"", "Content-Type: text/plain", false},
		"nothing, without a type":   {"", "Content-Type: ", false},
		"JSON called a page":        {"{}", html, false},
		"true called a page":        {"true", html, false},
		"JSON without a type":       {"{}", "Content-Type: ", false},
		"a text":                    {"OK", "Content-Type: text/plain", false},
		"a page, type in capitals":  {"<html>", "Content-Type: TEXT/HTML", true},
		"a page, type malformed":    {"<html>", html + "; charset", true},
		"a page without a type":     {"\n<!doctype html><title>Log in</title>", "Content-Type: ", true},
		"a page of one word":        {"hello", html, true},
		"a page that is half JSON":  {`{"a":`, html, true},
		"a page without end":        {strings.Repeat("<p>", maxBody), html, true},
		"a page that never arrives": {"", html + "\nContent-Length: 9", true},
	} {
		answer := says(200, tt.body, strings.Split(tt.header, "\n")...)
		before := scenario{name: "200 with " + name, reg: answer, want: Unverified, message: open, asked: ping}
		after := scenario{name: "200 behind the login with " + name, reg: asksBasic(answer), want: Verified, message: accepted, asked: basic2}
		if tt.page {
			before.want, before.message, before.advice = NotARegistry, page, CheckName
			after.want, after.message, after.advice = NotARegistry, page, CheckName
		}
		group = append(group, before, after)
	}
	return group
}

func waits(_ *stage, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func drips(_ *stage, w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		_, _ = fmt.Fprint(w, "x")
		_ = http.NewResponseController(w).Flush()
		time.Sleep(10 * time.Millisecond)
	}
}

func floods(_ *stage, w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		_, _ = w.Write(make([]byte, maxBody/16))
	}
}
