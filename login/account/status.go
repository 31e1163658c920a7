package account

import (
	"slices"
	"strings"
	"sync"
	"time"

	"regshape/login/app"
	"regshape/login/lookup"
	"regshape/login/registry"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/printable"
)

// Status verifies stored logins at their registries.
type Status struct {
	Arguments []string `arg:"" optional:"" name:"registry" help:"Registries; without any, every stored login is verified."`
	Flags     []string `name:"registry" short:"r" sep:"none" placeholder:"REGISTRY" help:"A registry, for scripts; the same as an argument."`
	Scope     string   `placeholder:"REPOSITORY" help:"Verify by reading this repository, for robot accounts that may not see the whole registry."`

	Within *time.Duration `placeholder:"DURATION" help:"Also fail what ends within this time and does not renew itself."`
}

// Run verifies logins at their registries and changes nothing. Any that is not good makes
// the exit code 1.
func (c *Status) Run(e *app.Env) error {
	addresses, err := c.check(e)
	if err != nil {
		return err
	}
	if len(addresses) == 1 {
		if err := app.TakeAccount(e, addresses[0].Bare().Name()); err != nil {
			return err
		}
	}
	scenario := e.Scenario("status")
	defer scenario.End()
	progress := terminal.NewProgress(e.Err, "Verifying")
	v := &verifier{e: app.Share(progress, e), scope: pullScope(c.Scope), starts: make(chan struct{}, maxStarts), lost: map[route]registry.Result{}}
	if len(addresses) != 1 {
		ignoreAccount(v.e)
	}
	var checks []func() Checked
	for _, address := range addresses {
		checks = append(checks, func() Checked { return v.named(address) })
	}
	if len(addresses) == 0 {
		if checks, err = v.stored(); err != nil {
			return err
		}
	}
	scenario.Step("read")
	rows, err := v.all(checks, progress)
	progress.End()
	scenario.Step("verify")
	if err != nil {
		return err
	}
	for i := range rows {
		if c.Within != nil {
			rows[i] = rows[i].within(e, *c.Within)
		}
	}
	return reportStatus(e, rows)
}

// Manual is the text of --help and of the man page.
func (*Status) Manual() app.Manual {
	return app.Manual{Failed: "a login is no longer valid, or could not be verified", Examples: [][2]string{
		{"regshape auth status", "verify every stored login"},
		{"regshape auth status --within 24h", "also fail what ends by tomorrow, for a timer"},
		{"regshape auth status ghcr.io --scope team/app", "a robot account that may read one repository"},
	}}
}

// check refuses what would send one registry's credential, or one registry's exception,
// to all of them.
func (c *Status) check(e *app.Env) ([]store.Address, error) {
	addresses, err := targets("status", false, c.Arguments, c.Flags)
	if err != nil {
		return nil, err
	}
	one := "name it: " + e.Own("auth", "status", "REGISTRY")
	switch {
	case len(addresses) == 0 && (e.PlainHTTP || e.Insecure):
		err = &app.UsageError{Message: "--plain-http and --insecure are for a registry that is named, not for every login", Hint: one}
	case len(addresses) != 1 && (e.Username != "" || e.Password != "" || e.PasswordStdin):
		err = &app.UsageError{Message: "--username and --password are for one registry", Hint: one}
	case len(addresses) != 1 && c.Scope != "":
		err = &app.UsageError{Message: "--scope is for one registry", Hint: one}
	case c.Within != nil && *c.Within <= 0:
		err = &app.UsageError{Message: "--within takes a duration from now, more than zero", Hint: "for example --within 24h"}
	}
	return addresses, err
}

// targets are the registries of a command line, each once, in its order; bare ones without
// http://.
func targets(command string, bare bool, spellings ...[]string) ([]store.Address, error) {
	var addresses []store.Address
	for _, spelling := range slices.Concat(spellings...) {
		address, err := app.RegistryArg{Argument: spelling}.Target(command)
		if err != nil {
			return nil, err
		}
		if bare {
			address = address.Bare()
		}
		addresses = append(addresses, address)
	}
	return lookup.Unique(addresses, store.Address.String), nil
}

// ignoreAccount drops the account of the environment: it is for one registry, and must
// not be sent to several.
func ignoreAccount(e *app.Env) {
	getenv := e.Getenv
	e.Getenv = func(name string) string {
		if name == "REGSHAPE_USERNAME" || name == "REGSHAPE_PASSWORD" {
			return ""
		}
		return getenv(name)
	}
}

// maxChecks is how many registries are asked at once. They wait for the network and
// hardly compute; a browser opens as many connections for one page.
const maxChecks = 16

// maxStarts is how many programs, of logins or helpers, run at once. They do compute.
const maxStarts = 4

// verifier verifies logins. It may be used by several goroutines.
type verifier struct {
	e      *app.Env
	scope  string
	starts chan struct{} // full while maxStarts are running

	mu   sync.Mutex
	lost map[route]registry.Result
}

// route is a way to a registry.
type route struct {
	host, caFile string
	transport    store.Transport
}

// all runs the checks in parallel; the rows are in their order. When the context ends it
// returns at once and leaves what is still under way alone.
func (v *verifier) all(checks []func() Checked, p *terminal.Progress) ([]Checked, error) {
	rows := make([]Checked, len(checks))
	finished := make(chan struct{}, len(checks))
	go func() {
		_ = app.Each(v.e.Ctx, len(checks), maxChecks, func(i int) error { // its error is the context's
			rows[i] = checks[i]()
			finished <- struct{}{}
			return nil
		})
	}()
	for done := range checks {
		p.Step(done, len(checks))
		select {
		case <-finished:
		case <-v.e.Ctx.Done():
			return nil, terminal.ErrInterrupted
		}
	}
	if v.e.Ctx.Err() != nil {
		return nil, terminal.ErrInterrupted
	}
	return rows, nil
}

// stored are the checks of the logins that list shows, in its order.
func (v *verifier) stored() (checks []func() Checked, err error) {
	profile, file, own := lookup.StoreOrFile(v.e)
	if !own {
		return v.storedIn(file)
	}
	s, found, damaged, err := listStore(v.e, profile, "check the logins")
	if err != nil {
		return nil, err
	}
	for _, c := range found {
		checks = append(checks, func() Checked { return v.own(s, c) })
	}
	for _, d := range damaged {
		checks = append(checks, func() Checked { return Checked{Where: d.File}.unreadable(v.e, d) })
	}
	return checks, nil
}

// storedIn are the checks of the logins in a file.
func (v *verifier) storedIn(p lookup.Place) (checks []func() Checked, err error) {
	d, err := lookup.Read(p.Path, p.Format)
	if err != nil {
		return nil, err
	}
	for _, entry := range lookup.Entries(d) {
		if !entry.Marker {
			checks = append(checks, func() Checked { return v.entry(entry, p.Path) })
		}
	}
	return checks, nil
}

// own checks an entry of regshape's store.
func (v *verifier) own(s *store.Store, c store.Credential) Checked {
	address, login := c.Address(), &lookup.Answer{Credential: c, Own: true}
	row := newRow(address, s.Location().Data, login)
	if c.IsPattern() {
		return row.skipped()
	}
	if c.Program != nil {
		v.starts <- struct{}{}
		now, err := app.Logins(v.e, s).Get(v.e.Ctx, address)
		<-v.starts
		if err != nil {
			return row.unreadable(v.e, err)
		}
		login.Credential = now
		row.describe(login)
	}
	switch {
	case c.Expired(v.e.Now()):
		return row.expired(v.e, c)
	case address.Opaque() || c.Transport == "" && !isPullable(address):
		return row.skipped()
	}
	return v.verify(row, address, login)
}

// entry checks an entry of the file that is used in place of all others.
func (v *verifier) entry(entry lookup.Entry, path string) Checked {
	address, login := entry.Address, lookup.FromEntry(entry)
	row := newRow(address, path, login)
	switch {
	case entry.Err != nil:
		return row.unreadable(v.e, entry.Err)
	case address.Opaque() || !isPullable(address):
		return row.skipped()
	}
	return v.verify(row, address, login)
}

// named checks what would be used for a registry of the command line. Its login is looked
// for only here: a slow helper of one registry must not hold up the others.
func (v *verifier) named(address store.Address) Checked {
	row := Checked{Registry: address.Bare().Name()}
	v.starts <- struct{}{}
	r, err := lookup.Query{E: v.e, Address: address}.Resolve(false)
	<-v.starts
	if err != nil {
		return row.unreadable(v.e, err)
	}
	if r.Found == nil {
		if c, where, ok := expiredEntry(v.e, address); ok {
			row.Where = where
			row.describe(&lookup.Answer{Credential: c, Own: true})
			return row.expired(v.e, c)
		}
		return row.set(statusAbsent, "no login is stored", "log in: "+v.e.Own("auth", "login", row.Registry))
	}
	row.Where = r.From.Where
	if loc, err := v.e.Locate(); err == nil && r.From.Kind == lookup.FromStore {
		row.Where = loc.Data
	}
	row.describe(r.Found)
	// An entry that a client stored under http://HOST is meant for it.
	intended := r.Found.Own && (r.Found.Transport == store.TransportHTTP || r.Found.Address().PlainHTTP())
	if refused := refusePlainHTTP(v.e, "status", address); refused != nil && !intended {
		return row.set(string(registry.Protocol), refused.Message, refused.Hint)
	}
	return v.verify(row, address, r.Found)
}

// isPullable tells a registry from a key that only looks like one: in an image's name
// docker and podman take a first part without dot, port or the name localhost for a
// namespace of Docker Hub.
func isPullable(a store.Address) bool {
	return a.Host() == "localhost" || strings.ContainsAny(a.Host(), ".:")
}

// expiredEntry finds a login whose own time ran out. No lookup answers it, but whoever
// asks for its status wants to know that, and not that there is none. A store that cannot
// be read has been reported by the chain already, where it matters.
func expiredEntry(e *app.Env, address store.Address) (c store.Credential, where string, found bool) {
	s, err := e.OpenStore()
	if err != nil {
		return c, "", false
	}
	for _, candidate := range (lookup.Query{E: e, Address: address}).Candidates() {
		if c, err := s.Peek(e.Ctx, candidate); err == nil && c.Expired(e.Now()) {
			return c, s.Location().Data, true
		}
	}
	return c, "", false
}

// verify asks the registry.
func (v *verifier) verify(row Checked, address store.Address, login *lookup.Answer) Checked {
	begin := time.Now() // not the injected clock: it measures a duration
	result, err := v.ask(address, login)
	row.Elapsed = time.Since(begin).Milliseconds()
	if err != nil {
		// A certificate file that the login was made with cannot be read any more.
		return row.set(string(registry.TLS), printable.Line(err.Error(), 300), "name the file that is valid today: "+v.e.Own("auth", "login", row.Registry, "--ca-file", "FILE"))
	}
	return row.result(v.e, address, login, result)
}

// ask verifies one login at its registry, in the way it was made. A registry that cannot
// be reached is asked once and not for each of its logins, so that a hundred of them do
// not wait a hundred times.
func (v *verifier) ask(address store.Address, login *lookup.Answer) (registry.Result, error) {
	known := login.Credential
	if address.PlainHTTP() && known.Transport == "" { // a client that stored it so reached it so
		known.Transport = store.TransportHTTP
	}
	to := route{address.Host(), known.CAFile, known.Transport}
	v.mu.Lock()
	result, lost := v.lost[to]
	v.mu.Unlock()
	if lost {
		return result, nil
	}
	client, err := v.e.Client(address, &known)
	if err != nil {
		return registry.Result{}, err
	}
	result = client.Verify(v.e.Ctx, address, v.scope, forRegistry(known))
	switch result.Outcome {
	case registry.Unreachable, registry.TLS, registry.Throttled: // whoever logs in
		v.mu.Lock()
		v.lost[to] = result
		v.mu.Unlock()
	}
	return result, nil
}

// forRegistry is a credential as the registry client takes it.
func forRegistry(c store.Credential) registry.Credential {
	return registry.Credential{Username: c.Username, Secret: c.Secret, IdentityToken: c.Kind == store.KindIdentityToken}
}
