package account

import (
	"fmt"

	"regshape/login/app"
	"regshape/login/lookup"
	"regshape/login/registry"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/printable"
)

// Token prints a bearer token.
type Token struct {
	app.RegistryArg
	Scope string `placeholder:"SCOPE" help:"What the token is for: a repository to pull from, or a scope such as repository:team/app:pull,push."`
}

// tokenResult is the JSON of token.
type tokenResult struct {
	Status    string `json:"status"` // "success"
	Registry  string `json:"registry"`
	Token     string `json:"token"`
	ExpiresIn int    `json:"expires_in"` // seconds
}

// Run prints a bearer token for scripts, obtained with the login that would be used, or
// an anonymous one.
func (c *Token) Run(e *app.Env) error {
	address, err := c.Target("token")
	if err != nil {
		return err
	}
	name := address.Bare().Name()
	if err := app.TakeAccount(e, name); err != nil {
		return err
	}
	found, err := lookup.Query{E: e, Address: address}.Resolve(false)
	if err != nil {
		return &app.StoreError{Registry: name, Doing: "resolve " + name, Err: err}
	}
	var login store.Credential
	if found.Found != nil {
		login = found.Found.Credential
	} else if c, _, ok := expiredEntry(e, address); ok {
		e.Warn("the login for %s expired on %s; the token is anonymous.", name, terminal.Clock(c.Expires))
	}
	client, err := e.Client(address, &login)
	if err != nil {
		return err
	}
	token, result := client.Token(e.Ctx, address, pullScope(c.Scope), forRegistry(login))
	if result.Outcome == registry.Unverified {
		result.Message = "the registry does not issue tokens: it never asks for a login"
	}
	if e.Ctx.Err() != nil || result.Outcome != registry.Verified {
		return failed(e, "No token from", name, login, result)
	}
	if e.JSON {
		return app.WriteJSON(e.Out, tokenResult{"success", name, token.Value, int(token.ExpiresIn.Seconds())}, token.Value)
	}
	_, err = fmt.Fprintln(printable.Raw(e.Out), shownSecret(e, token.Value))
	return err
}

// Manual is the text of --help and of the man page.
func (*Token) Manual() app.Manual {
	return app.Manual{Failed: "the registry issued no token", Examples: [][2]string{
		{"regshape auth token ghcr.io --scope team/app", "pull from one repository"},
		{"regshape auth token ghcr.io --scope repository:team/app:pull,push", "pull and push"},
	}}
}
