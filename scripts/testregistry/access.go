package testregistry

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
)

// admit answers 401 with the registry's challenge, or 403, and returns false
// unless the request may go on.
func (g *Registry) admit(w http.ResponseWriter, r *http.Request, t target) bool {
	switch g.opts.Auth {
	case Basic:
		user, password, ok := r.BasicAuth()
		if ok && passwordOK(g.opts.Users, user, password) {
			return true
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="testregistry"`)
	case Bearer:
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		scope := scopeFor(r.Method, t)
		challenge := fmt.Sprintf(`Bearer realm="%s",service="%s"`, g.opts.Realm, g.opts.Tokens.opts.Service)
		if scope.Name != "" {
			challenge += fmt.Sprintf(`,scope="%s"`, scope)
		}
		if strings.EqualFold(scheme, "Bearer") {
			claims, err := g.opts.Tokens.Verify(token)
			switch {
			case err != nil:
				challenge += `,error="invalid_token"`
			case !claims.grants(scope):
				challenge += `,error="insufficient_scope"`
			default:
				return true
			}
		}
		w.Header().Set("WWW-Authenticate", challenge)
	default:
		return true
	}
	fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	return false
}

// scopeFor is what a token must grant for a request; the base path needs no more
// than a valid token.
func scopeFor(method string, t target) Access {
	if t.kind == "catalog" {
		return Access{Type: "registry", Name: "catalog", Actions: []string{"*"}}
	}
	if t.repo == "" {
		return Access{}
	}
	actions := []string{"pull"}
	switch method {
	case http.MethodGet, http.MethodHead:
	case http.MethodDelete:
		actions = []string{"delete"}
	default:
		actions = []string{"pull", "push"}
	}
	return Access{Type: "repository", Name: t.repo, Actions: actions}
}

// passwordOK compares in constant time: not that a test needs it, but a copy of
// this code might.
func passwordOK(users map[string]string, user, password string) bool {
	want, known := users[user]
	return subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 1 && known
}
