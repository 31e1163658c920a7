package custody

import (
	"regshape/login/app"
	"regshape/store"
)

// Generate prints a new key line.
type Generate struct{}

// generateResult is the JSON of key generate.
type generateResult struct {
	Status string `json:"status"` // "success"
	KID    string `json:"kid"`
	Line   string `json:"line"` // the key line, a secret
}

// Run prints a new key line, for a secret manager to keep. No store is touched.
func (*Generate) Run(e *app.Env) error {
	k := store.NewRootKey()
	if e.JSON {
		return app.WriteJSON(e.Out, generateResult{"success", k.KID(), k.Line()})
	}
	return e.Say("%s", k.Line())
}
