package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"regshape/login/app"
	"regshape/login/lookup"
	"regshape/login/registry"
	"regshape/store"
	"regshape/store/printable"
)

// deviceFlags are the flags of login that have the user confirm in a browser (RFC 8628).
type deviceFlags struct {
	Device         bool   `xor:"lifetime" help:"Log in with a browser, here or on another device, instead of a password." group:"Device login"`
	DeviceIssuer   string `name:"device-issuer" placeholder:"URL" help:"Issuer that confirms the login; default: that of the last device login." group:"Device login"`
	DeviceClientID string `name:"device-client-id" placeholder:"ID" help:"Client id at the issuer; default: that of the last device login." group:"Device login"`
	DeviceScope    string `name:"device-scope" placeholder:"SCOPE" help:"Scope to request; default: openid and offline_access, where the issuer has them." group:"Device login"`
}

// anyUser is the user name where neither the user nor the issuer gives one: registries that
// take an OAuth2 access token as password look at the token alone, and this is the name
// that they document.
const anyUser = "oauth2accesstoken"

// confirm has the user confirm in a browser and returns the credential to verify and store:
// the issuer's access token as the secret and, to renew it, its refresh token.
func (c *deviceFlags) confirm(e *app.Env, client *registry.Client, to lookup.Destination, address store.Address) (store.Credential, error) {
	name := address.Name()
	if to.Store == nil {
		return store.Credential{}, &app.UsageError{
			Message: "a device login needs regshape's own store: nothing else can renew it, and this one would be " + to.String(),
			Hint:    "leave out --authfile and its variables, or take the registry out of credHelpers",
		}
	}
	known, err := to.Store.Peek(e.Ctx, address)
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrDamaged) {
		return store.Credential{}, &app.StoreError{Registry: name, Doing: "read what is stored for " + name, Err: err}
	}
	d, err := c.client(address, known.Renew)
	if err != nil {
		return store.Credential{}, err
	}
	screen := newDeviceScreen(e, name)
	grant, result := client.DeviceLogin(e.Ctx, d, registry.DeviceScreen{Show: screen.show, Pause: screen.pause})
	screen.end()
	if e.Ctx.Err() != nil || result.Outcome != registry.Verified {
		return store.Credential{}, failed(e, "Login failed for", name, store.Credential{}, result)
	}
	cred := store.Credential{
		ServerURL: address.String(), Secret: grant.AccessToken, Kind: store.KindDevice, Expires: grant.Expires,
		Renew: &store.Renewal{Issuer: d.Issuer, ClientID: d.ClientID, Scope: grant.Scope, Token: grant.RefreshToken},
	}
	claimed := grant.Username
	if hubLogin(address, d.Issuer) {
		var token string
		if claimed, token, result = client.HubToken(e.Ctx, grant.AccessToken); result.Outcome != registry.Verified {
			revokeUnused(e, client, to.Store, cred)
			return store.Credential{}, failed(e, "Login failed for", name, store.Credential{}, result)
		}
		cred.Secret, cred.Expires = token, time.Time{} // it ends when the account's owner deletes it
	}
	cred.Username = cmp.Or(app.GivenUsername(e), claimed, known.Username, anyUser)
	return cred, nil
}

// client is the issuer to ask: that of the flags, else the one remembered from the last
// device login, which also has the client's name; Docker Hub has only one.
func (c *deviceFlags) client(address store.Address, known *store.Renewal) (registry.DeviceClient, error) {
	if known == nil {
		known = &store.Renewal{}
	}
	d := registry.DeviceClient{Issuer: cmp.Or(c.DeviceIssuer, known.Issuer), ClientID: c.DeviceClientID, Scope: c.DeviceScope}
	if d.Issuer == "" && address.Hub() {
		d.Issuer = registry.HubIssuer
	}
	if known.Issuer == d.Issuer {
		d.ClientID = cmp.Or(d.ClientID, known.ClientID)
		if known.ClientID == d.ClientID {
			d.Scope = cmp.Or(d.Scope, known.Scope)
		}
	}
	if hubLogin(address, d.Issuer) {
		d.Audience, d.Scope = registry.HubAudience, cmp.Or(d.Scope, registry.HubScope)
	}
	missing, ask := "issuer", "both, then add --device-issuer URL"
	if d.Issuer != "" {
		missing, ask = "client id", "one, then add"
	}
	if d.Issuer != "" && d.ClientID != "" {
		return d, nil
	}
	return d, &app.UsageError{
		Message: fmt.Sprintf("no %s is known for a device login to %s", missing, address.Name()),
		Hint:    "ask the registry's operator for " + ask + " --device-client-id ID",
	}
}

// hubLogin reports whether the issuer's token is not for the registry, but to get one there.
func hubLogin(address store.Address, issuer string) bool {
	return address.Registry().Hub() && issuer == registry.HubIssuer
}

// device is the issuer of a stored login.
func device(r *store.Renewal) registry.DeviceClient {
	return registry.DeviceClient{Issuer: r.Issuer, ClientID: r.ClientID, Scope: r.Scope}
}

// issuerClient is a client for the issuer of a stored login. Of how the registry is reached
// only the CA file applies to the issuer.
func issuerClient(e *app.Env, c store.Credential) (*registry.Client, error) {
	return e.Client(c.Address(), &store.Credential{CAFile: c.CAFile})
}

// maxIssuers bounds how many issuers are asked at once.
const maxIssuers = 8

// revocable returns the logins whose refresh token can be revoked; it is called before they
// are erased. One that cannot be read is warned of: its token stays valid.
func revocable(e *app.Env, s *store.Store, addresses []store.Address) []store.Credential {
	var found []store.Credential
	for _, a := range lookup.Unique(slices.Clone(addresses), store.Address.String) { // spellings of one
		c, err := s.Peek(e.Ctx, a)
		switch {
		case err == nil && hasRefreshToken(c):
			found = append(found, c)
		case err != nil && !errors.Is(err, store.ErrNotFound):
			e.Warn("the entry of %s cannot be read, so no refresh token of a device login was revoked: %v.", a.Name(), err)
		}
	}
	return found
}

// revoke revokes the refresh tokens of removed logins at their issuers, in no more than
// --timeout altogether. A failure is a warning: the logins are gone from here.
func revoke(e *app.Env, removed []store.Credential) {
	ctx, cancel := context.WithTimeout(e.Ctx, e.Timeout)
	defer cancel()
	failures := make([]string, len(removed))
	_ = app.Each(context.Background(), len(removed), maxIssuers, func(i int) error { // do returns none
		c := removed[i]
		client, err := issuerClient(e, c)
		if err != nil {
			failures[i] = err.Error()
			return nil //nolint:nilerr // it is told below
		}
		if r := client.Revoke(ctx, device(c.Renew), c.Renew.Token); r.Outcome != registry.Verified {
			failures[i] = r.Message
		}
		return nil
	})
	for i, why := range failures {
		if why != "" {
			e.Warn("the refresh token of %s was not revoked and stays valid until %s ends it: %s.",
				removed[i].Address().Name(), printable.Line(removed[i].Renew.Issuer, 200), why)
		}
	}
}

// revokeUnused revokes what a login obtained that then failed, so that nothing is left
// behind at the issuer; after Ctrl-C, too, for a moment. Where an older login of that issuer
// is stored it does nothing: many issuers revoke all of a client's tokens for the user at
// once (RFC 7009 §2.1 lets them).
func revokeUnused(e *app.Env, client *registry.Client, s *store.Store, c store.Credential) {
	if !hasRefreshToken(c) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.Ctx), min(e.Timeout, graceTime))
	defer cancel()
	old, err := s.Peek(ctx, c.Address())
	if err == nil && old.Renew != nil && old.Renew.Issuer == c.Renew.Issuer || err != nil && !errors.Is(err, store.ErrNotFound) {
		return
	}
	_ = client.Revoke(ctx, device(c.Renew), c.Renew.Token) // the login's own failure is reported
}
