package registry

import (
	"io"
	"net/http"
	"strings"
)

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
	robotHint  = "a robot account may need --scope NAME/OF/REPOSITORY"
	checkHint  = "check the name and the port"
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
			hint: "the registry wants a user name and a password", asked: ping,
		},
		{
			name: "a colon in the user name", reg: asksBasic(nil), cred: Credential{Username: "a:b", Secret: "x"}, want: Protocol,
			message: "a user name with a colon cannot be sent with Basic authentication", asked: ping,
		},
		{
			name: "an identity token where passwords are wanted", reg: asksBasic(nil), cred: identity, want: Protocol,
			message: "the registry takes no identity tokens: it asks for Basic authentication",
			hint:    "log in with a user name and a password", asked: ping,
		},
		{name: "no API behind the login", reg: asksBasic(says(404, "")), want: NotARegistry, message: "not a registry: it answers /v2/ with 404 Not Found", hint: checkHint, asked: basic2},
		{name: "a teapot behind the login", reg: asksBasic(says(418, "")), want: Protocol, message: "the registry answered 418 I'm a teapot", asked: basic2},
		{name: "forbidden", reg: asksBasic(says(403, "")), want: Forbidden, message: "access forbidden", hint: robotHint, asked: basic2},
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
			want: Forbidden, message: message, hint: robotHint, asked: basic2,
		})
	}
	for i := range group {
		group[i].scheme = "basic"
	}
	return group
}
