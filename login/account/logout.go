package account

import (
	"fmt"
	"slices"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store"
	"regshape/store/printable"
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
	if e.Timeout <= 0 {
		return &app.UsageError{Message: "--timeout takes a time, more than zero", Hint: "for example --timeout 10s"}
	}
	if c.All {
		return c.allRevoked(e)
	}
	spelling, err := c.Spelling("logout")
	if err != nil {
		return err
	}
	w := lookup.Query{E: e, Address: store.ParseAddress(spelling)}
	name := app.Shown(store.ParseAddress(lookup.Bare(w.Address)))
	r := logoutResult{Status: "success", Registry: name, Still: []string{}}
	if path, _ := e.OnlyFile(); path == "" {
		r.Removed, err = eraseOwn(w)
		if err != nil {
			return &app.StoreError{Registry: name, Doing: "remove credentials", Err: err}
		}
	}
	if err := eraseForeign(w, &r); err != nil {
		return &app.StoreError{Registry: name, Doing: "remove credentials", Err: err}
	}
	if e.JSON {
		return app.WriteJSON(e.Out, r)
	}
	format := "Not logged in to %s.\n"
	if r.Removed {
		format = "Removing login credentials for %s.\n"
	}
	_, err = fmt.Fprintf(e.Out, format, printable.Line(name, 300))
	for _, where := range r.Still {
		e.Warn("%s still has a login for %s.", where, name)
	}
	return err
}

// eraseOwn removes the address from regshape's store, and revokes a device login's refresh
// token. With Docker Hub goes what docker's web login keeps beside it; with a host its
// http:// spelling, as docker does.
func eraseOwn(w lookup.Query) (removed bool, err error) {
	s, err := w.E.OpenStore()
	if err != nil {
		return false, err
	}
	addresses := own(w)
	devices := revocable(w.E, s, addresses)
	for _, a := range addresses {
		erased, err := s.Erase(w.E.Ctx, a)
		removed = removed || erased
		if err != nil {
			return removed, err
		}
	}
	// Only now: a login that cannot be erased should go on working, and an issuer that does
	// not answer must not keep one here.
	revoke(w.E, devices)
	return removed, nil
}

// own are the addresses of regshape's store that a logout is about.
func own(w lookup.Query) []store.Address {
	addresses := []store.Address{w.Address}
	switch {
	case w.Address.Hub():
		addresses = append(addresses, store.HubTokens()...)
	case !w.Address.Opaque():
		addresses = append(addresses, store.ParseAddress(lookup.ServerURL(w.Address)), store.ParseAddress("http://"+lookup.ServerURL(w.Address)))
	}
	return addresses
}

// allRevoked empties the store and revokes the refresh tokens of the device logins in it.
// Those of a store that cannot be read are not known, and stay good.
func (c *Logout) allRevoked(e *app.Env) error {
	var devices []store.Credential
	if s, err := e.OpenStore(); err == nil {
		found, _, err := s.List(e.Ctx)
		if err != nil {
			e.Warn("the store cannot be read, so no refresh token of a device login was revoked: %v.", err)
		}
		devices = slices.DeleteFunc(found, func(c store.Credential) bool { return c.Renew == nil || c.Renew.Token == "" })
	}
	err := c.all(e)
	if err == nil {
		revoke(e, devices)
	}
	return err
}

// eraseForeign removes the login from the place that the chain finds it in, unless that
// was regshape's own store, and names the places that are left.
func eraseForeign(w lookup.Query, r *logoutResult) error {
	done := r.Removed
	for _, s := range stored(w) {
		found, err := s.Look()
		switch {
		case err != nil && !done:
			return s.Failed(err)
		case err != nil:
			r.Still = append(r.Still, s.Where+" (which cannot be read) perhaps")
		case found == nil || !exactly(w, found.Key):
		case s.Erase == nil || done:
			r.Still = append(r.Still, s.Where)
		default:
			if err := s.Erase(found.Key); err != nil {
				return s.Failed(err)
			}
			r.Removed, done = true, true
		}
	}
	return nil
}

// stored is the chain without what came with the command, regshape's own store included:
// a profile that docker's settings name may have the login.
func stored(w lookup.Query) []lookup.Source {
	var list []lookup.Source
	for _, s := range w.Sources() {
		if s.Kind != lookup.FromCommandLine {
			list = append(list, s)
		}
	}
	return list
}

// exactly reports whether a key means this address, and not a scope or the host of it.
func exactly(w lookup.Query, key string) bool {
	return lookup.Bare(store.ParseAddress(key)) == lookup.Bare(w.Address)
}

// logoutAllResult is the JSON of logout --all.
type logoutAllResult struct {
	Status     string   `json:"status"`     // "success"
	Registries []string `json:"registries"` // empty for a locked store, whose names nobody can read
	Count      int      `json:"count"`      // entries removed
	Still      []string `json:"still"`      // foreign places that have logins, and what a reset moved aside
}

// all empties regshape's own store, locked or not. Foreign places are named.
func (c *Logout) all(e *app.Env) error {
	if c.Argument != "" || c.Flag != "" {
		return &app.UsageError{Message: "--all takes no registry", Hint: "run 'regshape auth logout --all' or 'regshape auth logout REGISTRY'"}
	}
	s, err := e.OpenStore()
	if err != nil {
		return &app.StoreError{Registry: "", Doing: "remove credentials", Err: err}
	}
	r := logoutAllResult{Status: "success", Registries: []string{}, Still: []string{}}
	if found, _, err := s.List(e.Ctx); err == nil { // the names are worth having, not more
		for _, c := range found {
			r.Registries = append(r.Registries, app.Shown(store.ParseAddress(c.ServerURL)))
		}
	}
	if r.Count, err = s.EraseAll(e.Ctx); err != nil {
		return &app.StoreError{Registry: "", Doing: "remove credentials", Err: err}
	}
	for _, p := range lookup.Places(e) {
		if d, err := authfile.Read(p.Path, p.Format); err == nil && slices.ContainsFunc(d.Entries(), lookup.IsLogin) {
			r.Still = append(r.Still, p.Path)
		}
	}
	aside := s.Location().Aside()
	r.Still = append(r.Still, aside...)
	if e.JSON {
		return app.WriteJSON(e.Out, r)
	}
	for _, name := range r.Registries {
		if _, err := fmt.Fprintf(e.Out, "Removing login credentials for %s.\n", name); err != nil {
			return err
		}
	}
	if unnamed := r.Count - len(r.Registries); unnamed > 0 {
		_, err = fmt.Fprintf(e.Out, "Removing %d entries that cannot be opened.\n", unnamed)
	} else if r.Count == 0 {
		_, err = fmt.Fprintln(e.Out, "Not logged in to any registry.")
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
