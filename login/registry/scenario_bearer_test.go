package registry

import (
	"maps"
	"net/http"
	"strings"
)

// asksBearer wants a token of auth.example.
func asksBearer(then handler) handler { return asks(then, bearerTo) }

// gives is a token server with both ways: Docker's GET and OAuth2's POST. more are
// further fields of its answers.
func gives(more map[string]any) handler {
	return func(_ *stage, w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		user, secret, isBasic := r.BasicAuth()
		form := r.PostForm
		switch {
		case basicOK(r), isBasic && user == "<token>" && secret == identity.Secret,
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
		{name: "token, no credential", reg: asksBearer(nil), auth: gives(nil), cred: nobody, want: Rejected, message: rejectedText, hint: "the registry wants a user name and a password", asked: ping},
		{name: "token, a colon in the user name", reg: asksBearer(nil), auth: gives(nil), cred: Credential{Username: "a:b", Secret: "x"}, want: Protocol, message: "a user name with a colon cannot be sent with Basic authentication", asked: ping},
		{name: "a token server without GET (405)", reg: asksBearer(nil), auth: only("POST", 405, gives(nil)), want: Verified, message: accepted, asked: getTok + "; " + passwordPost + proof},
		{name: "a token server without GET (404)", reg: asksBearer(nil), auth: only("POST", 404, gives(nil)), want: Verified, message: accepted, asked: getTok + "; " + passwordPost + proof},
		{name: "a token server without GET, wrong password", reg: asksBearer(nil), auth: only("POST", 405, gives(nil)), cred: wrong, want: Rejected, message: rejectedText, asked: getTok + "-wrong; " + passwordPost},
		{name: "a token server that is gone", reg: asksBearer(nil), auth: says(404, ""), want: Protocol, message: "the token server auth.example answered 404 Not Found", asked: getTok + "; " + passwordPost},
		{name: "a token server that is down", reg: asksBearer(nil), auth: says(502, "", "Retry-After: 99"), want: Unreachable, message: "the token server auth.example answered 502 Bad Gateway", asked: getTok},
		{name: "a token server that is busy", reg: asksBearer(nil), auth: firstSays(1, says(429, "", "Retry-After: 1"), gives(nil)), want: Verified, message: accepted, asked: getTok + "; wait 1s" + strings.TrimPrefix(proof3, ping)},
		{name: "a token server that is too busy", reg: asksBearer(nil), auth: says(429, "", "Retry-After: 60"), want: Throttled, message: "too many requests; the token server auth.example asks to wait 60 s", asked: getTok},
		{name: "a token that the registry refuses", reg: asks(says(401, ""), bearerTo), auth: gives(nil), want: Rejected, message: rejectedText, hint: robotHint, asked: proof3},
		{name: "a token for nothing", reg: asksBearer(says(403, `{"errors":[{"message":"not yours"}]}`, jsonHeader)), auth: gives(nil), want: Forbidden, message: "access forbidden: not yours", hint: robotHint, asked: proof3},
		{name: "a token server that forbids", reg: asksBearer(nil), auth: says(403, `{"errors":[{"code":"DENIED","message":"not you"}]}`, jsonHeader), want: Forbidden, message: "the token server auth.example forbids access: not you", asked: getTok},
		{name: "a token server by OAuth2 that forbids", reg: asksBearer(nil), auth: says(400, `{"error":"unauthorized_client"}`, jsonHeader), want: Forbidden, message: "the token server auth.example forbids access: unauthorized_client", asked: getTok},
		{name: "a token server that wants something else", reg: asksBearer(nil), auth: says(400, `{"message":"no \u001b]8;;x"}`, jsonHeader), want: Protocol, message: "the token server auth.example answered 400 Bad Request: no ?]8;;x", asked: getTok},
		{name: "invalid_grant by GET", reg: asksBearer(nil), auth: says(400, `{"error":"invalid_grant"}`, jsonHeader), want: Rejected, message: rejectedText, asked: getTok},
	}
	for i := range group {
		group[i].scheme = "bearer"
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
		name: "another's token", auth: says(200, `{"token":"another"}`, jsonHeader), want: Rejected, message: rejectedText, hint: robotHint,
		asked: getTok + "; reg GET /v2/ Bearer another",
	}, scenario{
		name: "a token in an empty answer", auth: says(204, ""), want: Protocol, message: "the token server auth.example answered 204 No Content", asked: getTok,
	})
	for i := range group {
		group[i].reg, group[i].scheme = asksBearer(nil), "bearer"
	}
	return group
}
