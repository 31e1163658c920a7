package login

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"regshape/login/app"
	"regshape/store"
)

// tokenRegistry asks for a token of its own realm, which gives access tokens to alice and
// to her identity token, and with them what refresh says.
func tokenRegistry(t *testing.T, password, identity, refresh string) string {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/v2/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer access" {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="x"`, server.URL))
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		_, got, _ := r.BasicAuth()
		if got != password && (identity == "" || r.PostFormValue("refresh_token") != identity) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body := map[string]string{"token": "access"}
		if refresh != "" {
			body["refresh_token"] = refresh
		}
		_ = json.NewEncoder(w).Encode(body)
	})
	return server.Listener.Addr().String()
}

func TestLogin_identityToken(t *testing.T) {
	const password, first, rotated = "canary-password", "canary-first-token", "canary-rotated-token"
	for name, c := range map[string]struct {
		args      []string
		secret    string
		refresh   string // what the token server gives
		want      string // what is stored; "" for nothing
		kind      store.Kind
		code      int
		says, not string
	}{
		"obtained":       {[]string{"-u", "alice", "--identity-token"}, password, first, first, store.KindIdentityToken, 0, "Identity token for ", "alice"},
		"none to obtain": {[]string{"-u", "alice", "--identity-token"}, password, "", "", "", 1, "the token server issues no identity tokens\nHint: log in without --identity-token", "Succeeded"},
		"wrong password": {[]string{"-u", "alice", "--identity-token"}, "wrong-canary", first, "", "", 1, "authentication rejected", "Succeeded"},
		"given":          {[]string{"--identity-token"}, first, "", first, store.KindIdentityToken, 0, "Identity token for ", ""},
		"given by mark":  {[]string{"-u", "<token>"}, first, "", first, store.KindIdentityToken, 0, "Identity token for ", ""},
		"mark and flag":  {[]string{"-u", "<token>", "--identity-token"}, first, "", first, store.KindIdentityToken, 0, "Identity token for ", ""},
		"rotated":        {[]string{"--identity-token"}, first, rotated, rotated, store.KindIdentityToken, 0, "Identity token for ", ""},
		"revoked":        {[]string{"--identity-token"}, "revoked-canary", first, "", "", 1, "authentication rejected", "Succeeded"},
		"unasked for":    {[]string{"-u", "alice"}, password, first, password, store.KindPassword, 0, "alice for ", "Identity token for"},
		"not verified":   {[]string{"--identity-token", "--skip-verify"}, first, "", first, store.KindIdentityToken, 0, "is not verified", ""},
		"not obtainable": {[]string{"-u", "alice", "--identity-token", "--skip-verify"}, password, first, "", "", 2, "--skip-verify forbids it", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newStatusHome(t)
			t.Setenv("REGSHAPE_PASSWORD", c.secret)
			host := tokenRegistry(t, password, first, c.refresh)
			nothing, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer nothing.Close()
			var out bytes.Buffer
			code := Run(t.Context(), app.Call{
				Args: append([]string{"auth", "login", host, "--store", h.dir}, c.args...),
				In:   nothing, Out: &out, Err: &out, Getenv: os.Getenv, Build: app.Build{Version: "dev"},
			})
			text := out.String()
			if code != c.code || !strings.Contains(text, c.says) || c.not != "" && strings.Contains(text, c.not) || strings.Contains(text, "canary") {
				t.Errorf("exit code %d, want %d:\n%s", code, c.code, text)
			}
			got, _, err := h.store().List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if len(got) != 0 {
					t.Errorf("stored all the same: %v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Secret != c.want || got[0].Kind != c.kind || (got[0].Username == "<token>") != (c.kind == store.KindIdentityToken) {
				t.Errorf("stored %v, of another kind, or another secret", got)
			}
		})
	}
}
