package account

import (
	"regshape/login/app"
	"regshape/login/registry"
	"regshape/login/terminal"
	"regshape/store"
)

// Status verifies stored logins at their registries.
type Status struct {
	Arguments []string `arg:"" optional:"" name:"registry" help:"Registries; without any, every stored login is verified."`
	Flags     []string `name:"registry" short:"r" sep:"none" placeholder:"REGISTRY" help:"A registry, for scripts; the same as an argument."`
	Scope     string   `placeholder:"REPOSITORY" help:"Verify by reading this repository, for robot accounts that may not see the whole registry."`
}

// Run verifies logins at their registries and changes nothing. Any that is not good makes
// the exit code 1.
func (c *Status) Run(e *app.Env) error {
	addresses, err := c.check(e)
	if err != nil {
		return err
	}
	scenario := e.Logs.Scenario("status")
	defer scenario.End()
	progress := terminal.NewProgress(e.Err, "Verifying")
	shared := app.Share(progress, e)
	if len(addresses) != 1 {
		forgetAccount(shared)
	}
	subjects := make([]subject, 0, len(addresses))
	for _, address := range addresses {
		subjects = append(subjects, named(address))
	}
	if len(addresses) == 0 {
		if subjects, err = storedSubjects(shared); err != nil {
			return err
		}
	}
	scenario.Step("read")
	rows, err := newChecker(shared, pullScope(c.Scope)).all(subjects, progress)
	progress.End()
	scenario.Step("verify")
	if err != nil {
		return err
	}
	return tellStatus(e, rows)
}

// check refuses what would send one registry's credential, or one registry's exception,
// to all of them.
func (c *Status) check(e *app.Env) ([]store.Address, error) {
	addresses, err := c.targets()
	if err != nil {
		return nil, err
	}
	one := "name it: " + e.Own("auth", "status", "REGISTRY")
	switch {
	case e.Timeout <= 0:
		err = &app.UsageError{Message: "--timeout takes a time, more than zero", Hint: "for example --timeout 10s"}
	case len(addresses) == 0 && (e.PlainHTTP || e.Insecure):
		err = &app.UsageError{Message: "--plain-http and --insecure are for a registry that is named, not for every login", Hint: one}
	case len(addresses) != 1 && (e.Username != "" || e.Password != ""):
		err = &app.UsageError{Message: "--username and --password are for one registry", Hint: one}
	case len(addresses) != 1 && c.Scope != "":
		err = &app.UsageError{Message: "--scope is for one registry", Hint: one}
	}
	return addresses, err
}

// targets are the registries of the command line, each once, in its order.
func (c *Status) targets() ([]store.Address, error) {
	var addresses []store.Address
	seen := map[string]bool{}
	for _, spelling := range append(c.Arguments, c.Flags...) {
		address, err := app.RegistryArg{Argument: spelling}.Target("status")
		if err != nil {
			return nil, err
		}
		if !seen[address.String()] {
			seen[address.String()] = true
			addresses = append(addresses, address)
		}
	}
	return addresses, nil
}

// refusePlain keeps a credential off the wire that was asked for as http://HOST. An entry
// that a client stored under that very address is meant for it.
func refusePlain(e *app.Env, address store.Address, entry *store.Credential) (message, hint string, refused bool) {
	if !address.PlainHTTP() || e.PlainHTTP || registry.Loopback(address.Host()) ||
		entry != nil && (entry.Transport == store.TransportHTTP || store.ParseAddress(entry.ServerURL).PlainHTTP()) {
		return "", "", false
	}
	return "http:// sends the password unencrypted", "if that is meant: " + e.Own("auth", "status", address.Host(), "--plain-http"), true
}

// forgetAccount drops the account of the environment: it is for one registry, and must
// not be shown to several.
func forgetAccount(e *app.Env) {
	getenv := e.Getenv
	e.Getenv = func(name string) string {
		if name == "REGSHAPE_USERNAME" || name == "REGSHAPE_PASSWORD" {
			return ""
		}
		return getenv(name)
	}
}
