package login

import (
	"errors"
	"fmt"
	"slices"

	"regshape/store"
	"regshape/store/keys"
)

type keyUnprotectCmd struct {
	wayIn
	Slot     *int `placeholder:"N" help:"Remove only this way in; 'key show' lists them."`
	NoRotate bool `name:"no-rotate" help:"Keep the present key, and change only its place."`
}

// Run puts the key back into the key file, or removes one way in.
func (c *keyUnprotectCmd) Run(e *env) error {
	if err := c.check(); err != nil {
		return err
	}
	k, err := e.openCustodyToChange("unprotect the key")
	if err != nil {
		return err
	}
	switch {
	case c.Slot != nil:
		return c.remove(k)
	case k.now.KID == "":
		err = errors.New("there is no store yet: the first login makes its key")
	case k.now.Source.Source == store.SourceFile:
		return k.succeed("The key is in the key file already", false)
	default:
		err = c.toFile(k)
	}
	if err != nil {
		return k.failed(err)
	}
	e.noteRotation(!c.NoRotate)
	e.warn("whoever gets the whole home folder can open the store now.")
	return k.succeed("The key is in a file again, in clear", !c.NoRotate)
}

func (c *keyUnprotectCmd) check() error {
	switch {
	case c.Slot != nil && *c.Slot < 1:
		return &usageError{"slots count from 1", "run 'regshape auth key show'"}
	case c.Slot != nil && (c.NoRotate || c.wayIn != wayIn{}):
		return &usageError{"--slot only removes a file: the key stays, and nothing is opened", "leave the other flags out"}
	}
	return c.wayIn.check()
}

func (c *keyUnprotectCmd) toFile(k *custody) error {
	if err := k.ready(c.wayIn); err != nil {
		return err
	}
	r := store.Rotation{Source: store.KeySource{Source: store.SourceFile}, Place: keys.File{Location: k.loc}}
	return k.turn(r, !c.NoRotate)
}

// remove takes one slot away. That needs no key.
func (c *keyUnprotectCmd) remove(k *custody) error {
	slots, ok := k.slots()
	if !ok {
		return k.failed(fmt.Errorf("the store has no slots: %s", protectionsOf(k.now.Source.Source).what))
	}
	if err := slots.Remove(*c.Slot); err != nil {
		return k.failed(err)
	}
	k.e.warn("whoever has an old copy of that slot, and what opens it, can still open the store. To be rid of it, run '%s' and '%s'.",
		k.e.own("auth", "key", "unprotect"), k.e.own("auth", "key", "protect", "--passphrase"))
	if left, err := slots.List(); err == nil && !slices.ContainsFunc(left, func(s keys.Slot) bool { return s.Type == "passphrase" }) {
		k.e.warn("without a passphrase only an identity opens the store: make sure that you have it, with '%s'.",
			k.e.own("auth", "unlock", "--identity", "FILE"))
	}
	return k.succeed(fmt.Sprintf("Slot %d is removed", *c.Slot), false)
}
