package registry

import (
	"io"
	"maps"
	"net/http"
	"strings"
)

// bearerTo is the usual challenge, with its realm at the token server.
const bearerTo = `Bearer realm="https://auth.example/token",service="fake"`

// challengeScenarios are the spellings of WWW-Authenticate, well formed and not.
func challengeScenarios() []scenario {
	const (
		none  = "the registry wants a login but names no method"
		offer = "the registry offers no supported login method, only: "
	)
	group := []scenario{
		{name: "no challenge", message: none},
		{name: "an empty challenge", reg: asks(nil, ""), message: none},
		{name: "only unknown schemes", reg: asks(nil, `Negotiate abc==, Digest realm="x"`), message: offer + "negotiate, digest"},
		{name: "a scheme with escapes", reg: asks(nil, `~`+strings.Repeat("e", 150)), message: offer + "~" + strings.Repeat("e", 98) + "…"},
		{name: "a quote without end", reg: asks(nil, `"Basic realm="`, `Digest realm="x`), message: offer + "digest"},
		{name: "Bearer without a realm", reg: asks(nil, `Bearer service="x"`), message: offer + "bearer"},
		{name: "a parameter before any scheme", reg: asks(nil, `realm="x"`), message: none},
	}
	for i := range group {
		group[i].want, group[i].asked = Protocol, ping
		if group[i].reg == nil {
			group[i].reg = asks(nil)
		}
	}
	for name, values := range map[string][]string{
		"Negotiate and Basic in two headers":     {`Negotiate`, `Basic realm="x"`},
		"Negotiate and Basic in one header":      {`Negotiate, Basic realm="x"`},
		"token68 before Basic":                   {`Negotiate abc==, Basic realm="x"`},
		"Basic before token68":                   {`Basic realm="x", Negotiate abc==`},
		"odd spacing":                            {" ,, BASIC\trealm = \"x\" ,charset=UTF-8 , "},
		"commas within quotes":                   {`Digest realm="a, Bearer realm=\"https://other.example/\"", Basic realm="b, c"`},
		"Basic without a realm":                  {`Basic`},
		"Bearer without a realm, then Basic":     {`Bearer service="x"`, `Basic realm="y"`},
		"Basic, then Bearer with an empty realm": {`Basic realm="y", Bearer realm="",service="x"`},
		"Bearer with a token68, then Basic":      {`Bearer abc==, Basic realm="y"`},
		"Basic twice":                            {`Basic realm="x"`, `Basic realm="y"`},
		"Basic behind rubbish":                   {`@@@, ===, Basic realm="x"`},
		"Basic behind a control character":       {"Digest realm=\"a\tb\"", `Basic realm="x"`},
		"Basic behind a header that is cut off":  {`Digest realm="x`, `Basic realm="y"`},
		"Basic among a hundred unknown schemes":  {strings.Repeat("Odd x=y, ", 100) + "Basic"},
		"Basic with a comma missing before NTLM": {`Basic realm="x" NTLM`},
	} {
		group = append(group, scenario{name: name, reg: asks(nil, values...), want: Verified, message: accepted, asked: basic2})
	}
	for name, values := range map[string][]string{
		"Bearer and Basic in two headers": {bearerTo, `Basic realm="x"`},
		"Basic and Bearer in one header":  {`Basic realm="x", ` + bearerTo},
		"Bearer without quotes":           {`bearer realm=https://auth.example/token,service=fake`},
		"Bearer with quoted pairs":        {`Bearer realm="https://auth.example\/token" , service="fa\ke"`},
		"Bearer with a scope of its own":  {bearerTo + `,scope="repository:samples/app:pull,push",error="insufficient_scope"`},
		"Bearer with two realms":          {bearerTo + `,realm="https://other.example/token"`},
	} {
		group = append(group, scenario{name: name, reg: asks(nil, values...), auth: gives(nil), want: Verified, message: accepted, asked: proof3})
	}
	return group
}

// asksBasic wants alice's password, and then answers as then does; nil is plain 200.
func asksBasic(then handler) handler { return asks(then, `Basic realm="fake"`) }

// asks wants a credential of alice, and names these challenges to whoever has none.
func asks(then handler, challenges ...string) handler {
	return func(st *stage, w http.ResponseWriter, r *http.Request) {
		switch {
		case !basicOK(r) && r.Header.Get("Authorization") != "Bearer access-canary-token":
			for _, c := range challenges {
				w.Header().Add("WWW-Authenticate", c)
			}
			w.WriteHeader(http.StatusUnauthorized)
		case then != nil:
			then(st, w, r)
		}
	}
}

// says answers with a status, a body, and headers as "Name: value".
func says(status int, body string, headers ...string) handler {
	return func(_ *stage, w http.ResponseWriter, _ *http.Request) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Add(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// firstSays answers the first n requests with one handler, and the rest with another.
func firstSays(n int, early, late handler) handler {
	return func(st *stage, w http.ResponseWriter, r *http.Request) {
		st.mu.Lock()
		n--
		h := late
		if n >= 0 {
			h = early
		}
		st.mu.Unlock()
		h(st, w, r)
	}
}

const (
	accepted   = "the registry accepted the credential"
	jsonHeader = "Content-Type: application/json"
)

// basicScenarios are password logins that end with the registry's plain word.
func basicScenarios() []scenario {
	group := []scenario{
		{name: "right password", reg: asksBasic(nil), want: Verified, message: accepted, asked: basic2},
		{
			name: "wrong password", reg: asksBasic(nil), cred: wrong, want: Rejected, message: rejectedText,
			asked: ping + "; reg GET /v2/ basic-wrong",
		},
		{
			name: "no credential", reg: asksBasic(nil), cred: nobody, want: Rejected, message: rejectedText,
			advice: GiveCredential, asked: ping,
		},
		{
			name: "a colon in the user name", reg: asksBasic(nil), cred: Credential{Username: "a:b", Secret: "x"}, want: Protocol,
			message: "a user name with a colon cannot be sent with Basic authentication", advice: CheckUsername, asked: ping,
		},
		{
			name: "an identity token where passwords are wanted", reg: asksBasic(nil), cred: identity, want: Protocol,
			message: "the registry does not accept identity tokens: it uses Basic authentication",
			advice:  GivePassword, asked: ping,
		},
		{name: "no API behind the login", reg: asksBasic(says(404, "")), want: NotARegistry, message: "not a registry: it answers /v2/ with 404 Not Found", advice: NoAPI, asked: basic2},
		{name: "a teapot behind the login", reg: asksBasic(says(418, "")), want: Protocol, message: "the registry answered 418 I'm a teapot", asked: basic2},
		{name: "forbidden", reg: asksBasic(says(403, "")), want: Forbidden, message: "access forbidden", advice: GiveScope, asked: basic2},
	}
	// The three shapes of a refusal, and what must not get through.
	for name, tt := range map[string]struct{ kind, body, shown string }{
		"distribution's errors":      {"application/json", `{"errors":[{"code":"DENIED","message":"no \u001b[31mway\u202e"}]}`, "no ?[31mway?"},
		"a code alone":               {"application/json", `{"errors":[{"code":"DENIED"}]}`, "DENIED"},
		"OAuth2's error":             {"application/json; charset=utf-8", `{"error":"access_denied","error_description":"locked\u0007"}`, "locked?"},
		"a single message":           {"application/json", `{"errors":"odd","error":{"x":1},"message":"m"}`, "m"},
		"plain text":                 {"text/plain", "go\x1b]0;x\x07 away\r\n", "go?]0;x? away"},
		"a page":                     {"text/html", "<h1>go away", ""},
		"the password":               {"text/plain", "you sent " + alice.Secret, "you sent [redacted]"},
		"the password in base64":     {"application/json", `{"message":"you sent YWxpY2U6czNjcmV0LWNhbmFyeS1wYXNzd29yZA=="}`, "you sent [redacted]"},
		"a text without end":         {"text/plain", strings.Repeat("y", 3*maxBody), strings.Repeat("y", 199) + "…"},
		"a text that is not unicode": {"text/plain", "\xff\xfe", "\ufffd\ufffd"},
	} {
		message := "access forbidden"
		if tt.shown != "" {
			message += ": " + tt.shown
		}
		group = append(group, scenario{
			name: "forbidden with " + name, reg: asksBasic(says(403, tt.body, "Content-Type: "+tt.kind)),
			want: Forbidden, message: message, advice: GiveScope, asked: basic2,
		})
	}
	return group
}

// asksBearer wants a token of auth.example.
func asksBearer(then handler) handler { return asks(then, bearerTo) }

// gives is a token server with both ways: Docker's GET and OAuth2's POST. more are
// further fields of its answers.
func gives(more map[string]any) handler {
	return func(_ *stage, w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		form := r.PostForm
		switch {
		case basicOK(r),
			form.Get("grant_type") == "password" && form.Get("username") == alice.Username && form.Get("password") == alice.Secret,
			form.Get("grant_type") == "refresh_token" && form.Get("refresh_token") == identity.Secret:
			out := map[string]any{"token": "access-canary-token", "expires_in": 300}
			maps.Copy(out, more)
			reply(w, http.StatusOK, out)
		case r.Method == http.MethodPost:
			reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "no"})
		default:
			reply(w, http.StatusUnauthorized, map[string]any{"details": "incorrect username or password"})
		}
	}
}

// only answers one method, and others with a status.
func only(method string, otherwise int, h handler) handler {
	return func(st *stage, w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.WriteHeader(otherwise)
			return
		}
		h(st, w, r)
	}
}

const passwordPost = "auth POST /token password?client_id=regshape&grant_type=password&service=fake&username=alice"

// bearerScenarios are password logins by a token server.
func bearerScenarios() []scenario {
	const proof = "; reg GET /v2/ bearer"
	group := []scenario{
		{name: "token, right password", reg: asksBearer(nil), auth: gives(nil), want: Verified, message: accepted, asked: proof3},
		{name: "token, wrong password", reg: asksBearer(nil), auth: gives(nil), cred: wrong, want: Rejected, message: rejectedText, asked: getTok + "-wrong"},
		{name: "token, no credential", reg: asksBearer(nil), auth: gives(nil), cred: nobody, want: Rejected, message: rejectedText, advice: GiveCredential, asked: ping},
		{name: "token, a colon in the user name", reg: asksBearer(nil), auth: gives(nil), cred: Credential{Username: "a:b", Secret: "x"}, want: Protocol, message: "a user name with a colon cannot be sent with Basic authentication", advice: CheckUsername, asked: ping},
		{name: "a token server without GET (405)", reg: asksBearer(nil), auth: only("POST", 405, gives(nil)), want: Verified, message: accepted, asked: getTok + "; " + passwordPost + proof},
		{name: "a token server without GET (404)", reg: asksBearer(nil), auth: only("POST", 404, gives(nil)), want: Verified, message: accepted, asked: getTok + "; " + passwordPost + proof},
		{name: "a token server without GET, wrong password", reg: asksBearer(nil), auth: only("POST", 405, gives(nil)), cred: wrong, want: Rejected, message: rejectedText, asked: getTok + "-wrong; " + passwordPost},
		{name: "a token server that is gone", reg: asksBearer(nil), auth: says(404, ""), want: Protocol, message: "the token server auth.example answered 404 Not Found", asked: getTok + "; " + passwordPost},
		{name: "a token server that is down", reg: asksBearer(nil), auth: says(502, "", "Retry-After: 99"), want: Unreachable, message: "the token server auth.example answered 502 Bad Gateway", asked: getTok},
		{name: "a token server that is busy", reg: asksBearer(nil), auth: firstSays(1, says(429, "", "Retry-After: 1"), gives(nil)), want: Verified, message: accepted, asked: getTok + "; wait 1s" + strings.TrimPrefix(proof3, ping)},
		{name: "a token server that is too busy", reg: asksBearer(nil), auth: says(429, "", "Retry-After: 60"), want: Throttled, message: "too many requests; the token server auth.example asks to wait 60 s", asked: getTok},
		{name: "a token that the registry refuses", reg: asks(says(401, ""), bearerTo), auth: gives(nil), want: Rejected, message: rejectedText, advice: GiveScope, asked: proof3},
		{name: "a token for nothing", reg: asksBearer(says(403, `{"errors":[{"message":"not yours"}]}`, jsonHeader)), auth: gives(nil), want: Forbidden, message: "access forbidden: not yours", advice: GiveScope, asked: proof3},
		{name: "a token server that forbids", reg: asksBearer(nil), auth: says(403, `{"errors":[{"code":"DENIED","message":"not you"}]}`, jsonHeader), want: Forbidden, message: "the token server auth.example forbids access: not you", asked: getTok},
		{name: "a token server by OAuth2 that forbids", reg: asksBearer(nil), auth: says(400, `{"error":"unauthorized_client"}`, jsonHeader), want: Forbidden, message: "the token server auth.example forbids access: unauthorized_client", asked: getTok},
		{name: "a token server that wants something else", reg: asksBearer(nil), auth: says(400, `{"message":"no \u001b]8;;x"}`, jsonHeader), want: Protocol, message: "the token server auth.example answered 400 Bad Request: no ?]8;;x", asked: getTok},
		{name: "invalid_grant by GET", reg: asksBearer(nil), auth: says(400, `{"error":"invalid_grant"}`, jsonHeader), want: Rejected, message: rejectedText, asked: getTok},
	}
	return group
}

// tokenAnswerScenarios are answers of token servers that hold a token, or should.
func tokenAnswerScenarios() []scenario {
	var group []scenario
	for name, body := range map[string]string{
		"access_token in place of token":  `{"access_token":"access-canary-token"}`,
		"token and access_token":          `{"token":"access-canary-token","access_token":"access-canary-token"}`,
		"token before access_token":       `{"access_token":"other","token":"access-canary-token"}`,
		"expires_in as text":              `{"access_token":"access-canary-token","expires_in":"7"}`,
		"expires_in beyond measure":       `{"token":"access-canary-token","expires_in":1e300}`,
		"expires_in in the past":          `{"token":"access-canary-token","expires_in":-5}`,
		"unknown fields of unknown types": `{"token":"access-canary-token","scope":["a"],"issued_at":{},"error":[1]}`,
		"a byte order of its own":         "\n\t {\"TOKEN\" : \"access-canary-token\"}\r\n",
	} {
		group = append(group, scenario{name: name, auth: says(200, body, jsonHeader), want: Verified, message: accepted, asked: proof3})
	}
	for name, body := range map[string]string{
		"an empty token":                   `{"token":""}`,
		"a blank token":                    `{"token":"  "}`,
		"no token":                         `{"expires_in":300}`,
		"a token that is no text":          `{"token":{"a":1}}`,
		"a token with a line break":        `{"token":"a\r\nX: y"}`,
		"a token that is not ASCII":        `{"token":"pa\u00df"}`,
		"a page for a token":               `<html>`,
		"nothing for a token":              ``,
		"a list for a token":               `[]`,
		"half an answer":                   `{"token":"access-canary-to`,
		"an answer that is too long":       `{"token":"access-canary-token","x":"` + strings.Repeat("y", maxBody) + `"}`,
		"an answer that is deep":           strings.Repeat("[", 20_000),
		"a refresh token and nothing else": `{"refresh_token":"refresh-canary-token"}`,
	} {
		group = append(group, scenario{
			name: name, auth: says(200, body, jsonHeader), want: Protocol,
			message: "the token server auth.example answered without a usable token", asked: getTok,
		})
	}
	group = append(group, scenario{
		name: "another's token", auth: says(200, `{"token":"another"}`, jsonHeader), want: Rejected, message: rejectedText, advice: GiveScope,
		asked: getTok + "; reg GET /v2/ Bearer another",
	}, scenario{
		name: "a token in an empty answer", auth: says(204, ""), want: Protocol, message: "the token server auth.example answered 204 No Content", asked: getTok,
	})
	for i := range group {
		group[i].reg = asksBearer(nil)
	}
	return group
}

// offers is a token server that gives identity tokens to whoever asks as its method
// wants it: offline_token by GET, access_type by POST (distribution, spec/auth).
func offers(method string) handler {
	return func(st *stage, w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.Method == method && (r.Form.Get("offline_token") == "true" || r.Form.Get("access_type") == "offline") {
			gives(map[string]any{"refresh_token": "refresh-canary-token"})(st, w, r)
			return
		}
		gives(nil)(st, w, r)
	}
}

// identityScenarios are logins with an identity token, and for one.
func identityScenarios() []scenario {
	const (
		refresh  = ping + "; auth POST /token refresh_token?client_id=regshape&grant_type=refresh_token&service=fake"
		proof    = "; reg GET /v2/ bearer"
		noTokens = "the token server auth.example does not accept identity tokens"
		offlineG = ping + "; auth GET /token?account=alice&client_id=regshape&offline_token=true&service=fake basic"
		offlineP = "; auth POST /token password?access_type=offline&client_id=regshape&grant_type=password&service=fake&username=alice"
	)
	want := Options{WantIdentityToken: true}
	group := []scenario{
		{name: "identity token", auth: gives(nil), cred: identity, want: Verified, message: accepted, asked: refresh + proof},
		{name: "identity token that is revoked", auth: gives(nil), cred: revoked, want: Rejected, message: rejectedText, asked: refresh},
		{name: "identity token that is revoked with 401", auth: says(401, ""), cred: revoked, want: Rejected, message: rejectedText, asked: refresh},
		{name: "identity token that is rotated", auth: gives(map[string]any{"refresh_token": "rotated-canary-token"}), cred: identity, want: Verified, message: accepted, identity: "rotated-canary-token", asked: refresh + proof},
		{name: "identity token at a server without POST (405)", auth: only("GET", 405, gives(nil)), cred: identity, want: Protocol, message: noTokens, advice: GivePassword, asked: refresh},
		{name: "identity token at a server without POST (404)", auth: only("GET", 404, gives(nil)), cred: identity, want: Protocol, message: noTokens, advice: GivePassword, asked: refresh},
		{name: "identity token at a server without refresh", auth: says(400, `{"error":"unsupported_grant_type"}`, jsonHeader), cred: identity, want: Protocol, message: "the token server auth.example answered 400 Bad Request: unsupported_grant_type", asked: refresh},
		{name: "wants an identity token, offered by GET", auth: offers("GET"), opt: want, want: Verified, message: accepted, identity: "refresh-canary-token", asked: offlineG + proof},
		{name: "wants an identity token, offered by POST", auth: offers("POST"), opt: want, want: Verified, message: accepted, identity: "refresh-canary-token", asked: offlineG + offlineP + proof},
		{name: "wants an identity token, not offered", auth: gives(nil), opt: want, want: Verified, message: accepted, asked: offlineG + offlineP + proof},
		{name: "wants an identity token, POST is broken", auth: only("GET", 500, gives(nil)), opt: want, want: Verified, message: accepted, asked: offlineG + strings.Join([]string{offlineP, "wait 250ms", offlineP[2:], "wait 500ms", offlineP[2:], "wait 1s", offlineP[2:]}, "; ") + proof},
		{name: "wants an identity token, wrong password", auth: offers("GET"), opt: want, cred: wrong, want: Rejected, message: rejectedText, asked: offlineG + "-wrong"},
		{name: "an identity token that nobody asked for", auth: offers("GET"), want: Verified, message: accepted, asked: proof3},
	}
	for i := range group {
		group[i].reg = asksBearer(nil)
	}
	return group
}

// robots may see their repository, and get another answer at /v2/.
func robots(base, tags handler, challenges ...string) handler {
	return func(st *stage, w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			tags(st, w, r)
			return
		}
		asks(base, challenges...)(st, w, r)
	}
}

// scopeScenarios verify by a repository.
func scopeScenarios() []scenario {
	const (
		scope   = "repository:team/app:pull"
		tags    = "reg GET /v2/team/app/tags/list"
		byTags  = basic2 + "; " + tags + "; " + tags + " basic"
		basic   = `Basic realm="x"`
		openTag = ping + "; " + tags
	)
	ok, no, denied := says(200, ""), says(401, ""), says(403, "")
	group := []scenario{
		{name: "robot", reg: robots(no, asksBasic(ok), basic), scope: scope, want: Verified, message: accepted, asked: byTags},
		{name: "robot with an empty repository", reg: robots(denied, asksBasic(says(404, "")), basic), scope: scope, want: Verified, message: accepted, asked: byTags},
		{name: "robot without a scope", reg: robots(denied, asksBasic(ok), basic), want: Forbidden, message: "access forbidden", advice: GiveScope, asked: basic2},
		{name: "robot, wrong password", reg: robots(no, asksBasic(ok), basic), cred: wrong, scope: scope, want: Rejected, message: rejectedText, asked: ping + "; reg GET /v2/ basic-wrong; " + tags + "; " + tags + " basic-wrong"},
		{name: "robot, forbidden", reg: robots(denied, asksBasic(denied), basic), scope: scope, want: Forbidden, message: "access forbidden", asked: byTags},
		{name: "a public repository proves nothing", reg: robots(no, ok, basic), scope: scope, want: Rejected, message: rejectedText, asked: basic2 + "; " + tags},
		{name: "a scope without a repository", reg: robots(no, asksBasic(ok), basic), scope: "registry:catalog:*", want: Rejected, message: rejectedText, asked: basic2},
		{name: "a scope that climbs", reg: robots(no, asksBasic(ok), basic), scope: "repository:../x:pull", want: Rejected, message: rejectedText, asked: basic2},
		{name: "/v2/ is enough", reg: robots(ok, denied, basic), scope: scope, want: Verified, message: accepted, asked: basic2},
		{name: "open /v2/, closed repository", reg: robots(nil, asksBasic(ok)), scope: scope, want: Verified, message: accepted, asked: openTag + "; " + tags + " basic"},
		{name: "open /v2/, closed repository, wrong password", reg: robots(nil, asksBasic(ok)), scope: scope, cred: wrong, want: Rejected, message: rejectedText, asked: openTag + "; " + tags + " basic-wrong"},
		{name: "open /v2/, open repository", reg: ok, scope: scope, want: Unverified, message: "the registry did not ask for a credential", asked: openTag},
	}
	// An open /v2/ asks nobody, with a credential or without.
	for i := range group {
		if strings.HasPrefix(group[i].name, "open /v2/") {
			h := group[i].reg
			group[i].reg = func(st *stage, w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v2/" {
					h(st, w, r)
				}
			}
		}
	}
	const scopes = "&scope=repository%3Ateam%2Fapp%3Apull&scope=repository%3Ac%3Apull%2Cpush"
	return append(group, scenario{
		name: "robot by token", reg: robots(denied, asksBearer(ok), bearerTo), auth: gives(nil),
		scope: scope + " repository:c:pull,push", want: Verified, message: accepted,
		asked: ping + "; auth GET /token?account=alice" + scopes + "&service=fake basic; reg GET /v2/ bearer; " + tags + "; " + tags + " bearer",
	})
}
