package login

import (
	"errors"

	"regshape/store"
	"regshape/store/keys"
	"regshape/store/printable"
)

type keyRotateCmd struct {
	wayIn
	Resume bool `xor:"rotate" help:"Finish a change of the key that was cut short."`
	Abort  bool `xor:"rotate" help:"Take it back."`
}

// rotateResult is the JSON of key rotate --resume and --abort.
type rotateResult struct {
	Status string `json:"status"`        // "success"
	Done   bool   `json:"done"`          // false: nothing was under way
	Source string `json:"source"`        // as in key show
	KID    string `json:"kid,omitempty"` // absent for a store that is not there yet
	Where  string `json:"where"`         // as in key show
}

// Run makes a new key in the present place and seals every login under it.
func (c *keyRotateCmd) Run(e *env) error {
	if err := c.check(); err != nil {
		return err
	}
	k, err := e.openCustodyToChange("rotate the key")
	if err != nil {
		return err
	}
	// A locked store, and nobody to ask: to say that it is locked is to say what to do.
	_, slots := k.slots()
	if slots && (c.wayIn != wayIn{} || e.prompt().interactive()) && !c.Abort && k.now.KID != "" {
		if err := k.ready(c.wayIn); err != nil {
			return k.failed(err)
		}
	}
	switch {
	case c.Resume:
		return c.resume(k)
	case c.Abort:
		return c.abort(k)
	case k.now.KID == "":
		return k.failed(errors.New("there is no store yet: the first login makes its key"))
	}
	r := store.Rotation{Source: k.now.Source}
	if r.Place, err = k.configured().Choose(k.loc, k.now.Source); err != nil {
		return k.failed(err)
	}
	switch place := r.Place.(type) {
	case keys.Command:
		found, err := place.Lines(e.ctx)
		if err == nil {
			r.Key, err = k.newKey(found, "the command")
		}
		if err != nil {
			return k.failed(err)
		}
	case keys.Named:
		found, err := place.Lines()
		if err == nil {
			r.Key, err = k.newKey(found, printable.Line(k.keyFile, 300))
		}
		if err != nil {
			return k.failed(err)
		}
	}
	old := k.now.KID
	if err := k.turn(r, true); err != nil {
		return k.failed(err)
	}
	e.noteRotation(true)
	if r.Key != nil {
		e.note("the line of the old key, of kid %s, is not used any more: take it out.", old)
	}
	return k.succeed("The store has a new key, "+k.now.KID, true)
}

func (c *keyRotateCmd) resume(k *custody) error {
	progress := newProgress(k.e.Err, "Re-encrypting")
	done, err := k.store.Resume(k.e.ctx, progress.step)
	progress.end()
	if err = k.settle(err); err != nil {
		return k.failed(err)
	}
	return k.ended(done, "finished, or taken back where it had not got far")
}

func (c *keyRotateCmd) abort(k *custody) error {
	done, err := k.store.Abort(k.e.ctx)
	if err = k.settle(err); err != nil {
		return k.failed(err)
	}
	return k.ended(done, "taken back, unless it was done already")
}

// ended tells what became of a change that was cut short.
func (k *custody) ended(done bool, how string) error {
	before := k.now
	var err error
	if k.now, err = k.store.Custody(); err != nil {
		return k.failed(err)
	}
	if k.e.JSON {
		return writeJSON(k.e.Out, rotateResult{"success", done, k.now.Source.Source, k.now.KID, k.placeNow()})
	}
	switch {
	case !done:
		return k.e.say("No change of the key was under way.")
	case before.KID != k.now.KID || !before.Source.Equal(k.now.Source):
		return k.e.say("The change of the key is finished: the store has turned to the key %s (%s).", k.now.KID, k.placeNow())
	}
	return k.e.say("The change of the key is %s: the store has the key %s (%s).", how, k.now.KID, k.placeNow())
}
