// Package account holds the commands for logins: login, logout, list, status, get, token,
// refresh and export.
package account

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"regshape/login/app"
	"regshape/login/authfile"
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
	identityFlags
	Scope      string         `placeholder:"REPOSITORY" help:"Verify by reading this repository, for robot accounts that may not see the whole registry."`
	For        *time.Duration `xor:"lifetime" placeholder:"DURATION" help:"Forget the login after this time, for example 8h."`
	SkipVerify bool           `name:"skip-verify" help:"Store the credential without asking the registry."`
	deviceFlags
	programFlags
}

// loginResult is the JSON of a login. Times are RFC 3339 in UTC.
type loginResult struct {
	Status    string     `json:"status"` // "success"
	Registry  string     `json:"registry"`
	Username  string     `json:"username"` // "<token>" for an identity token
	Reason    string     `json:"reason"`   // "verified", "unverified" or "skipped"
	Transport string     `json:"transport,omitempty"`
	Where     string     `json:"where"` // the directory of the store, a helper's program, or a file
	Expires   *time.Time `json:"expires,omitempty"`
	renewing
}

// Run logs in: get the credential, verify it, store it.
func (c *Login) Run(e *app.Env) error {
	address, err := c.check(e)
	if err != nil {
		return err
	}
	name := address.Name()
	to, err := lookup.Query{E: e, Address: address}.Destination()
	if err != nil {
		return &app.StoreError{Registry: name, Doing: "store credentials", Err: err}
	}
	if c.madeBy() && to.Store == nil {
		return &app.StoreError{Registry: name, Doing: "store credentials", Err: notOwnStore(e, to, address)}
	}
	// Before anybody types a password, or a registry is asked, in vain.
	if to.Store != nil {
		if _, err := to.Store.RootKey(e.Ctx); errors.Is(err, store.ErrLocked) {
			return &app.StoreError{Registry: name, Doing: "store credentials", Err: err}
		}
	}
	options := app.ClientOptions(e, address, nil)
	options.WantIdentityToken = !c.Device && c.obtains(app.GivenUsername(e))
	client, err := registry.New(options)
	if err != nil {
		return err
	}
	if c.madeBy() {
		return c.byProgram(e, client, to, address)
	}
	var cred store.Credential
	if !c.Device {
		if cred, err = c.credential(e, address); err != nil {
			return err
		}
	}
	scenario := e.Scenario("login " + name)
	defer scenario.End()
	if c.Device {
		if cred, err = c.confirm(e, client, to, address); err != nil {
			return err
		}
		scenario.Step("browser")
	}
	stored := false
	defer func() {
		if to.Store != nil && !stored {
			revokeUnused(e, client, to.Store, cred)
		}
	}()
	if err := c.fromDevice(&cred, name); err != nil {
		return err
	}
	reason := "skipped"
	if c.SkipVerify {
		e.Warn("the credential for %s is not verified (--skip-verify).", name)
	} else {
		reason, err = c.verify(e, client, &cred)
		scenario.Step("verify")
		if err != nil {
			return err
		}
	}
	if c.For != nil {
		cred.Expires = e.Now().Add(*c.For).UTC().Truncate(time.Second)
	}
	err = to.Save(e.Ctx, cred)
	stored = err == nil || errors.Is(err, durable.ErrUnsure)
	scenario.Step("store")
	if err != nil {
		return &app.StoreError{Registry: name, Doing: "store credentials", Err: err}
	}
	return c.report(e, to, cred, reason)
}

// Manual is the text of --help and of the man page.
func (*Login) Manual() app.Manual {
	return app.Manual{Failed: "the registry did not accept the credential, or it could not be stored", Examples: [][2]string{
		{"regshape auth login registry.example.com -u alice", "prompt for the password"},
		{`echo "$TOKEN" | regshape auth login ghcr.io -u alice --password-stdin --for 8h`, "in a script; expires after 8 hours"},
		{"regshape auth login docker.io --device --device-client-id ID", "confirm in a browser"},
		{"regshape auth login ghcr.io -u alice --command gh -- auth token", "have a program make the secret, now and whenever it expires"},
	}}
}

// verify asks the registry, notes in the credential what was learned, and returns the
// outcome.
func (c *Login) verify(e *app.Env, client *registry.Client, cred *store.Credential) (reason string, err error) {
	address, name := cred.Address(), cred.Address().Name()
	result := client.Verify(e.Ctx, address, pullScope(c.Scope), forRegistry(*cred))
	switch {
	case e.Ctx.Err() == nil && result.Outcome == registry.Rejected && cred.Kind == store.KindDevice:
		return "", &app.VerifyError{
			Doing: "Login failed for", Registry: name, Result: result,
			Hint: "the login was confirmed, but the registry does not accept the token for the user " +
				printable.Line(cred.Username, 100) + ": try -u USER, or --device-scope",
		}
	case e.Ctx.Err() == nil && result.Advice == registry.NoAPI:
		return "", &app.VerifyError{
			Doing: "Login failed for", Registry: name, Result: result,
			Hint: app.RegistryHint(result) + "; --skip-verify stores the login without asking",
		}
	case e.Ctx.Err() != nil || !result.Outcome.Stores():
		return "", failed(e, "Login failed for", name, *cred, result)
	}
	if err := c.takeToken(cred, name, result); err != nil {
		return "", err
	}
	if result.Outcome == registry.Unverified {
		e.Warn("%s never asked for a password, so it could not be verified; it is stored anyway.", name)
	} else {
		cred.VerifiedAt = *app.Stamp(e.Now())
	}
	cred.Transport, cred.CAFile = store.Transport(result.Transport), e.CAFile
	switch {
	case cred.Transport == store.TransportInsecure:
		e.Warn("the certificate of %s was not verified (--insecure).", name)
	case cred.Transport == store.TransportHTTP && !registry.Loopback(address):
		e.Warn("%s is reached over plain http: the password travels unencrypted.", name)
	}
	return string(result.Outcome), nil
}

// failed is the error of what a registry or an issuer refused, or that of Ctrl-C.
func failed(e *app.Env, doing, name string, cred store.Credential, result registry.Result) error {
	if e.Ctx.Err() != nil {
		return terminal.ErrInterrupted
	}
	err := &app.VerifyError{Doing: doing, Registry: name, Result: result}
	if odd := oddText(cred); odd != "" && result.Outcome == registry.Rejected {
		err.Hint = odd + ": check how it was copied or piped"
	}
	return err
}

// oddText says what a rejected user name or secret has in it that hardly any has on purpose,
// or "".
func oddText(c store.Credential) string {
	what := "password"
	if c.Kind != store.KindPassword {
		what = "token"
	}
	for _, text := range [][2]string{{"user name", c.Username}, {what, c.Secret}} {
		switch {
		case strings.Contains(text[1], "\ufeff"):
			return "the " + text[0] + " has a byte order mark (BOM) in it"
		case strings.Contains(text[1], "\x00"):
			return "the " + text[0] + " has NUL characters in it, as text in UTF-16 has"
		case strings.ContainsAny(text[1], "\r\n"):
			return "the " + text[0] + " has a line break in it"
		case strings.TrimSpace(text[1]) != text[1]:
			return "the " + text[0] + " begins or ends with a blank"
		}
	}
	return ""
}

// Validate refuses flags that cannot work together, whatever the environment.
func (c *Login) Validate() error {
	switch {
	case c.For != nil && *c.For <= 0:
		return &app.UsageError{Message: "--for takes a duration from now, more than zero", Hint: "for example --for 8h"}
	case !c.Device && c.DeviceIssuer+c.DeviceClientID+c.DeviceScope != "":
		return &app.UsageError{Message: "--device-issuer, --device-client-id and --device-scope are for --device", Hint: "add --device"}
	case c.DeviceIssuer != "":
		if err := registry.CheckIssuer(c.DeviceIssuer); err != nil {
			return &app.UsageError{Message: "--device-issuer: " + err.Error(), Hint: "give its URL as the issuer itself spells it"}
		}
	}
	return nil
}

// check refuses a command line that cannot succeed, before anybody is asked anything, and
// returns the address to log in to. That it is reached over plain http is a field of the
// credential.
func (c *Login) check(e *app.Env) (store.Address, error) {
	address, err := c.target()
	switch {
	case err != nil:
	case c.madeBy() && (e.PasswordStdin || e.Password != "" || c.IdentityToken || e.Authfile != ""):
		err = &app.UsageError{Message: "--command and --helper take no password, no --identity-token and no --authfile", Hint: "leave those out"}
	case c.Device && (e.PasswordStdin || e.Password != ""):
		err = &app.UsageError{Message: "--device takes no password", Hint: "leave out -p and --password-stdin"}
	case !c.Device && c.SkipVerify && c.obtains(app.GivenUsername(e)):
		err = &app.UsageError{Message: "--identity-token has to ask the registry's token server, and --skip-verify forbids it", Hint: "leave one of them out"}
	default:
		if err := c.validate(e.Words); err != nil {
			return address, err
		}
		if refused := refusePlainHTTP(e, "login", address); refused != nil {
			err = refused
		} else {
			err = app.CheckAccount(e, c.IdentityToken)
		}
	}
	return address.Bare(), err
}

// refusePlainHTTP keeps a password off the wire where http:// is only part of the address.
func refusePlainHTTP(e *app.Env, command string, a store.Address) *app.UsageError {
	if !a.PlainHTTP() || e.PlainHTTP || registry.Loopback(a) {
		return nil
	}
	return &app.UsageError{
		Message: "http:// sends the password unencrypted",
		Hint:    "if that is intended: " + e.Own("auth", command, a.Host(), "--plain-http"),
	}
}

// serverURL is what lists show: with the port that https implies, if it was given, since a
// classic build finds the login of an image at "host:443" by these very letters.
func (c *Login) serverURL(address store.Address) string {
	const port = ":443"
	spelling, _ := c.Spelling("login") // checked before
	if address.Scope() == "" && !address.Hub() && strings.Contains(strings.ToLower(spelling), address.Host()+port) {
		return address.Host() + port
	}
	return address.String()
}

// credential gets user name and secret from the flags, the environment, standard input, or
// the user, in this order.
func (c *Login) credential(e *app.Env, address store.Address) (store.Credential, error) {
	username, secret, err := c.ask(e, address)
	if err == nil {
		err = app.CheckText(username, secret)
	}
	cred := store.Credential{ServerURL: c.serverURL(address), Username: username, Secret: secret, Kind: store.KindPassword}
	if username == authfile.TokenUser { // it marks an identity token
		cred.Kind = store.KindIdentityToken
	}
	return cred, err
}

func (c *Login) ask(e *app.Env, address store.Address) (username, secret string, err error) {
	name, what := address.Name(), "password"
	username = app.GivenUsername(e)
	token := c.IdentityToken && username == "" // the secret is one itself
	if token {
		username, what = authfile.TokenUser, "token"
	}
	if e.Password != "" {
		e.Warn("other processes can see a %s given with -p; use --password-stdin.", what)
	}
	if secret, err = app.GivenPassword(e, name); err != nil {
		return "", "", err
	}
	if (username == "" || secret == "") && !e.Prompt().Interactive() {
		return "", "", cannotAsk(e, name, username, secret, token)
	}
	if username == "" {
		known := "" // a default only, so a place that cannot be read does not matter
		if old, err := (lookup.Query{E: e, Address: address, Idle: true}).Resolve(false); err == nil && old.Found != nil && old.Found.Kind != store.KindIdentityToken {
			known = old.Found.Username
		}
		if username, err = e.Prompt().Username(name, known); err != nil {
			return "", "", err
		}
		if username == "" {
			return "", "", errors.New("no user name given: give one")
		}
	}
	switch {
	case secret != "":
	case token:
		what = "identity token"
		secret, err = e.Prompt().Secret("Identity token for " + name + ": ")
	default:
		secret, err = e.Prompt().Password(name)
	}
	if err == nil && secret == "" {
		err = errors.New("no " + what + " given: give one")
	}
	return username, secret, err
}

// pullScope takes a repository's name, or a scope as token servers spell it.
func pullScope(s string) string {
	if s == "" || strings.Contains(s, ":") {
		return s
	}
	return "repository:" + s + ":pull"
}

func (c *Login) report(e *app.Env, to lookup.Destination, cred store.Credential, reason string) error {
	r := loginResult{
		Status: "success", Registry: cred.Address().Name(), Username: cred.Username, Reason: reason,
		Transport: string(cred.Transport), Where: to.Place,
	}
	r.Expires, r.renewing = endsOf(cred)
	program := printable.Name(r.Program)
	defer c.warnOfNamespace(e, to, cred)
	defer func() {
		if (lookup.Query{E: e, Address: cred.Address()}).InVariable() {
			e.Warn("docker uses the login for %s in $DOCKER_AUTH_CONFIG, not this one; to use this one: unset DOCKER_AUTH_CONFIG", r.Registry)
		}
	}()
	if e.JSON {
		return app.WriteJSON(e.Out, r)
	}
	if to.Store != nil && !to.BySetting && terminal.IsTerminal(e.Err) && lookup.NoneUses(e) {
		defer e.Hint("docker and podman do not use regshape yet and will not find this login; to change that: " + e.Own("auth", "setup"))
	}
	who := printable.Line(r.Username, 200)
	if who == "" {
		who = "The user of " + program
	}
	if cred.Kind == store.KindIdentityToken {
		who = "Identity token"
	}
	err := e.Say("Login Succeeded\n%s for %s, %s", who, r.Registry, to)
	if err == nil && r.Expires != nil {
		err = e.Say("It expires on %s.", terminal.Clock(*r.Expires))
	}
	if err == nil && r.Ends != nil {
		err = e.Say("Its secret expires on %s; %s then makes the next.", terminal.Clock(*r.Ends), program)
	}
	if err == nil && r.Expires != nil && renewable(cred) {
		err = e.Say("Renew it with: %s", e.Own("auth", "refresh", r.Registry))
	}
	return err
}

// warnOfNamespace warns of a login that docker and podman do not ask a helper for. In a file
// podman finds it.
func (c *Login) warnOfNamespace(e *app.Env, to lookup.Destination, cred store.Credential) {
	address := cred.Address()
	_, inFile := lookup.Only(e)
	if address.Scope() == "" || to.Store == nil && inFile {
		return
	}
	host, username := address.Registry().Name(), app.GivenUsername(e)
	if cred.Kind == store.KindPassword {
		username = cred.Username
	}
	words := []string{"auth", "login", host}
	if username != "" {
		words = append(words, "-u", username)
	}
	for _, flag := range []struct {
		given bool
		words []string
	}{
		{c.IdentityToken, []string{"--identity-token"}},
		{c.Device, []string{"--device"}},
		{e.PlainHTTP, []string{"--plain-http"}},
		{e.Insecure, []string{"--insecure"}},
		{e.CAFile != "", []string{"--ca-file", e.CAFile}},
		{c.Helper != "", []string{"--helper", c.Helper}},
		{c.Shell, []string{"--shell"}},
		{c.Every != nil, []string{"--every", fmt.Sprint(c.Every)}},
		{c.Command != "", []string{"--command", c.Command}},
		{len(e.Words) > 0, append([]string{"--"}, e.Words...)},
	} {
		if flag.given {
			words = append(words, flag.words...)
		}
	}
	e.Warn("docker and podman ask for %s alone and do not find this login; for them: %s", host, e.Own(words...))
}

// cannotAsk says what is missing where there is no terminal to ask at.
func cannotAsk(e *app.Env, name, username, secret string, token bool) error {
	missing, user := "user name and password", "USER"
	switch {
	case token:
		return &app.UsageError{
			Message: "no terminal to ask at, and no identity token given",
			Hint:    "pipe it: '… | " + e.Own("auth", "login", name, "--identity-token", "--password-stdin") + "', or obtain one with -u USER and a password",
		}
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
