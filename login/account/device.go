package account

import (
	"errors"
	"fmt"
	"time"

	"regshape/login/app"
	"regshape/login/lookup"
	"regshape/login/registry"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/printable"
)

// deviceFlags are the flags of login that have the user confirm in a browser (RFC 8628).
type deviceFlags struct {
	Device         bool   `help:"Log in with a browser, here or on another device, instead of a password." group:"Device login"`
	DeviceIssuer   string `name:"device-issuer" placeholder:"URL" help:"Where the login is confirmed; known from the last device login." group:"Device login"`
	DeviceClientID string `name:"device-client-id" placeholder:"ID" help:"The client's name at the issuer; known from the last device login." group:"Device login"`
	DeviceScope    string `name:"device-scope" placeholder:"SCOPE" help:"What to ask the issuer for; else openid and offline_access, where it has them." group:"Device login"`
}

// anyUser is the user name where neither the user nor the issuer gives one: registries that
// take an OAuth2 access token as password look at the token alone, and this is the name
// that they document.
const anyUser = "oauth2accesstoken"

// check refuses device flags that cannot work.
func (c *deviceFlags) check(e *app.Env, l *Login) error {
	switch {
	case !c.Device && c.DeviceIssuer+c.DeviceClientID+c.DeviceScope != "":
		return &app.UsageError{Message: "--device-issuer, --device-client-id and --device-scope are for --device", Hint: "add --device"}
	case !c.Device:
		return nil
	case l.PasswordStdin || e.Password != "":
		return &app.UsageError{Message: "--device takes no password", Hint: "leave out -p and --password-stdin"}
	case l.For != nil:
		return &app.UsageError{Message: "--for and --device exclude each other: the issuer says how long its token lasts", Hint: "leave out --for"}
	case c.DeviceIssuer != "":
		if err := registry.CheckIssuer(c.DeviceIssuer); err != nil {
			return &app.UsageError{Message: "--device-issuer: " + err.Error(), Hint: "give its URL as the issuer itself spells it"}
		}
	}
	return nil
}

// login has the user confirm in a browser and returns the credential to verify and store:
// the issuer's access token as the secret and, to renew it, its refresh token.
func (c *deviceFlags) login(e *app.Env, client *registry.Client, to lookup.Destination, url string) (store.Credential, error) {
	address := store.ParseAddress(url)
	name := app.Shown(address)
	own, ok := to.(lookup.StoreDestination)
	if !ok {
		return store.Credential{}, &app.UsageError{
			Message: "a device login needs regshape's own store: nothing else can renew it, and this one would be " + to.String(),
			Hint:    "leave out --authfile and its variables, or take the registry out of credHelpers",
		}
	}
	known, err := own.Peek(e.Ctx, address)
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
	if e.Ctx.Err() != nil {
		return store.Credential{}, terminal.ErrInterrupted
	}
	if result.Outcome != registry.Verified {
		return store.Credential{}, &app.VerifyError{Doing: "Login failed for", Registry: name, Result: result}
	}
	cred := store.Credential{
		ServerURL: url, Username: e.GivenUsername(), Secret: grant.AccessToken, Kind: store.KindDevice, Expires: grant.Expires,
		Renew: &store.Renewal{Issuer: d.Issuer, ClientID: d.ClientID, Scope: grant.Scope, Token: grant.RefreshToken},
	}
	claimed := grant.Username
	if hubLogin(address, d.Issuer) {
		var token string
		if claimed, token, result = client.HubToken(e.Ctx, grant.AccessToken); result.Outcome != registry.Verified {
			withdraw(e, client, own.Store, cred)
			if e.Ctx.Err() != nil {
				return store.Credential{}, terminal.ErrInterrupted
			}
			return store.Credential{}, &app.VerifyError{Doing: "Login failed for", Registry: name, Result: result}
		}
		cred.Secret, cred.Expires = token, time.Time{} // it ends when the account's owner deletes it
	}
	for _, candidate := range []string{claimed, known.Username, anyUser} {
		if cred.Username == "" {
			cred.Username = candidate
		}
	}
	return cred, nil
}

// client is the issuer to ask: that of the flags, else the one remembered from the last
// device login, which also has the client's name; for Docker Hub there is but one.
func (c *deviceFlags) client(address store.Address, known *store.Renewal) (registry.DeviceClient, error) {
	d := registry.DeviceClient{Issuer: c.DeviceIssuer, ClientID: c.DeviceClientID, Scope: c.DeviceScope}
	if d.Issuer == "" && known != nil {
		d.Issuer = known.Issuer
	}
	if d.Issuer == "" && address.Hub() {
		d.Issuer = registry.HubIssuer
	}
	if known != nil && known.Issuer == d.Issuer {
		if d.ClientID == "" {
			d.ClientID = known.ClientID
		}
		if d.Scope == "" && known.ClientID == d.ClientID {
			d.Scope = known.Scope
		}
	}
	if hubLogin(address, d.Issuer) {
		d.Audience = registry.HubAudience
		if d.Scope == "" {
			d.Scope = registry.HubScope
		}
	}
	missing := ""
	switch {
	case d.Issuer == "":
		missing = "issuer"
	case d.ClientID == "":
		missing = "client id"
	default:
		return d, nil
	}
	return d, &app.UsageError{
		Message: fmt.Sprintf("no %s is known for a device login to %s", missing, app.Shown(address)),
		Hint:    "ask the registry's operator for both, then add --device-issuer URL --device-client-id ID",
	}
}

// hubLogin says that the issuer's token is none of the registry's, but one to get it with.
func hubLogin(address store.Address, issuer string) bool {
	return address.Registry().Hub() && issuer == registry.HubIssuer
}

// device is the issuer of a stored login.
func device(r *store.Renewal) registry.DeviceClient {
	return registry.DeviceClient{Issuer: r.Issuer, ClientID: r.ClientID, Scope: r.Scope}
}

// tokenRejectedHint says what may be wrong where a registry refuses a fresh access token.
func tokenRejectedHint(c store.Credential) string {
	return fmt.Sprintf("the login was confirmed, but the registry does not take the token for the user %s: try -u USER, or --device-scope",
		printable.Line(c.Username, 100))
}

// issuerClient reaches the issuer of a stored login. How the registry was reached says
// nothing of the issuer, except which CAs the user trusts.
func issuerClient(e *app.Env, c store.Credential) (*registry.Client, error) {
	return e.Client(store.ParseAddress(c.ServerURL).Host(), &store.Credential{CAFile: c.CAFile})
}
