package login

import (
	"errors"
	"fmt"

	"regshape/store"
)

type lockCmd struct{}

// lockResult is the JSON of lock.
type lockResult struct {
	Status string `json:"status"` // "success"
	Source string `json:"source"` // as in key show
	Locked bool   `json:"locked"` // false where the source cannot be locked by regshape
}

// Run forgets the unlocked key. What cannot be locked, or is locked, is no error.
func (*lockCmd) Run(e *env) error {
	k, err := e.openCustody("lock the store")
	if err != nil {
		return err
	}
	r := lockResult{Status: "success", Source: k.effective().Source}
	text := ""
	slots, hasSlots := k.slots()
	switch {
	case hasSlots && k.now.KID != "":
		text = "The store is locked."
		if _, _, err := slots.Unlocked(k.now.KID); errors.Is(err, store.ErrLocked) {
			text = "The store is locked already."
		}
		if err := slots.Lock(k.now.KID); err != nil {
			return k.failed(outside(err))
		}
		r.Locked = true
	case r.Source == store.SourceKeyring:
		text = "Nothing to lock: the key is in the OS keyring, which the desktop locks."
	default:
		text = fmt.Sprintf("Nothing to lock: %s (%s). To have it locked, run '%s'.",
			protectionsOf(r.Source).what, k.where(), e.own("auth", "key", "protect", "--passphrase"))
	}
	if e.JSON {
		return writeJSON(e.Out, r)
	}
	return e.say("%s", text)
}
