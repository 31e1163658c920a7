package registry

import (
	"net/http"
	"strings"
)

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
		{name: "robot without a scope", reg: robots(denied, asksBasic(ok), basic), want: Forbidden, message: "access forbidden", hint: robotHint, asked: basic2},
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
		group[i].scheme = "basic"
		if strings.HasPrefix(group[i].name, "open /v2/") {
			h := group[i].reg
			group[i].reg = func(st *stage, w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v2/" {
					h(st, w, r)
				}
			}
		}
	}
	group[len(group)-1].scheme = ""
	const scopes = "&scope=repository%3Ateam%2Fapp%3Apull&scope=repository%3Ac%3Apull%2Cpush"
	return append(group, scenario{
		name: "robot by token", reg: robots(denied, asksBearer(ok), bearerTo), auth: gives(nil), scheme: "bearer",
		scope: scope + " repository:c:pull,push", want: Verified, message: accepted,
		asked: ping + "; auth GET /token?account=alice" + scopes + "&service=fake basic; reg GET /v2/ bearer; " + tags + "; " + tags + " bearer",
	})
}
