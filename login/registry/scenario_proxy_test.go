package registry

import (
	"io"
	"net"
	"net/http"
	"strings"
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

// proxyScenarios have HTTPS_PROXY and HTTP_PROXY set, with a password, and NO_PROXY for
// all but far.example and far-auth.example. The proxy sits on loopback, which must not
// be held against the registry: the literal host of the realm is judged.
func proxyScenarios() []scenario {
	const connect = "proxy CONNECT far.example:443; "
	realm := func(host string) handler { return asks(nil, `Bearer realm="https://`+host+`/token",service="fake"`) }
	group := []scenario{
		{name: "proxy", reg: asksBasic(nil), proxy: tunnels, scheme: "basic", want: Verified, message: accepted, asked: connect + basic2},
		{name: "proxy to the token server, too", reg: realm("far-auth.example"), auth: gives(nil), proxy: tunnels, scheme: "bearer", want: Verified, message: accepted, asked: connect + ping + "; proxy CONNECT far-auth.example:443; auth GET /token?account=alice&service=fake basic; reg GET /v2/ bearer"},
		{name: "proxy, but not to the token server", reg: realm("auth.example"), auth: gives(nil), proxy: tunnels, scheme: "bearer", want: Verified, message: accepted, asked: connect + proof3},
		{name: "proxy for plain http", noTLS: true, reg: asksBasic(nil), proxy: tunnels, scheme: "basic", want: Verified, message: accepted, asked: "proxy GET http://far.example/v2/; proxy GET http://far.example/v2/ basic"},
		{name: "proxy that wants a login", reg: asksBasic(nil), proxy: says(407, ""), transport: "-", want: Unreachable, message: "the proxy answered 407 Proxy Authentication Required", asked: "proxy CONNECT far.example:443"},
		{name: "proxy that is not there", reg: asksBasic(nil), transport: "-", want: Unreachable, message: "the proxy: connection refused"},
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
			zone = "its address is not in a usual spelling"
		}
		sc := scenario{
			name: "proxy, realm at a " + name, reg: realm(host), proxy: tunnels, scheme: "bearer", want: Protocol,
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
