package login

import (
	"errors"
	"fmt"
	"time"

	"regshape/store"
	"regshape/store/keys"
)

type unlockCmd struct {
	wayIn
	For *time.Duration `placeholder:"DURATION" help:"Stay unlocked for this time; 8h unless given."`
}

// unlockResult is the JSON of unlock.
type unlockResult struct {
	Status string     `json:"status"` // "success"
	Source string     `json:"source"` // as in key show
	Locked bool       `json:"locked"` // false
	Until  *time.Time `json:"until,omitempty"`
}

// Run unlocks the store, for every program of the user. What needs no unlocking is no error.
func (c *unlockCmd) Run(e *env) error {
	if err := c.check(); err != nil {
		return err
	}
	k, err := e.openCustody("unlock the store")
	if err != nil {
		return err
	}
	r := unlockResult{Status: "success", Source: k.effective().Source}
	text := ""
	slots, hasSlots := k.slots()
	switch {
	case k.now.KID == "":
		text = "Nothing to unlock: there is no store yet, the first login makes it."
	case hasSlots:
		var until time.Time
		if until, text, err = c.slots(k, slots); err == nil {
			r.Until = stamp(until)
		}
	case r.Source == store.SourceKeyring:
		text = "The OS keyring is unlocked, and the key is in it."
		err = unlockKeyring(k)
	default:
		text = fmt.Sprintf("Nothing to unlock: %s (%s).", protectionsOf(r.Source).what, k.where())
	}
	if err != nil {
		return k.failed(err)
	}
	if k.now.KID != "" {
		_ = k.store.MendNames(e.ctx) // it was told; the store may be one that can only be read
	}
	if e.JSON {
		return writeJSON(e.Out, r)
	}
	return e.say("%s", text)
}

func (c *unlockCmd) check() error {
	if c.For != nil && *c.For <= 0 {
		return &usageError{"--for takes a time from now, more than zero", "for example --for 8h"}
	}
	return c.wayIn.check()
}

// slots unlocks slots. Without flags an unlocked store stays as it is: to prolong that
// takes the way in again.
func (c *unlockCmd) slots(k *custody, slots keys.Slots) (until time.Time, text string, err error) {
	if c.For == nil && c.wayIn == (wayIn{}) {
		if until, identity, err := slots.Unlocked(k.now.KID); err == nil {
			if err := slots.Prove(identity); err != nil {
				k.e.warn("%v.", err)
			}
			return until, "The store is unlocked already, until " + clock(until) + ".", nil
		}
	}
	duration := unlockedFor
	if c.For != nil {
		duration = *c.For
	}
	err = k.throughSlot(slots, c.wayIn, func(o keys.Opener) (err error) {
		until, err = slots.Unlock(k.e.ctx, k.now.KID, o, duration)
		return err
	})
	return until, "The store is unlocked until " + clock(until) + ".", outside(err)
}

// unlockKeyring raises the desktop's dialog if it has to.
func unlockKeyring(k *custody) error {
	_, err := k.store.RootKey(k.e.ctx)
	if !errors.Is(err, store.ErrLocked) {
		return err
	}
	if err := keys.NewKeyring().Unlock(k.e.ctx); err != nil {
		return notOfStore(err)
	}
	_, err = k.store.RootKey(k.e.ctx)
	return notOfStore(err)
}
