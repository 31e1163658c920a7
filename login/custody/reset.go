package custody

import (
	"fmt"

	"regshape/login/app"
	"regshape/store/trust"
)

// Reset begins a new store when the key is lost.
type Reset struct {
	ForgetAllLogins bool `name:"forget-all-logins" help:"Yes: every stored login is given up."`
}

// resetResult is the JSON of key reset.
type resetResult struct {
	Status string   `json:"status"` // "success"
	Aside  []string `json:"aside"`  // what was moved aside, by its new path
}

// Run moves a store whose key is lost aside.
func (c *Reset) Run(e *app.Env) error {
	if !c.ForgetAllLogins {
		return &app.UsageError{
			Message: "a reset gives up every stored login",
			Hint:    "if that is meant: " + e.Own("auth", "key", "reset", "--forget-all-logins"),
		}
	}
	loc, err := e.Locate()
	if err != nil {
		return err
	}
	if _, err := trust.Revoke(loc); err != nil {
		return &app.StoreError{Registry: "", Doing: "reset the store", Err: err}
	}
	aside, err := loc.Forget(e.Now())
	if err != nil {
		return &app.StoreError{Registry: "", Doing: "reset the store", Err: err}
	}
	if e.JSON {
		if aside == nil {
			aside = []string{}
		}
		return app.WriteJSON(e.Out, resetResult{"success", aside})
	}
	if len(aside) == 0 {
		_, err = fmt.Fprintln(e.Out, "There is no store to reset.")
		return err
	}
	_, _ = fmt.Fprintln(e.Out, "The store is empty; the next login begins a new one. Moved aside, in case the key turns up:")
	for _, path := range aside {
		if err = e.Say("  %s", path); err != nil {
			return err
		}
	}
	return e.Say("A key that turns up opens them. To delete them: %s", app.DeleteAside(aside))
}

// Manual is the text of --help and of the man page.
func (*Reset) Manual() app.Manual {
	return app.Manual{Failed: "nothing was changed", Examples: [][2]string{
		{"regshape auth key reset --forget-all-logins", "move the old entries aside"},
		{"regshape auth key reset --forget-all-logins --profile work", "those of a profile"},
	}}
}
