package registry

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestScope: robots may see their repository, not /v2/.
func TestScope(t *testing.T) {
	const scope = "repository:team/app:pull"
	for _, tt := range []struct {
		name          string
		base, tags    int // answers to alice
		open          bool
		scope         string
		want          Outcome
		wantHintScope bool
	}{
		{"robot", 401, 200, false, scope, Verified, false},
		{"robot, empty repository", 403, 404, false, scope, Verified, false},
		{"robot without scope", 403, 200, false, "", Forbidden, true},
		{"wrong", 401, 401, false, scope, Rejected, false},
		{"forbidden", 403, 403, false, scope, Forbidden, false},
		{"public repository proves nothing", 401, 200, true, scope, Rejected, false},
		{"no repository", 401, 200, false, "registry:catalog:*", Rejected, false},
		{"traversal", 401, 200, false, "repository:../x:pull", Rejected, false},
		{"/v2/ is enough", 200, 403, false, scope, Verified, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, false, func(s *site, w http.ResponseWriter, r *http.Request) {
				tags := r.URL.Path == "/v2/team/app/tags/list"
				switch {
				case tags && tt.open:
				case !basicOK(r):
					basicRegistry(s, w, r)
				case tags:
					w.WriteHeader(tt.tags)
				default:
					w.WriteHeader(tt.base)
				}
			})
			r := client(t, Options{}).Verify(t.Context(), s.host(), tt.scope, alice)
			if r.Outcome != tt.want || strings.Contains(r.Hint, "--scope") != tt.wantHintScope {
				t.Errorf("got %v, hint %q\n%s", r, r.Hint, s.seen())
			}
		})
	}
}

func TestScopeBearer(t *testing.T) {
	var scopes []string
	s := serve(t, false, func(s *site, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			scopes = r.URL.Query()["scope"]
		}
		if r.URL.Path == "/v2/" && r.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		bearerRegistry(s, w, r)
	})
	r := client(t, Options{}).Verify(t.Context(), s.host(), "repository:a/b:pull repository:c:pull,push", alice)
	if r.Outcome != Verified || fmt.Sprint(scopes) != "[repository:a/b:pull repository:c:pull,push]" {
		t.Errorf("%v, scopes %q", r, scopes)
	}
}

// TestScopeBehindOpenBase: /v2/ is open, the repository is not.
func TestScopeBehindOpenBase(t *testing.T) {
	s := serve(t, false, func(s *site, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			basicRegistry(s, w, r)
		}
	})
	c := client(t, Options{})
	for cred, want := range map[Credential]Outcome{alice: Verified, {Username: "alice", Secret: "x"}: Rejected} {
		if r := c.Verify(t.Context(), s.host(), "repository:a:pull", cred); r.Outcome != want {
			t.Errorf("%v, want %s", r, want)
		}
	}
}
