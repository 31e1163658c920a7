package account

import (
	"slices"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store"
)

// Logout removes a login wherever it would be found.
type Logout struct {
	app.RegistryArg
	All bool `help:"Remove every login from regshape's own store."`
}

// logoutResult is the JSON of a logout.
type logoutResult struct {
	Status   string   `json:"status"` // "success"
	Registry string   `json:"registry"`
	Removed  bool     `json:"removed"` // false: there was no login
	Still    []string `json:"still"`   // places that still have one
}

// Run removes the login of one registry from regshape's store, and from the place where
// it would have been found. Other places that have one are named, not emptied. Logins of
// namespaces are others' and stay.
func (c *Logout) Run(e *app.Env) error {
	if c.All {
		return c.runAll(e)
	}
	spelling, err := c.Spelling("logout")
	if err != nil {
		return err
	}
	q := lookup.Query{E: e, Address: store.ParseAddress(spelling), Idle: true}
	name := q.Address.Bare().Name()
	r := logoutResult{Status: "success", Registry: name, Still: []string{}}
	if profile, _, own := lookup.StoreOrFile(e); own {
		r.Removed, err = eraseOwn(q, profile)
	}
	if _, image := app.HostOfImage(spelling); image && q.Address.Opaque() && !r.Removed && err == nil {
		_, err = c.Target("logout")
		return err
	}
	if err == nil {
		err = eraseForeign(q, &r)
	}
	if err != nil {
		return &app.StoreError{Registry: name, Doing: "remove credentials", Err: err}
	}
	if e.JSON {
		return app.WriteJSON(e.Out, r)
	}
	if r.Removed {
		err = e.Say("Removing login credentials for %s.", name)
	} else {
		err = e.Say("Not logged in to %s.", name)
	}
	for _, where := range r.Still {
		e.Warn("%s still has a login for %s.", where, name)
	}
	return err
}

// Manual is the text of --help and of the man page.
func (*Logout) Manual() app.Manual {
	return app.Manual{Failed: "a login could not be removed", Examples: [][2]string{
		{"regshape auth logout registry.example.com", "remove the login from wherever it is stored"},
		{"regshape auth logout --all", "remove every login from regshape's own store"},
	}}
}

// eraseOwn removes the address from the store of a profile, and revokes a device login's refresh
// token. With Docker Hub goes what docker's web login keeps beside it; with a host its
// http:// spelling, as docker does.
func eraseOwn(q lookup.Query, profile string) (removed bool, err error) {
	s, err := app.OpenProfile(q.E, profile)
	if err != nil {
		return false, err
	}
	addresses := []store.Address{q.Address}
	switch {
	case q.Address.Hub():
		addresses = append(addresses, store.HubTokens()...)
	case !q.Address.Opaque():
		addresses = append(addresses, q.Address.Bare(), store.ParseAddress("http://"+q.Address.Host()+"/"+q.Address.Scope()))
	}
	devices := revocable(q.E, s, addresses)
	for _, a := range addresses {
		erased, err := app.Logins(q.E, s).Erase(q.E.Ctx, a)
		removed = removed || erased
		if err != nil {
			return removed, err
		}
	}
	// Only now: a login that cannot be erased should go on working, and an issuer that does
	// not answer must not keep one here.
	revoke(q.E, devices)
	return removed, nil
}

// eraseForeign removes the login from the place that the chain finds it in, unless that
// was regshape's own store, and names the places that are left. The chain includes the
// store itself: docker's settings may name a profile that has the login.
func eraseForeign(q lookup.Query, r *logoutResult) error {
	done := r.Removed
	for _, s := range q.Sources() {
		if s.Kind == lookup.FromCommandLine {
			continue
		}
		found, err := s.Look()
		switch {
		case err != nil && !done:
			return s.Failed(err)
		case err != nil:
			r.Still = append(r.Still, s.Where+" (which cannot be read) perhaps")
		case found != nil && found.IsPattern() && q.Address.String() != found.Canonical:
			r.Still = append(r.Still, found.Canonical)
		case found == nil || found.For.String() != q.Address.Bare().String(): // of a scope, or the host
		case s.Erase == nil || done:
			if !slices.Contains(r.Still, s.Where) { // docker's file is read in two ways
				r.Still = append(r.Still, s.Where)
			}
		default:
			if err := s.Erase(*found); err != nil {
				return s.Failed(err)
			}
			r.Removed, done = true, true
		}
	}
	return nil
}

// logoutAllResult is the JSON of logout --all.
type logoutAllResult struct {
	Status     string   `json:"status"`     // "success"
	Registries []string `json:"registries"` // empty for a locked store, whose names nobody can read
	Count      int      `json:"count"`      // logins removed; of a locked store, entries
	Still      []string `json:"still"`      // foreign places that have logins, and what a reset moved aside
}

// runAll empties regshape's own store, locked or not, and revokes the refresh tokens of the
// device logins in it. Foreign places are named.
func (c *Logout) runAll(e *app.Env) error {
	if c.Argument != "" || c.Flag != "" {
		return &app.UsageError{Message: "--all takes no registry", Hint: "run 'regshape auth logout --all' or 'regshape auth logout REGISTRY'"}
	}
	s, err := e.OpenStore()
	if err != nil {
		return &app.StoreError{Registry: "", Doing: "remove credentials", Err: err}
	}
	found, damaged, unread := s.List(e.Ctx)
	if unread != nil {
		e.Warn("the store cannot be read, so no refresh token of a device login was revoked: %v.", unread)
	}
	r := logoutAllResult{Status: "success", Registries: []string{}, Still: []string{}}
	for _, c := range found {
		r.Registries = append(r.Registries, c.Address().Name())
	}
	if r.Count, err = s.EraseAll(e.Ctx); err != nil {
		return &app.StoreError{Registry: "", Doing: "remove credentials", Err: err}
	}
	if unread == nil {
		r.Count = len(found) + len(damaged) // and what programs have answered
	}
	for _, c := range found {
		if err := app.Logins(e, s).Forget(e.Ctx, c); err != nil {
			e.Warn("%s.", e.Problem(err))
		}
	}
	for _, p := range lookup.Places(e) {
		if d, err := authfile.Read(p.Path, p.Format); err == nil && slices.ContainsFunc(lookup.Entries(d), lookup.IsLogin) {
			r.Still = append(r.Still, p.Path)
		}
	}
	aside := s.Location().Aside()
	r.Still = append(r.Still, aside...)
	err = c.reportAll(e, r, aside)
	if err == nil {
		revoke(e, slices.DeleteFunc(found, func(c store.Credential) bool { return !hasRefreshToken(c) }))
	}
	return err
}

func (c *Logout) reportAll(e *app.Env, r logoutAllResult, aside []string) (err error) {
	if e.JSON {
		return app.WriteJSON(e.Out, r)
	}
	for _, name := range r.Registries {
		if err := e.Say("Removing login credentials for %s.", name); err != nil {
			return err
		}
	}
	if unnamed := r.Count - len(r.Registries); unnamed > 0 {
		err = e.Say("Removing %d entries that cannot be opened.", unnamed)
	} else if r.Count == 0 {
		err = e.Say("Not logged in to any registry.")
	}
	for _, path := range r.Still {
		if !slices.Contains(aside, path) {
			e.Warn("%s still has logins of its own.", path)
		}
	}
	if len(aside) > 0 {
		e.Warn("'key reset' moved logins aside, which a key found later opens. To delete them: %s", app.DeleteAside(aside))
	}
	return err
}
