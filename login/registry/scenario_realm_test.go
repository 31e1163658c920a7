package registry

import (
	"fmt"
	"net/http"
)

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
			scheme: "bearer", want: Verified, message: accepted, asked: proof3,
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
		"an empty one":           {"x", noURL},
	} {
		group = append(group, scenario{
			name: "realm: " + name, reg: asks(nil, `Bearer realm="`+tt.realm+`",service="fake"`), auth: gives(nil),
			scheme: "bearer", want: Protocol, message: tt.message, asked: ping,
		})
	}
	group = append(group, rebindingScenarios()...)
	return append(group,
		scenario{
			name: "realm: at the registry itself", reg: moveTo("/token", gives(nil), asks(nil, `Bearer realm="https://reg.example/token?a=b#c",service="fake"`)),
			at: map[string]string{"reg": "127.0.0.1"}, scheme: "bearer", want: Verified, message: accepted,
			asked: ping + "; reg GET /token?a=b&account=alice&service=fake basic; reg GET /v2/ bearer",
		},
		scenario{
			// The name server gives a public address first and loopback after: each
			// connection is judged by the address that it is made to.
			name: "realm: DNS rebinding", reg: asksBearer(nil), auth: closes(says(503, "")), at: map[string]string{"auth": "203.0.113.2,127.0.0.1"},
			scheme: "bearer", want: Protocol, message: fmt.Sprintf(refused, "loopback"), asked: getTok + "; wait 250ms",
		},
		scenario{
			name: "realm: localhost by the real name server", auth: gives(nil), reg: func(st *stage, w http.ResponseWriter, r *http.Request) {
				asks(nil, `Bearer realm="https://localhost`+st.authPort()+`/token",service="fake"`)(st, w, r)
			},
			scheme: "bearer", want: Protocol, asked: ping,
			message: "https://localhost:PORT: the address was refused: it is at a loopback address and the registry is not",
		},
		scenario{
			name: "realm: no such host", reg: asks(nil, `Bearer realm="https://nowhere.example/token"`),
			scheme: "bearer", want: Unreachable, message: "the token server nowhere.example: no such host", asked: ping,
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
			scheme: "basic", want: Protocol, message: fmt.Sprintf(was, tt.zone), asked: ping,
		})
	}
	return append(group,
		scenario{
			name: "rebinding: over plain http", noTLS: true, reg: basic, at: at("203.0.113.1,127.0.0.1"), scheme: "basic", want: Protocol,
			message: "http://reg.example: the address was refused: it is at a loopback address and was not before", asked: ping,
		},
		scenario{
			// Its answer would become a token, and be sent on.
			name: "rebinding: of a realm at the registry itself", noTLS: true, at: at("203.0.113.1,169.254.169.254"), scheme: "bearer", want: Protocol,
			reg:     moveTo("/token", closes(gives(nil)), closes(asks(nil, `Bearer realm="http://reg.example/token",service="fake"`))),
			message: "http://reg.example: the address was refused: it is at a cloud metadata address and was not before", asked: ping,
		},
		scenario{
			name: "rebinding: before the token is shown", reg: closes(asksBearer(nil)), auth: gives(nil), at: at("203.0.113.1,127.0.0.1"),
			scheme: "bearer", want: Protocol, message: fmt.Sprintf(was, "loopback"), asked: getTok,
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
			scheme: "basic", want: Protocol, message: "https://reg.example: the address was refused: it was at a loopback address before and no longer is", asked: ping,
		},
		scenario{
			name: "rebinding: within the open network", reg: basic, at: at("203.0.113.1,10.0.0.1"),
			scheme: "basic", want: Verified, message: accepted, asked: basic2,
		},
	)
}
