package registry

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// describe says what a request asks and which credential it carries where one belongs.
// A secret anywhere else in it is marked LEAK.
func (st *stage) describe(role string, r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	said := r.Method + " " + r.RequestURI
	if r.Method == http.MethodConnect {
		said = r.Method + " " + r.Host
	}
	auth := r.Header.Get("Authorization")
	switch user, secret, isBasic := r.BasicAuth(); {
	case isBasic && user == "<token>":
		said += " basic-token"
	case isBasic && secret == wrong.Secret:
		said += " basic-wrong"
	case isBasic:
		said += " basic"
	case auth == "Bearer access-canary-token":
		said += " bearer"
	case auth != "":
		said += " " + auth
	}
	if form, err := url.ParseQuery(string(body)); err == nil && len(body) > 0 {
		said += " " + form.Get("grant_type")
		for _, where := range []string{"password", "refresh_token"} {
			form.Del(where)
		}
		said += "?" + form.Encode()
	}
	rest := r.Header.Clone()
	rest.Del("Authorization")
	if role == "proxy" {
		rest.Del("Proxy-Authorization")
	}
	if strings.Contains(fmt.Sprint(said, r.Host, rest, r.Trailer), "canary") && !strings.Contains(said, "Bearer ") {
		said += " LEAK"
	}
	return said
}
