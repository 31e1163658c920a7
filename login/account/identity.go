package account

import (
	"time"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/registry"
	"regshape/store"
)

// identityFlags is the part of login that is about identity tokens: OAuth2 refresh tokens,
// which docker and its relatives store as the password of the user "<token>".
type identityFlags struct {
	IdentityToken bool `name:"identity-token" help:"Exchange the password for an identity token at the token server, and store that instead. Without a user name the secret is such a token itself."`
}

// obtains reports whether a password is to be given to the token server for an identity
// token, rather than stored. Without a user name the secret is such a token itself.
func (c identityFlags) obtains(username string) bool {
	return c.IdentityToken && username != "" && username != authfile.TokenUser
}

// takeToken replaces what was verified by the identity token that the token server gave for
// it: a password that must not be stored, or an older token, which is then invalid (RFC
// 6749 §6).
func (c identityFlags) takeToken(cred *store.Credential, name string, result registry.Result) error {
	switch {
	case cred.Kind == store.KindDevice: // it has the token of its issuer
	case result.IdentityToken != "" && (cred.Kind == store.KindIdentityToken || c.obtains(cred.Username)):
		cred.Username, cred.Secret, cred.Kind = authfile.TokenUser, result.IdentityToken, store.KindIdentityToken
		if cred.Renew != nil {
			cred.Renew.Token = result.IdentityToken // what logout revokes
		}
	case !c.obtains(cred.Username):
	case result.TokenServer:
		return noIdentityToken(name, result, "the token server issues no identity tokens")
	default:
		return noIdentityToken(name, result, "the registry has no token server for identity tokens")
	}
	return nil
}

// fromDevice makes the refresh token of a device login the secret, where --identity-token
// asks for that instead of its access token: clients then get access tokens as they need
// them. A logout still revokes it at the issuer.
func (c identityFlags) fromDevice(cred *store.Credential, name string) error {
	switch {
	case !c.IdentityToken || cred.Kind != store.KindDevice:
		return nil
	case !hasRefreshToken(*cred):
		return noIdentityToken(name, registry.Result{}, "the issuer gave no refresh token")
	}
	cred.Username, cred.Secret, cred.Kind = authfile.TokenUser, cred.Renew.Token, store.KindIdentityToken
	cred.Expires = time.Time{} // that was the access token's
	return nil
}

func noIdentityToken(name string, result registry.Result, message string) error {
	result.Outcome, result.Message = registry.Protocol, message
	result.Advice, result.Detail = "", ""
	return &app.VerifyError{Doing: "Login failed for", Registry: name, Result: result, Hint: "log in without --identity-token"}
}
