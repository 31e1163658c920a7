package account

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/docker/docker-credential-helpers/credentials"

	"regshape/login/app"
	"regshape/login/lookup"
	"regshape/login/registry"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/printable"
	"regshape/store/source"
	"regshape/store/trust"
)

type programFlags struct {
	Command string         `xor:"lifetime" placeholder:"PROGRAM" help:"Have a program print the secret, now and whenever that expires. Its arguments follow after --; they are stored, and must not be secret." group:"Login by a program"`
	Helper  string         `xor:"lifetime" placeholder:"NAME" help:"Have the credential helper docker-credential-NAME make the secret." group:"Login by a program"`
	Every   *time.Duration `placeholder:"DURATION" help:"Lifetime of a secret that states none (default 15m)." group:"Login by a program"`
	Shell   bool           `help:"Run the command with /bin/sh, on Windows with PowerShell." group:"Login by a program"`
}

// validate refuses flags that cannot work together.
func (c *programFlags) validate(words []string) error {
	switch {
	case c.Every != nil && *c.Every <= 0:
		return &app.UsageError{Message: "--every takes a duration, more than zero", Hint: "for example --every 1h"}
	case c.Command == "" && (c.Shell || len(words) > 0):
		return &app.UsageError{Message: "--shell and arguments need --command", Hint: "regshape auth login REGISTRY --command PROGRAM -- ARGUMENT…"}
	case c.Command == "" && c.Helper == "" && c.Every != nil:
		return &app.UsageError{Message: "--every needs --command or --helper", Hint: "for a login that ends: --for"}
	case c.Shell && len(words) > 0:
		return &app.UsageError{Message: "--shell takes the whole command as one word", Hint: "regshape auth login REGISTRY --shell --command 'PROGRAM ARGUMENT…'"}
	}
	return nil
}

// renewing is what JSON says of a login that renews itself.
type renewing struct {
	Program string     `json:"program,omitempty"` // the path of what makes its secrets
	Ends    *time.Time `json:"ends,omitempty"`    // when the present secret does, where there is one
	Renews  bool       `json:"renews,omitempty"`
}

// endsOf tells the end of a login from that of the secret that a program made for it.
func endsOf(c store.Credential) (expires *time.Time, r renewing) {
	r.Renews = c.Renews()
	if c.Program == nil {
		return timeOrNil(c.Expires), r
	}
	r.Program = c.Program.Words[0]
	if c.Secret != "" {
		r.Ends = timeOrNil(c.Expires)
	}
	return nil, r
}

// madeBy reports whether a program is to make the secrets.
func (c *programFlags) madeBy() bool { return c.Command != "" || c.Helper != "" }

// program finds the program as the shell does.
func (c *programFlags) program(words []string) (store.Program, error) {
	p := store.Program{Helper: c.Helper != "", Path: os.Getenv("PATH")}
	if c.Every != nil {
		p.Every = *c.Every
	}
	name := c.Command
	switch {
	case p.Helper:
		name, words = "docker-credential-"+c.Helper, []string{credentials.ActionGet}
	case c.Shell:
		name, words = app.Shell(runtime.GOOS, c.Command)
	}
	found, err := keys.ResolveCommand(name, words)
	p.Words = found.Words
	return p, err
}

// target is the registry, or a pattern of them.
func (c *Login) target() (store.Address, error) {
	spelling, err := c.Spelling("login")
	if err != nil || !strings.Contains(spelling, "*") {
		return c.Target("login")
	}
	pattern, err := store.ParsePattern(spelling)
	if err == nil && !c.madeBy() {
		err = errors.New("only a program can log in to a pattern: give --command or --helper")
	}
	if err != nil {
		return store.Address{}, &app.UsageError{Message: err.Error(), Hint: "for example: regshape auth login '*.dkr.ecr.*.amazonaws.com' --helper ecr-login"}
	}
	return store.ParseAddress(pattern), nil
}

// byProgram has the program make the first secret, verifies that, and stores the login. Which
// registries a pattern is for nobody knows yet.
func (c *Login) byProgram(e *app.Env, client *registry.Client, to lookup.Destination, address store.Address) error {
	name := address.Name()
	p, err := c.program(e.Words)
	if err != nil {
		return &app.StoreError{Registry: name, Doing: "log in by a program", Err: err}
	}
	login := store.Credential{
		ServerURL: c.serverURL(address), Canonical: address.String(),
		Username: app.GivenUsername(e), Kind: store.KindPassword,
	}.MadeBy(p)
	first, reason := login, "skipped"
	scenario := e.Scenario("login " + name)
	defer scenario.End()
	switch {
	case login.IsPattern() && c.Command != "":
		e.Warn("%s makes a secret for any registry that matches %s, whoever asks for it.", printable.Name(p.Words[0]), name)
	case login.IsPattern():
	default:
		if first, err = firstSecret(e, to.Store, login); errors.As(err, new(*app.UsageError)) {
			return err
		} else if err != nil {
			return &app.StoreError{Registry: name, Doing: "log in by a program", Err: err}
		}
		scenario.Step("program")
		if c.SkipVerify {
			e.Warn("the credential for %s is not verified (--skip-verify).", name)
		} else if reason, err = c.verify(e, client, &first); err != nil {
			return err
		}
		scenario.Step("verify")
	}
	login.Username, login.Transport, login.CAFile, login.VerifiedAt = first.Username, first.Transport, first.CAFile, first.VerifiedAt
	allow := func() error { return trust.Add(to.Store.Location(), source.Program(*login.Program)) }
	if err = allow(); err == nil {
		err = to.Save(e.Ctx, login)
	}
	if err != nil {
		return &app.StoreError{Registry: name, Doing: "store credentials", Err: err}
	}
	// A logout of the last other login with this program may have ended the trust meanwhile.
	if err := allow(); err != nil {
		e.Warn("%s.", e.Problem(err)) // the login is stored
	}
	if first.Answer != nil { // the program makes another one where this is not kept
		if err := to.Store.Keep(e.Ctx, login, first); err != nil {
			e.Warn("the secret of %s is not kept: %s.", name, e.Problem(err))
		}
		login.Secret, login.Expires = first.Secret, first.Answer.Ends
	}
	return c.report(e, to, login, reason)
}

// firstSecret has the program of a login that is not stored yet make its secret.
func firstSecret(e *app.Env, s *store.Store, login store.Credential) (first store.Credential, err error) {
	first, err = app.Logins(e, s).Try(e.Ctx, login)
	first.ServerURL = login.ServerURL
	problem, printed := errors.AsType[*source.ProgramError](err)
	switch {
	case errors.Is(err, store.ErrNotFound):
		err = fmt.Errorf("%s knows no login for %s: check its own configuration", printable.Name(login.Program.Words[0]), login.For().Name())
	case errors.Is(err, source.ErrNoUser):
		err = &app.UsageError{Message: printable.Name(login.Program.Words[0]) + " prints a secret without a user name", Hint: "add -u USER"}
	case printed && problem.Err == nil: // the hint is for a login that is stored
		err = errors.New(problem.Error() + ": run it by hand, and check what it prints")
	}
	return first, err
}

// notOwnStore says why a login's program would never be asked.
func notOwnStore(e *app.Env, to lookup.Destination, address store.Address) error {
	if only, ok := lookup.Only(e); ok {
		return fmt.Errorf("%s names %s, which keeps secrets and not who makes them: unset it", only.By, only.Path)
	}
	return fmt.Errorf("docker asks %s for %s: run '%s' first", to.Place, address.Name(),
		e.Own("auth", "setup", "--docker", "--host", address.Registry().Name()))
}
