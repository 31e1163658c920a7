package login

import (
	"fmt"

	"regshape/login/registry"
	"regshape/store"
	"regshape/store/printable"
)

type tokenCmd struct {
	registryArg
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
func (c *tokenCmd) Run(e *env) error {
	address, err := c.target("token")
	if err != nil {
		return err
	}
	name := shown(store.ParseAddress(serverURL(address)))
	found, err := wanted{e, address}.resolve(false)
	if err != nil {
		return &storeError{name, "resolve " + name, err}
	}
	var credential registry.Credential
	var entry *store.Credential
	if found.found != nil {
		credential, entry = found.found.credential(), found.found.entry
	} else if c, _, ok := e.expiredEntry(address); ok {
		e.warn("the login for %s ended on %s; the token is an anonymous one.", name, clock(c.Expires))
	}
	client, err := e.client(address.Host(), entry)
	if err != nil {
		return err
	}
	token, result := client.Token(e.ctx, address.Host(), pullScope(c.Scope), credential)
	switch {
	case e.ctx.Err() != nil:
		return errInterrupted
	case result.Outcome == registry.Unverified:
		result.Message = "the registry gives out no tokens: it never asks for a login"
		return &verifyError{"No token from", name, result}
	case result.Outcome != registry.Verified:
		return &verifyError{"No token from", name, result}
	}
	if e.JSON {
		return writeJSON(e.Out, tokenResult{"success", name, token.Value, int(token.ExpiresIn.Seconds())}, token.Value)
	}
	_, err = fmt.Fprintln(printable.Raw(e.Out), e.asked(token.Value))
	return err
}
