package login

import (
	"fmt"

	"regshape/login/registry"
	"regshape/store"
)

type logoutCmd struct{ registryArg }

// logoutResult is the JSON of a logout.
type logoutResult struct {
	Status   string `json:"status"` // "success"
	Registry string `json:"registry"`
	Removed  bool   `json:"removed"` // false: there was no login
}

// Run removes the login of one registry. What docker's web login keeps beside Docker
// Hub's own goes with it. Logins of namespaces are others' and stay.
func (c *logoutCmd) Run(e *env) error {
	spelling, err := c.spelling("logout")
	if err != nil {
		return err
	}
	address := store.ParseAddress(spelling)
	s, err := e.openStore()
	if err != nil {
		return &storeError{shown(address), "remove credentials", err}
	}
	addresses := []store.Address{address}
	switch {
	case address.Hub():
		addresses = append(addresses, store.HubTokens()...)
	case !address.Opaque() && !address.PlainHTTP():
		// docker and others may have stored it under either spelling.
		addresses = append(addresses, store.ParseAddress("http://"+address.String()))
	}
	removed := false
	for _, a := range addresses {
		erased, err := s.Erase(e.ctx, a)
		removed = removed || erased
		if err != nil {
			return &storeError{shown(address), "remove credentials", err}
		}
	}
	if e.JSON {
		return writeJSON(e.Out, logoutResult{"success", shown(address), removed})
	}
	format := "Not logged in to %s.\n"
	if removed {
		format = "Removing login credentials for %s.\n"
	}
	_, err = fmt.Fprintf(e.Out, format, registry.Printable(shown(address), 300))
	return err
}
