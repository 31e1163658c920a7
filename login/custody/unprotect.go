package custody

import (
	"errors"
	"fmt"
	"slices"

	"regshape/login/app"
	"regshape/store"
	"regshape/store/keys"
)

// Unprotect puts the key back into the key file, or removes one slot.
type Unprotect struct {
	wayIn
	Slot     *int `placeholder:"N" help:"Remove only this way in; 'key show' lists them."`
	NoRotate bool `name:"no-rotate" help:"Keep the present key, and change only its place."`
}

// Run puts the key back into the key file, or removes one way in.
func (c *Unprotect) Run(e *app.Env) error {
	if err := c.check(); err != nil {
		return err
	}
	k, err := openCustodyToChange(e, "unprotect the key")
	if err != nil {
		return err
	}
	switch {
	case c.Slot != nil:
		return c.remove(k)
	case k.Now.KID == "":
		err = errors.New("there is no store yet: the first login makes its key")
	case k.Now.Source.Source == store.SourceFile:
		return k.succeed("The key is in the key file already", false)
	default:
		err = c.toFile(k)
	}
	if err != nil {
		return k.failed(err)
	}
	noteRotation(e, !c.NoRotate)
	e.Warn("whoever gets the whole home folder can open the store now.")
	return k.succeed("The key is in a file again, in clear", !c.NoRotate)
}

// Manual is the text of --help and of the man page.
func (*Unprotect) Manual() app.Manual {
	return app.Manual{Failed: "the key is where it was", Examples: [][2]string{
		{"regshape auth key unprotect", "move it back to the key file"},
		{"regshape auth key unprotect --slot 2", "remove the second key slot"},
	}}
}

func (c *Unprotect) check() error {
	switch {
	case c.Slot != nil && *c.Slot < 1:
		return &app.UsageError{Message: "slots count from 1", Hint: "run 'regshape auth key show'"}
	case c.Slot != nil && (c.NoRotate || c.wayIn != wayIn{}):
		return &app.UsageError{Message: "--slot only removes a file: the key stays, and nothing is opened", Hint: "leave the other flags out"}
	}
	return c.wayIn.check()
}

func (c *Unprotect) toFile(k *Session) error {
	if err := k.ready(c.wayIn); err != nil {
		return err
	}
	r := store.Rotation{Source: store.KeySource{Source: store.SourceFile}, Place: keys.File{Location: k.Loc}}
	return k.turn(r, !c.NoRotate)
}

// remove takes one slot away. That needs no key.
func (c *Unprotect) remove(k *Session) error {
	slots, ok := k.slots()
	if !ok {
		return k.failed(fmt.Errorf("the store has no slots: %s", protectionsOf(k.Now.Source.Source).what))
	}
	if err := slots.Remove(*c.Slot); err != nil {
		return k.failed(err)
	}
	k.E.Warn("whoever has an old copy of that slot, and what opens it, can still open the store. To be rid of it, run '%s' and '%s'.",
		k.E.Own("auth", "key", "unprotect"), k.E.Own("auth", "key", "protect", "--passphrase"))
	if left, err := slots.List(); err == nil && !slices.ContainsFunc(left, func(s keys.Slot) bool { return s.Type == "passphrase" }) {
		k.E.Warn("without a passphrase only an identity opens the store: make sure that you have it, with '%s'.",
			k.E.Own("auth", "unlock", "--identity", "FILE"))
	}
	return k.succeed(fmt.Sprintf("Slot %d is removed", *c.Slot), false)
}
