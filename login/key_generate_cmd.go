package login

import "regshape/store"

type keyGenerateCmd struct{}

// generateResult is the JSON of key generate.
type generateResult struct {
	Status string `json:"status"` // "success"
	KID    string `json:"kid"`
	Line   string `json:"line"` // the key line, a secret
}

// Run prints a new key line, for a secret manager to keep. No store is touched.
func (*keyGenerateCmd) Run(e *env) error {
	k := store.NewRootKey()
	if e.JSON {
		return writeJSON(e.Out, generateResult{"success", k.KID(), k.Line()})
	}
	return e.say("%s", k.Line())
}
