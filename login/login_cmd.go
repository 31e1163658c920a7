package login

import (
	"errors"
	"strings"
	"time"

	"regshape/login/registry"
	"regshape/store"
	"regshape/store/printable"
)

type loginCmd struct {
	registryArg
	identityArg
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
func (c *loginCmd) Run(e *env) error {
	address, err := c.check(e)
	if err != nil {
		return err
	}
	url := serverURL(address)
	name := shown(store.ParseAddress(url))
	to, err := wanted{e, store.ParseAddress(url)}.destination()
	if err != nil {
		return &storeError{name, "store credentials", err}
	}
	// Before anybody types a password, or a registry is asked, in vain.
	if own, ok := to.(storeDestination); ok {
		if _, err := own.RootKey(e.ctx); errors.Is(err, store.ErrLocked) {
			return &storeError{name, "store credentials", err}
		}
	}
	options := e.clientOptions(address.Host(), nil)
	options.WantIdentityToken = !c.Device && c.obtains(e.username())
	client, err := registry.New(options)
	if err != nil {
		return err
	}
	if c.Device {
		scenario := e.logs.scenario("login " + name)
		defer scenario.end()
		cred, err := c.login(e, client, to, url)
		if err != nil {
			return err
		}
		scenario.step("browser")
		return c.finish(e, client, to, cred, scenario)
	}
	username, secret, err := c.credential(e, url)
	if err != nil {
		return err
	}
	scenario := e.logs.scenario("login " + name)
	defer scenario.end()
	cred := asGiven(url, username, secret)
	return c.finish(e, client, to, cred, scenario)
}

// finish verifies and stores a credential. What a device login obtained in vain is given
// back to its issuer.
func (c *loginCmd) finish(e *env, client *registry.Client, to destination, cred store.Credential, scenario *scenario) error {
	address := store.ParseAddress(cred.ServerURL)
	name := shown(address)
	stored := false
	defer func() {
		if own, ok := to.(storeDestination); ok && !stored {
			e.withdraw(client, own.Store, cred)
		}
	}()
	if err := c.fromDevice(&cred, name); err != nil {
		return err
	}
	reason := "skipped"
	if c.SkipVerify {
		e.warn("the credential for %s is not verified (--skip-verify).", name)
	} else {
		result := client.Verify(e.ctx, address.Host(), pullScope(c.Scope), registry.Credential{
			Username: cred.Username, Secret: cred.Secret, IdentityToken: cred.Kind == store.KindIdentityToken,
		})
		scenario.step("verify")
		if e.ctx.Err() != nil {
			return errInterrupted
		}
		if !result.Outcome.Stores() {
			if result.Outcome == registry.Rejected && cred.Kind == store.KindDevice {
				result.Hint = tokenRejectedHint(cred)
			}
			return &verifyError{"Login failed for", name, result}
		}
		if err := c.takeToken(&cred, name, result); err != nil {
			return err
		}
		e.caution(name, address.Host(), result)
		reason = string(result.Outcome)
		cred.Transport = store.Transport(result.Transport)
		cred.CAFile = e.CAFile
		if result.Outcome == registry.Verified {
			cred.VerifiedAt = e.now().UTC().Truncate(time.Second)
		}
	}
	if c.For != nil {
		cred.Expires = e.now().Add(*c.For).UTC().Truncate(time.Second)
	}
	err := to.put(e.ctx, cred)
	stored = err == nil || errors.Is(err, store.ErrUnsure)
	scenario.step("store")
	if err != nil {
		return &storeError{name, "store credentials", err}
	}
	return c.succeed(e, to, cred, loginResult{Registry: name, Reason: reason})
}

// check refuses a command line that cannot succeed, before anybody is asked anything.
func (c *loginCmd) check(e *env) (store.Address, error) {
	address, err := c.target("login")
	if err == nil {
		err = c.deviceFlags.check(e, c)
	}
	switch {
	case err != nil:
	case c.For != nil && *c.For <= 0:
		err = &usageError{"--for takes a time from now, more than zero", "for example --for 8h"}
	case e.Timeout <= 0:
		err = &usageError{"--timeout takes a time, more than zero", "for example --timeout 10s"}
	case c.PasswordStdin && e.Password != "":
		err = &usageError{"--password and --password-stdin exclude each other", "give one of them"}
	case c.PasswordStdin && e.username() == "" && !c.IdentityToken:
		err = &usageError{"--password-stdin needs a user name", "add -u USER or set REGSHAPE_USERNAME"}
	case address.PlainHTTP() && !e.PlainHTTP && !registry.Loopback(address.Host()):
		err = &usageError{
			"http:// sends the password unencrypted",
			"if that is meant: " + e.own("auth", "login", address.Host(), "--plain-http"),
		}
	}
	if err == nil && !c.Device {
		err = c.checkIdentity(e.username(), c.SkipVerify)
	}
	return address, err
}

func (e *env) username() string {
	if e.Username != "" {
		return e.Username
	}
	return e.Getenv("REGSHAPE_USERNAME")
}

// credential takes user name and secret from the flags, the environment, standard
// input, or the user, in this order.
func (c *loginCmd) credential(e *env, url string) (username, secret string, err error) {
	address := store.ParseAddress(url)
	name := shown(address)
	username, secret = e.username(), e.Password
	if c.IdentityToken && username == "" {
		return c.givenToken(e, name, c.PasswordStdin)
	}
	switch {
	case c.PasswordStdin:
		if secret, err = readSecret(e.In); err != nil {
			return "", "", err
		}
		return username, secret, nil
	case secret != "":
		e.warn("other processes can see a password given with -p; use --password-stdin.")
	default:
		secret = e.Getenv("REGSHAPE_PASSWORD")
	}
	if (username == "" || secret == "") && !e.prompt().interactive() {
		return "", "", cannotAsk(e, name, username, secret)
	}
	if username == "" {
		known := "" // a default only, so a place that cannot be read does not matter
		if old, err := (wanted{e, address}).resolve(false); err == nil && old.found != nil && !old.found.identityToken {
			known = old.found.username
		}
		if username, err = e.prompt().username(name, known); err != nil {
			return "", "", err
		}
		if username == "" {
			return "", "", errors.New("no user name was given")
		}
	}
	if secret == "" {
		if secret, err = e.prompt().password(name); err != nil {
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
func (e *env) caution(name, host string, result registry.Result) {
	if result.Outcome == registry.Unverified {
		e.warn("%s never asked for a password, so it could not be verified; it is stored all the same.", name)
	}
	switch {
	case result.Transport == string(store.TransportInsecure):
		e.warn("the certificate of %s was not verified (--insecure).", name)
	case result.Transport == string(store.TransportHTTP) && !registry.Loopback(host):
		e.warn("%s is reached over plain http: the password travels unencrypted.", name)
	}
}

func (c *loginCmd) succeed(e *env, to destination, cred store.Credential, r loginResult) error {
	r.Status, r.Username, r.Transport = "success", cred.Username, string(cred.Transport)
	r.Where = to.place()
	if !cred.Expires.IsZero() {
		r.Expires = &cred.Expires
	}
	if e.JSON {
		return writeJSON(e.Out, r)
	}
	who := printable.Line(r.Username, 200)
	if cred.Kind == store.KindIdentityToken {
		who = "Identity token"
	}
	err := e.say("Login Succeeded\n%s for %s, %s", who, r.Registry, to)
	if err == nil && r.Expires != nil {
		err = e.say("It expires on %s.", clock(*r.Expires))
	}
	if err == nil && r.Expires != nil && renewable(cred) {
		err = e.say("Renew it with: %s", e.own("auth", "refresh", r.Registry))
	}
	return err
}

// serverURL is the spelling that clients ask for: Docker Hub's URL, else the bare host
// with its scope. That a registry speaks plain http is a field of the entry.
func serverURL(a store.Address) string {
	switch {
	case a.Hub():
		return store.HubAddress
	case a.Scope() != "":
		return a.Host() + "/" + a.Scope()
	}
	return a.Host()
}

// cannotAsk says what is missing where nobody can be asked for it.
func cannotAsk(e *env, name, username, secret string) error {
	missing, user := "user name and password", "USER"
	switch {
	case secret != "":
		return &usageError{"no terminal to ask at, and no user name given", "add -u USER or set REGSHAPE_USERNAME"}
	case username != "":
		missing, user = "password", username
	}
	return &usageError{
		"no terminal to ask at, and no " + missing + " given",
		"pipe the password: … | " + e.own("auth", "login", name, "-u", user, "--password-stdin"),
	}
}
