package account

import (
	"strings"
	"testing"
	"time"

	"regshape/login/registry"
	"regshape/store"
)

// A device login with --identity-token keeps the refresh token as docker knows it, and its
// issuer for the logout; a token that the server replaces is replaced in both places.
func TestIdentityFlags_device(t *testing.T) {
	made := func(token string) store.Credential {
		return store.Credential{
			ServerURL: "h.example", Username: "alice", Secret: "access", Kind: store.KindDevice, Expires: time.Now(),
			Renew: &store.Renewal{Issuer: "https://issuer.example", ClientID: "c", Token: token},
		}
	}
	want := identityFlags{IdentityToken: true}
	cred := made("first")
	if err := want.fromDevice(&cred, "h.example"); err != nil {
		t.Fatal(err)
	}
	if cred.Username != "<token>" || cred.Secret != "first" || cred.Kind != store.KindIdentityToken || !cred.Expires.IsZero() {
		t.Errorf("the login is %#v, %s until %v, want the refresh token as an identity token", cred, cred.Kind, cred.Expires)
	}
	if err := want.takeToken(&cred, "h.example", registry.Result{Outcome: registry.Verified, IdentityToken: "second"}); err != nil || cred.Secret != "second" || cred.Renew.Token != "second" {
		t.Errorf("takeToken of a rotated token: %v, secret %q", err, cred.Secret)
	}
	none := made("")
	if err := want.fromDevice(&none, "h.example"); err == nil || !strings.Contains(err.Error(), "the issuer gave no refresh token") {
		t.Errorf("fromDevice without a refresh token = %v, want an error that says so", err)
	}
	plain := made("first")
	if err := (identityFlags{}).fromDevice(&plain, "h.example"); err != nil || plain.Kind != store.KindDevice || plain.Secret != "access" {
		t.Errorf("fromDevice without --identity-token: %#v, %v, want no change", plain, err)
	}
}
