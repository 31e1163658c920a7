package registry

import (
	"net/http"
	"strings"
)

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
		byGet    = "; auth GET /token?account=%3Ctoken%3E&service=fake basic-token"
		proof    = "; reg GET /v2/ bearer"
		offlineG = ping + "; auth GET /token?account=alice&client_id=regshape&offline_token=true&service=fake basic"
		offlineP = "; auth POST /token password?access_type=offline&client_id=regshape&grant_type=password&service=fake&username=alice"
	)
	want := Options{WantIdentityToken: true}
	group := []scenario{
		{name: "identity token", auth: gives(nil), cred: identity, want: Verified, message: accepted, asked: refresh + proof},
		{name: "identity token that is revoked", auth: gives(nil), cred: revoked, want: Rejected, message: rejectedText, asked: refresh},
		{name: "identity token that is revoked with 401", auth: says(401, ""), cred: revoked, want: Rejected, message: rejectedText, asked: refresh},
		{name: "identity token that is rotated", auth: gives(map[string]any{"refresh_token": "rotated-canary-token"}), cred: identity, want: Verified, message: accepted, identity: "rotated-canary-token", asked: refresh + proof},
		{name: "identity token at a server without POST", auth: only("GET", 405, gives(nil)), cred: identity, want: Verified, message: accepted, asked: refresh + byGet + proof},
		{name: "identity token at a server without refresh", auth: says(400, `{"error":"unsupported_grant_type"}`, jsonHeader), cred: identity, want: Protocol, message: "the token server auth.example answered 400 Bad Request: unsupported_grant_type", asked: refresh},
		{name: "wants an identity token, offered by GET", auth: offers("GET"), opt: want, want: Verified, message: accepted, identity: "refresh-canary-token", asked: offlineG + proof},
		{name: "wants an identity token, offered by POST", auth: offers("POST"), opt: want, want: Verified, message: accepted, identity: "refresh-canary-token", asked: offlineG + offlineP + proof},
		{name: "wants an identity token, not offered", auth: gives(nil), opt: want, want: Verified, message: accepted, asked: offlineG + offlineP + proof},
		{name: "wants an identity token, POST is broken", auth: only("GET", 500, gives(nil)), opt: want, want: Verified, message: accepted, asked: offlineG + strings.Join([]string{offlineP, "wait 250ms", offlineP[2:], "wait 500ms", offlineP[2:], "wait 1s", offlineP[2:]}, "; ") + proof},
		{name: "wants an identity token, wrong password", auth: offers("GET"), opt: want, cred: wrong, want: Rejected, message: rejectedText, asked: offlineG + "-wrong"},
		{name: "an identity token that nobody asked for", auth: offers("GET"), want: Verified, message: accepted, asked: proof3},
	}
	for i := range group {
		group[i].reg, group[i].scheme = asksBearer(nil), "bearer"
	}
	return group
}
