package login

import (
	"fmt"
	"slices"

	"regshape/store"
	"regshape/store/printable"
)

type logoutCmd struct {
	registryArg
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
func (c *logoutCmd) Run(e *env) error {
	if e.Timeout <= 0 {
		return &usageError{"--timeout takes a time, more than zero", "for example --timeout 10s"}
	}
	if c.All {
		return c.allRevoked(e)
	}
	spelling, err := c.spelling("logout")
	if err != nil {
		return err
	}
	w := wanted{e, store.ParseAddress(spelling)}
	name := shown(store.ParseAddress(bare(w.address)))
	r := logoutResult{Status: "success", Registry: name, Still: []string{}}
	if path, _ := e.authfile(); path == "" {
		r.Removed, err = w.eraseOwn()
		if err != nil {
			return &storeError{name, "remove credentials", err}
		}
	}
	if err := w.eraseForeign(&r); err != nil {
		return &storeError{name, "remove credentials", err}
	}
	if e.JSON {
		return writeJSON(e.Out, r)
	}
	format := "Not logged in to %s.\n"
	if r.Removed {
		format = "Removing login credentials for %s.\n"
	}
	_, err = fmt.Fprintf(e.Out, format, printable.Line(name, 300))
	for _, where := range r.Still {
		e.warn("%s still has a login for %s.", where, name)
	}
	return err
}

// eraseOwn removes the address from regshape's store, and revokes a device login's refresh
// token. With Docker Hub goes what docker's web login keeps beside it; with a host its
// http:// spelling, as docker does.
func (w wanted) eraseOwn() (removed bool, err error) {
	s, err := w.e.openStore()
	if err != nil {
		return false, err
	}
	addresses := w.own()
	devices := w.e.revocable(s, addresses)
	for _, a := range addresses {
		erased, err := s.Erase(w.e.ctx, a)
		removed = removed || erased
		if err != nil {
			return removed, err
		}
	}
	// Only now: a login that cannot be erased should go on working, and an issuer that does
	// not answer must not keep one here.
	w.e.revoke(devices)
	return removed, nil
}

// own are the addresses of regshape's store that a logout is about.
func (w wanted) own() []store.Address {
	addresses := []store.Address{w.address}
	switch {
	case w.address.Hub():
		addresses = append(addresses, store.HubTokens()...)
	case !w.address.Opaque():
		addresses = append(addresses, store.ParseAddress(serverURL(w.address)), store.ParseAddress("http://"+serverURL(w.address)))
	}
	return addresses
}

// allRevoked empties the store and revokes the refresh tokens of the device logins in it.
// Those of a store that cannot be read are not known, and stay good.
func (c *logoutCmd) allRevoked(e *env) error {
	var devices []store.Credential
	if s, err := e.openStore(); err == nil {
		found, _, err := s.List(e.ctx)
		if err != nil {
			e.warn("the store cannot be read, so no refresh token of a device login was revoked: %v.", err)
		}
		devices = slices.DeleteFunc(found, func(c store.Credential) bool { return c.Renew == nil || c.Renew.Token == "" })
	}
	err := c.all(e)
	if err == nil {
		e.revoke(devices)
	}
	return err
}

// eraseForeign removes the login from the place that the chain finds it in, unless that
// was regshape's own store, and names the places that are left.
func (w wanted) eraseForeign(r *logoutResult) error {
	done := r.Removed
	for _, s := range w.stored() {
		found, err := s.look()
		switch {
		case err != nil && !done:
			return s.failed(err)
		case err != nil:
			r.Still = append(r.Still, s.where+" (which cannot be read) perhaps")
		case found == nil || !w.exactly(found.key):
		case s.erase == nil || done:
			r.Still = append(r.Still, s.where)
		default:
			if err := s.erase(found.key); err != nil {
				return s.failed(err)
			}
			r.Removed, done = true, true
		}
	}
	return nil
}

// stored is the chain without what came with the command, regshape's own store included:
// a profile that docker's settings name may have the login.
func (w wanted) stored() []source {
	var list []source
	for _, s := range w.sources() {
		if s.kind != fromCommandLine {
			list = append(list, s)
		}
	}
	return list
}

// exactly reports whether a key means this address, and not a scope or the host of it.
func (w wanted) exactly(key string) bool { return bare(store.ParseAddress(key)) == bare(w.address) }
