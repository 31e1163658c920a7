package login

import (
	"fmt"

	"regshape/store/trust"
)

type keyResetCmd struct {
	ForgetAllLogins bool `name:"forget-all-logins" help:"Yes: every stored login is given up."`
}

// resetResult is the JSON of key reset.
type resetResult struct {
	Status string   `json:"status"` // "success"
	Aside  []string `json:"aside"`  // what was moved aside, by its new path
}

// Run moves a store whose key is lost aside.
func (c *keyResetCmd) Run(e *env) error {
	if !c.ForgetAllLogins {
		return &usageError{
			"a reset gives up every stored login",
			"if that is meant: " + e.own("auth", "key", "reset", "--forget-all-logins"),
		}
	}
	loc, err := e.locate()
	if err != nil {
		return err
	}
	if _, err := trust.Revoke(loc); err != nil {
		return &storeError{"", "reset the store", err}
	}
	aside, err := loc.Forget(e.now())
	if err != nil {
		return &storeError{"", "reset the store", err}
	}
	if e.JSON {
		if aside == nil {
			aside = []string{}
		}
		return writeJSON(e.Out, resetResult{"success", aside})
	}
	if len(aside) == 0 {
		_, err = fmt.Fprintln(e.Out, "There is no store to reset.")
		return err
	}
	_, _ = fmt.Fprintln(e.Out, "The store is empty; the next login begins a new one. Moved aside, in case the key turns up:")
	for _, path := range aside {
		if err = e.say("  %s", path); err != nil {
			return err
		}
	}
	return e.say("A key that turns up opens them. To delete them: %s", deleteAside(aside))
}
