// Package account holds the commands for logins: login, logout, list, status, get, token,
// refresh and export.
package account

import (
	"errors"
	"strings"
	"time"

	"regshape/login/app"
	"regshape/login/lookup"
	"regshape/login/registry"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/durable"
	"regshape/store/printable"
)

// Login verifies a credential at a registry and stores it.
type Login struct {
	app.RegistryArg
	IdentityArg
	PasswordStdin bool           `name:"password-stdin" help:"Read the password from standard input; one line ending at its end is cut."`
	Scope         string         `placeholder:"REPOSITORY" help:"Verify by reading this repository, for robot accounts that may not see the whole registry."`
	For           *time.Duration `placeholder:"DURATION" help:"Forget the login after this time, for example 8h."`
	SkipVerify    bool           `name:"skip-verify" help:"Store the credential without asking the registry."`
	deviceFlags
}

// loginResult is the JSON of a login. Times are RFC 3339 in UTC.
type loginResult struct {
	Status    string     `json:"status"` // "success"
	Registry  string     `json:"registry"`
	Username  string     `json:"username"` // "<token>" for an identity token
	Reason    string     `json:"reason"`   // "verified", "unverified" or "skipped"
	Transport string     `json:"transport,omitempty"`
	Where     string     `json:"where"` // the folder of the store, a helper's program, or a file
	Expires   *time.Time `json:"expires,omitempty"`
}

// Run logs in: find the credential, verify it, store it.
func (c *Login) Run(e *app.Env) error {
	address, err := c.check(e)
	if err != nil {
		return err
	}
	url := lookup.ServerURL(address)
	name := app.Shown(store.ParseAddress(url))
	to, err := lookup.Query{E: e, Address: store.ParseAddress(url)}.Destination()
	if err != nil {
		return &app.StoreError{Registry: name, Doing: "store credentials", Err: err}
	}
	// Before anybody types a password, or a registry is asked, in vain.
	if own, ok := to.(lookup.StoreDestination); ok {
		if _, err := own.RootKey(e.Ctx); errors.Is(err, store.ErrLocked) {
			return &app.StoreError{Registry: name, Doing: "store credentials", Err: err}
		}
	}
	options := app.ClientOptions(e, address.Host(), nil)
	options.WantIdentityToken = !c.Device && c.obtains(e.GivenUsername())
	client, err := registry.New(options)
	if err != nil {
		return err
	}
	if c.Device {
		scenario := e.Logs.Scenario("login " + name)
		defer scenario.End()
		cred, err := c.login(e, client, to, url)
		if err != nil {
			return err
		}
		scenario.Step("browser")
		return c.finish(e, client, to, cred, scenario)
	}
	username, secret, err := c.credential(e, url)
	if err != nil {
		return err
	}
	scenario := e.Logs.Scenario("login " + name)
	defer scenario.End()
	cred := asGiven(url, username, secret)
	return c.finish(e, client, to, cred, scenario)
}

// finish verifies and stores a credential. What a device login obtained in vain is given
// back to its issuer.
func (c *Login) finish(e *app.Env, client *registry.Client, to lookup.Destination, cred store.Credential, scenario *app.Scenario) error {
	address := store.ParseAddress(cred.ServerURL)
	name := app.Shown(address)
	stored := false
	defer func() {
		if own, ok := to.(lookup.StoreDestination); ok && !stored {
			withdraw(e, client, own.Store, cred)
		}
	}()
	if err := c.FromDevice(&cred, name); err != nil {
		return err
	}
	reason := "skipped"
	if c.SkipVerify {
		e.Warn("the credential for %s is not verified (--skip-verify).", name)
	} else {
		result := client.Verify(e.Ctx, address.Host(), pullScope(c.Scope), registry.Credential{
			Username: cred.Username, Secret: cred.Secret, IdentityToken: cred.Kind == store.KindIdentityToken,
		})
		scenario.Step("verify")
		if e.Ctx.Err() != nil {
			return terminal.ErrInterrupted
		}
		if !result.Outcome.Stores() {
			failed := &app.VerifyError{Doing: "Login failed for", Registry: name, Result: result}
			if result.Outcome == registry.Rejected && cred.Kind == store.KindDevice {
				failed.Hint = tokenRejectedHint(cred)
			}
			return failed
		}
		if err := c.TakeToken(&cred, name, result); err != nil {
			return err
		}
		caution(e, name, address.Host(), result)
		reason = string(result.Outcome)
		cred.Transport = store.Transport(result.Transport)
		cred.CAFile = e.CAFile
		if result.Outcome == registry.Verified {
			cred.VerifiedAt = e.Now().UTC().Truncate(time.Second)
		}
	}
	if c.For != nil {
		cred.Expires = e.Now().Add(*c.For).UTC().Truncate(time.Second)
	}
	err := to.Save(e.Ctx, cred)
	stored = err == nil || errors.Is(err, durable.ErrUnsure)
	scenario.Step("store")
	if err != nil {
		return &app.StoreError{Registry: name, Doing: "store credentials", Err: err}
	}
	return c.succeed(e, to, cred, loginResult{Registry: name, Reason: reason})
}

// check refuses a command line that cannot succeed, before anybody is asked anything.
func (c *Login) check(e *app.Env) (store.Address, error) {
	address, err := c.Target("login")
	if err == nil {
		err = c.deviceFlags.check(e, c)
	}
	switch {
	case err != nil:
	case c.For != nil && *c.For <= 0:
		err = &app.UsageError{Message: "--for takes a time from now, more than zero", Hint: "for example --for 8h"}
	case e.Timeout <= 0:
		err = &app.UsageError{Message: "--timeout takes a time, more than zero", Hint: "for example --timeout 10s"}
	case c.PasswordStdin && e.Password != "":
		err = &app.UsageError{Message: "--password and --password-stdin exclude each other", Hint: "give one of them"}
	case c.PasswordStdin && e.GivenUsername() == "" && !c.IdentityToken:
		err = &app.UsageError{Message: "--password-stdin needs a user name", Hint: "add -u USER or set REGSHAPE_USERNAME"}
	case address.PlainHTTP() && !e.PlainHTTP && !registry.Loopback(address.Host()):
		err = &app.UsageError{
			Message: "http:// sends the password unencrypted",
			Hint:    "if that is meant: " + e.Own("auth", "login", address.Host(), "--plain-http"),
		}
	}
	if err == nil && !c.Device {
		err = c.checkIdentity(e.GivenUsername(), c.SkipVerify)
	}
	return address, err
}

// credential takes user name and secret from the flags, the environment, standard
// input, or the user, in this order.
func (c *Login) credential(e *app.Env, url string) (username, secret string, err error) {
	address := store.ParseAddress(url)
	name := app.Shown(address)
	username, secret = e.GivenUsername(), e.Password
	if c.IdentityToken && username == "" {
		return c.givenToken(e, name, c.PasswordStdin)
	}
	switch {
	case c.PasswordStdin:
		if secret, err = terminal.ReadSecret(e.In); err != nil {
			return "", "", err
		}
		return username, secret, nil
	case secret != "":
		e.Warn("other processes can see a password given with -p; use --password-stdin.")
	default:
		secret = e.Getenv("REGSHAPE_PASSWORD")
	}
	if (username == "" || secret == "") && !e.Prompt().Interactive() {
		return "", "", cannotAsk(e, name, username, secret)
	}
	if username == "" {
		known := "" // a default only, so a place that cannot be read does not matter
		if old, err := (lookup.Query{E: e, Address: address}).Resolve(false); err == nil && old.Found != nil && !old.Found.IdentityToken {
			known = old.Found.Username
		}
		if username, err = e.Prompt().Username(name, known); err != nil {
			return "", "", err
		}
		if username == "" {
			return "", "", errors.New("no user name was given")
		}
	}
	if secret == "" {
		if secret, err = e.Prompt().Password(name); err != nil {
			return "", "", err
		}
		if secret == "" {
			return "", "", errors.New("no password was given")
		}
	}
	return username, secret, nil
}

// pullScope takes a repository's name, or a scope as token servers spell it.
func pullScope(s string) string {
	if s == "" || strings.Contains(s, ":") {
		return s
	}
	return "repository:" + s + ":pull"
}

// caution says what a successful verification did not prove or protect.
func caution(e *app.Env, name, host string, result registry.Result) {
	if result.Outcome == registry.Unverified {
		e.Warn("%s never asked for a password, so it could not be verified; it is stored all the same.", name)
	}
	switch {
	case result.Transport == string(store.TransportInsecure):
		e.Warn("the certificate of %s was not verified (--insecure).", name)
	case result.Transport == string(store.TransportHTTP) && !registry.Loopback(host):
		e.Warn("%s is reached over plain http: the password travels unencrypted.", name)
	}
}

func (c *Login) succeed(e *app.Env, to lookup.Destination, cred store.Credential, r loginResult) error {
	r.Status, r.Username, r.Transport = "success", cred.Username, string(cred.Transport)
	r.Where = to.Place()
	if !cred.Expires.IsZero() {
		r.Expires = &cred.Expires
	}
	if e.JSON {
		return app.WriteJSON(e.Out, r)
	}
	who := printable.Line(r.Username, 200)
	if cred.Kind == store.KindIdentityToken {
		who = "Identity token"
	}
	err := e.Say("Login Succeeded\n%s for %s, %s", who, r.Registry, to)
	if err == nil && r.Expires != nil {
		err = e.Say("It expires on %s.", terminal.Clock(*r.Expires))
	}
	if err == nil && r.Expires != nil && renewable(cred) {
		err = e.Say("Renew it with: %s", e.Own("auth", "refresh", r.Registry))
	}
	return err
}

// cannotAsk says what is missing where nobody can be asked for it.
func cannotAsk(e *app.Env, name, username, secret string) error {
	missing, user := "user name and password", "USER"
	switch {
	case secret != "":
		return &app.UsageError{Message: "no terminal to ask at, and no user name given", Hint: "add -u USER or set REGSHAPE_USERNAME"}
	case username != "":
		missing, user = "password", username
	}
	return &app.UsageError{
		Message: "no terminal to ask at, and no " + missing + " given",
		Hint:    "pipe the password: … | " + e.Own("auth", "login", name, "-u", user, "--password-stdin"),
	}
}
