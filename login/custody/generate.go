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

// Manual is the text of --help and of the man page.
func (*Generate) Manual() app.Manual {
	return app.Manual{Failed: "no key was generated", Examples: [][2]string{
		{"regshape auth key generate | vault kv put secret/regshape key=-", "into a secret manager"},
		{"(umask 077; regshape auth key generate >FILE)", "for REGSHAPE_KEY_FILE"},
	}}
}
