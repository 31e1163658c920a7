package custody

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/keys"
)

// Lock removes the unlocked key from memory.
type Lock struct{}

// lockResult is the JSON of lock and unlock.
type lockResult struct {
	Status string     `json:"status"` // "success"
	Source string     `json:"source"` // as in key show
	Locked bool       `json:"locked"` // false if regshape cannot lock the source
	Until  *time.Time `json:"until,omitempty"`
}

// Run locks the store. One that cannot be locked, or is locked already, is not an error.
func (*Lock) Run(e *app.Env) error {
	k, err := Open(e, "lock the store")
	if err != nil {
		return err
	}
	r := lockResult{Status: "success", Source: k.Effective().Source}
	text := ""
	slots, hasSlots := k.slots()
	switch {
	case hasSlots && k.Now.KID != "":
		text = "The store is locked."
		if _, _, err := slots.Unlocked(k.Now.KID); errors.Is(err, store.ErrLocked) {
			text = "The store is locked already."
		}
		if err := slots.Lock(k.Now.KID); err != nil {
			return k.failed(err)
		}
		r.Locked = true
	case r.Source == store.SourceKeyring:
		text = "Nothing to lock: the key is in the OS keyring, which the desktop locks."
	default:
		text = fmt.Sprintf("Nothing to lock: %s (%s). To make it lockable, run '%s'.",
			protectionsOf(runtime.GOOS, r.Source).what, k.Where(), e.Own("auth", "key", "protect", "--passphrase"))
	}
	if e.JSON {
		return app.WriteJSON(e.Out, r)
	}
	return e.Say("%s", text)
}

// Manual is the text of --help and of the man page.
func (*Lock) Manual() app.Manual {
	return app.Manual{Failed: "the key could not be removed from memory", Examples: [][2]string{
		{"regshape auth lock", "the default store"},
		{"regshape auth lock --profile work", "the store of a profile"},
	}}
}

// Unlock keeps the key in memory for a limited time.
type Unlock struct {
	unlockFlags
	For *time.Duration `placeholder:"DURATION" help:"Stay unlocked for this time (default 8h)."`
}

// Run unlocks the store for every program of the user. One that needs no unlocking is not an
// error.
func (c *Unlock) Run(e *app.Env) error {
	if c.For != nil && *c.For <= 0 {
		return &app.UsageError{Message: "--for must be greater than zero", Hint: "for example --for 8h"}
	}
	k, err := Open(e, "unlock the store")
	if err != nil {
		return err
	}
	r := lockResult{Status: "success", Source: k.Effective().Source}
	text := ""
	slots, hasSlots := k.slots()
	switch {
	case k.Now.KID == "":
		text = "Nothing to unlock: there is no store yet; the first login creates it."
	case hasSlots:
		var until time.Time
		if until, text, err = c.slots(k, slots); err == nil {
			r.Until = app.Stamp(until)
		}
	case r.Source == store.SourceKeyring:
		text = "The OS keyring is unlocked, and the key is in it."
		err = unlockKeyring(k)
	default:
		text = fmt.Sprintf("Nothing to unlock: %s (%s).", protectionsOf(runtime.GOOS, r.Source).what, k.Where())
	}
	if err != nil {
		return k.failed(err)
	}
	if k.Now.KID != "" {
		_ = k.Store.RewriteNames(e.Ctx) // reported before; the store may be read-only
	}
	if e.JSON {
		return app.WriteJSON(e.Out, r)
	}
	return e.Say("%s", text)
}

// Manual is the text of --help and of the man page.
func (*Unlock) Manual() app.Manual {
	return app.Manual{Failed: "the store was not unlocked", Examples: [][2]string{
		{"regshape auth unlock --for 2h", "prompt for the passphrase"},
		{"regshape auth unlock --passphrase-file FILE", "in a script"},
	}}
}

// slots unlocks slots. Without flags an unlocked store stays as it is; to extend the time,
// they have to be opened again.
func (c *Unlock) slots(k *Session, slots keys.Slots) (until time.Time, text string, err error) {
	if c.For == nil && c.unlockFlags == (unlockFlags{}) {
		if until, identity, err := slots.Unlocked(k.Now.KID); err == nil {
			if err := slots.Prove(identity); err != nil {
				k.E.Warn("%s.", k.E.Problem(err))
			}
			return until, "The store is unlocked already, until " + terminal.Clock(until) + ".", nil
		}
	}
	duration := unlockedFor
	if c.For != nil {
		duration = *c.For
	}
	err = k.openSlots(slots, c.unlockFlags, func(o keys.Opener) (err error) {
		until, err = slots.Unlock(k.E.Ctx, k.Now.KID, o, duration)
		return err
	})
	return until, "The store is unlocked until " + terminal.Clock(until) + ".", err
}

// unlockKeyring opens the dialog of the desktop if necessary.
func unlockKeyring(k *Session) error {
	_, err := k.Store.RootKey(k.E.Ctx)
	if !errors.Is(err, store.ErrLocked) {
		return err
	}
	if err := keys.NewKeyring().Unlock(k.E.Ctx); err != nil {
		return notOfStore(err)
	}
	_, err = k.Store.RootKey(k.E.Ctx)
	return notOfStore(err)
}
