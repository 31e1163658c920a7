package registry

import "net/http"

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
		other   = "log in to other.example if that is the registry you mean"
	)
	b, tok := asksBasic(nil), gives(nil)
	group := []scenario{
		{name: "ping to another path", reg: moves("/v2/", "/moved", 301, false, b), scheme: "basic", want: Verified, message: accepted, asked: "reg GET /v2/; reg GET /moved; reg GET /v2/ basic"},
		{name: "password to another path", reg: moves("/v2/", "/moved", 302, true, b), scheme: "basic", want: Verified, message: accepted, asked: basic2 + "; reg GET /moved basic"},
		{name: "password to the same origin by name and port", reg: moves("/v2/", "https://REG.example:443/moved", 307, true, b), scheme: "basic", want: Verified, message: accepted, asked: basic2 + "; reg GET /moved basic"},
		{name: "ping to another registry", reg: moves("/v2/", "https://other.example/v2/", 302, false, b), other: b, want: Protocol, message: "the registry redirects to https://other.example, which asks for a login of its own", hint: other, asked: ping + "; other GET /v2/"},
		{name: "ping to an open registry", reg: moves("/v2/", "https://other.example/v2/", 302, false, b), other: says(200, ""), want: Unverified, message: "the registry did not ask for a credential", asked: ping + "; other GET /v2/"},
		{name: "password to another registry", reg: moves("/v2/", "https://other.example/v2/", 302, true, b), other: b, scheme: "basic", want: Protocol, message: "https://reg.example redirects to https://other.example" + secret, hint: other, asked: basic2},
		{name: "password to another port", reg: moves("/v2/", "https://reg.example:8443/v2/", 308, true, b), scheme: "basic", want: Protocol, message: "https://reg.example redirects to https://reg.example:8443" + secret, hint: "log in to reg.example:8443 if that is the registry you mean", asked: basic2},
		{name: "token to another registry", reg: moves("/v2/", "https://other.example/v2/", 307, true, asksBearer(nil)), auth: tok, other: b, scheme: "bearer", want: Protocol, message: "https://reg.example redirects to https://other.example" + secret, hint: other, asked: proof3},
		{name: "ping to plain http", reg: moves("/v2/", "http://plain.example/v2/", 302, false, b), plain: b, transport: "-", want: Protocol, message: "the redirect from https://reg.example to plain http://plain.example was refused", asked: ping},
		{name: "password to plain http", reg: moves("/v2/", "http://reg.example/v2/", 302, true, b), scheme: "basic", want: Protocol, message: "the redirect from https://reg.example to plain http://reg.example was refused", asked: basic2},
		{name: "a loop", reg: moves("/v2/", "/v2/", 302, false, b), transport: "-", want: Protocol, message: "too many redirects from https://reg.example", asked: "reg GET /v2/; reg GET /v2/; reg GET /v2/; reg GET /v2/; reg GET /v2/; reg GET /v2/"},
		{name: "a redirect to nowhere", reg: moves("/v2/", "", 302, false, b), transport: "-", want: Protocol, message: "https://reg.example redirects to nowhere", asked: ping},
		{name: "a redirect to a file", reg: moves("/v2/", "file:///etc/passwd", 302, false, b), transport: "-", want: Protocol, message: "https://reg.example redirects to nowhere", asked: ping},
		{name: "a redirect inside", reg: moves("/v2/", "https://other.example/latest/meta-data", 302, false, b), other: b, at: map[string]string{"other": "169.254.169.254"}, transport: "-", want: Protocol, message: "https://other.example: the address was refused: it is at a cloud metadata address and the registry is not", asked: ping},
		{name: "the token server to another path", reg: asksBearer(nil), auth: moves("/token", "/moved", 307, true, tok), scheme: "bearer", want: Verified, message: accepted, asked: getTok + "; auth GET /moved basic; reg GET /v2/ bearer"},
		{name: "the token server to another", reg: asksBearer(nil), auth: moves("/token", "https://other.example/token", 307, true, tok), other: tok, scheme: "bearer", want: Protocol, message: "https://auth.example redirects to https://other.example" + secret, hint: other, asked: getTok},
		{name: "the token server to plain http", reg: asksBearer(nil), auth: moves("/token", "http://plain.example/token", 307, true, tok), plain: tok, scheme: "bearer", want: Protocol, message: "the redirect from https://auth.example to plain http://plain.example was refused", asked: getTok},
		{name: "POST with 307", reg: asksBearer(nil), auth: moves("/token", "/moved", 307, true, tok), cred: identity, scheme: "bearer", want: Verified, message: accepted, asked: refresh + moved + "; reg GET /v2/ bearer"},
		{name: "POST with 308", reg: asksBearer(nil), auth: moves("/token", "/moved", 308, true, tok), cred: identity, scheme: "bearer", want: Verified, message: accepted, asked: refresh + moved + "; reg GET /v2/ bearer"},
		{name: "POST with 302", reg: asksBearer(nil), auth: moves("/token", "/moved", 302, true, tok), cred: identity, scheme: "bearer", want: Protocol, message: "the redirect of a token request at https://auth.example was refused", asked: refresh},
		{name: "POST with 307 to another", reg: asksBearer(nil), auth: moves("/token", "https://other.example/token", 307, true, tok), other: tok, cred: identity, scheme: "bearer", want: Protocol, message: "https://auth.example redirects to https://other.example" + secret, hint: other, asked: refresh},
		{name: "plain http to https at the same host", noTLS: true, reg: moves("/v2/", "https://reg.example/v2/", 301, true, b), scheme: "basic", want: Protocol, message: "http://reg.example redirects to https://reg.example" + secret, hint: "leave out --plain-http: the server wants https", asked: basic2},
	}
	return group
}
