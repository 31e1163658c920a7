package account

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/term"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/registry"
	"regshape/login/terminal"
	"regshape/store"
)

// IdentityArg is the part of login that is about identity tokens: OAuth2 refresh tokens,
// which docker's family keeps under the user name "<token>" in a password's place.
type IdentityArg struct {
	IdentityToken bool `name:"identity-token" help:"Have the token server give an identity token for the password, and store that instead. Without a user name the secret is such a token itself."`
}

// obtains reports whether a password is to be given to the token server for an identity
// token, rather than stored. Without a user name the secret is such a token itself.
func (c IdentityArg) obtains(username string) bool {
	return c.IdentityToken && username != "" && username != authfile.TokenUser
}

// givenToken takes an identity token from where a password would come from.
func (c IdentityArg) givenToken(e *app.Env, name string, stdin bool) (username, token string, err error) {
	switch token = e.Password; {
	case stdin:
		token, err = terminal.ReadSecret(e.In)
		return authfile.TokenUser, token, err
	case token != "":
		e.Warn("other processes can see a token given with -p; use --password-stdin.")
	default:
		token = e.Getenv("REGSHAPE_PASSWORD")
	}
	if token != "" {
		return authfile.TokenUser, token, nil
	}
	if !e.Prompt().Interactive() {
		return "", "", &app.UsageError{
			Message: "no terminal to ask at, and no identity token given",
			Hint:    fmt.Sprintf("pipe it: '… | %s', or obtain one with -u USER and a password", e.Own("auth", "login", name, "--identity-token", "--password-stdin")),
		}
	}
	token, err = e.Prompt().Ask(fmt.Sprintf("Identity token for %s: ", name), func(fd int) (string, error) {
		line, err := term.ReadPassword(fd)
		return string(line), err
	})
	_, _ = fmt.Fprintln(e.Err) // the user's own line end was not echoed
	if err == nil && token == "" {
		err = errors.New("no identity token given")
	}
	return authfile.TokenUser, token, err
}

// takeToken replaces what was verified by the identity token that the token server gave for
// it: a password that must not be stored, or an older token, which is then void (RFC 6749
// §6).
func (c IdentityArg) takeToken(cred *store.Credential, name string, result registry.Result) error {
	switch {
	case cred.Kind == store.KindDevice: // has its issuer's own token
	case result.IdentityToken != "" && (cred.Kind == store.KindIdentityToken || c.obtains(cred.Username)):
		cred.Username, cred.Secret, cred.Kind = authfile.TokenUser, result.IdentityToken, store.KindIdentityToken
		if cred.Renew != nil {
			cred.Renew.Token = result.IdentityToken // what logout revokes
		}
	case !c.obtains(cred.Username):
	case result.Challenge == "bearer":
		return noIdentityToken(name, result, "the token server gives out no identity tokens; log in without --identity-token")
	default:
		return noIdentityToken(name, result, "the registry has no token server for identity tokens; log in without --identity-token")
	}
	return nil
}

// fromDevice makes the refresh token of a device login the secret, where --identity-token
// asks for that instead of its access token: clients then get access tokens as they need
// them. A logout still revokes it at the issuer.
func (c IdentityArg) fromDevice(cred *store.Credential, name string) error {
	switch {
	case !c.IdentityToken || cred.Kind != store.KindDevice:
		return nil
	case cred.Renew == nil || cred.Renew.Token == "":
		return noIdentityToken(name, registry.Result{}, "the issuer gave no refresh token; log in without --identity-token")
	}
	cred.Username, cred.Secret, cred.Kind = authfile.TokenUser, cred.Renew.Token, store.KindIdentityToken
	cred.Expires = time.Time{} // that was the access token's
	return nil
}

func noIdentityToken(name string, result registry.Result, message string) error {
	result.Outcome, result.Message = registry.Protocol, message
	result.Advice, result.Detail = "", ""
	return &app.VerifyError{Doing: "Login failed for", Registry: name, Result: result}
}
