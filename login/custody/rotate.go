package custody

import (
	"errors"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/printable"
)

// Rotate makes a new key and re-encrypts every login.
type Rotate struct {
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
func (c *Rotate) Run(e *app.Env) error {
	if err := c.check(); err != nil {
		return err
	}
	k, err := openCustodyToChange(e, "rotate the key")
	if err != nil {
		return err
	}
	// A locked store, and nobody to ask: to say that it is locked is to say what to do.
	_, slots := k.slots()
	if slots && (c.wayIn != wayIn{} || e.Prompt().Interactive()) && !c.Abort && k.Now.KID != "" {
		if err := k.ready(c.wayIn); err != nil {
			return k.failed(err)
		}
	}
	switch {
	case c.Resume:
		return c.resume(k)
	case c.Abort:
		return c.abort(k)
	case k.Now.KID == "":
		return k.failed(errors.New("there is no store yet: the first login makes its key"))
	}
	r := store.Rotation{Source: k.Now.Source}
	if r.Place, err = k.configured().Choose(k.Loc, k.Now.Source); err != nil {
		return k.failed(err)
	}
	switch place := r.Place.(type) {
	case keys.Command:
		found, err := place.Lines(e.Ctx)
		if err == nil {
			r.Key, err = k.newKey(found, "the command")
		}
		if err != nil {
			return k.failed(err)
		}
	case keys.Named:
		found, err := place.Lines()
		if err == nil {
			r.Key, err = k.newKey(found, printable.Line(k.KeyFile, 300))
		}
		if err != nil {
			return k.failed(err)
		}
	}
	old := k.Now.KID
	if err := k.turn(r, true); err != nil {
		return k.failed(err)
	}
	noteRotation(e, true)
	if r.Key != nil {
		e.Note("the line of the old key, of kid %s, is not used any more: take it out.", old)
	}
	return k.succeed("The store has a new key, "+k.Now.KID, true)
}

// Manual is the text of --help and of the man page.
func (*Rotate) Manual() app.Manual {
	return app.Manual{Failed: "the old key is still in use; --resume or --abort ends an interrupted rotation", Examples: [][2]string{
		{"regshape auth key rotate", "re-encrypt every login with a new key"},
		{"regshape auth key rotate --resume", "after a crash"},
	}}
}

func (c *Rotate) resume(k *Session) error {
	progress := terminal.NewProgress(k.E.Err, "Re-encrypting")
	done, err := k.Store.Resume(k.E.Ctx, progress.Step)
	progress.End()
	if err = k.settle(err); err != nil {
		return k.failed(err)
	}
	return k.ended(done, "finished, or taken back where it had not got far")
}

func (c *Rotate) abort(k *Session) error {
	done, err := k.Store.Abort(k.E.Ctx)
	if err = k.settle(err); err != nil {
		return k.failed(err)
	}
	return k.ended(done, "taken back, unless it was done already")
}

// ended tells what became of a change that was cut short.
func (k *Session) ended(done bool, how string) error {
	before := k.Now
	var err error
	if k.Now, err = k.Store.Custody(); err != nil {
		return k.failed(err)
	}
	if k.E.JSON {
		return app.WriteJSON(k.E.Out, rotateResult{"success", done, k.Now.Source.Source, k.Now.KID, k.PlaceNow()})
	}
	switch {
	case !done:
		return k.E.Say("No change of the key was under way.")
	case before.KID != k.Now.KID || !before.Source.Equal(k.Now.Source):
		return k.E.Say("The change of the key is finished: the store has turned to the key %s (%s).", k.Now.KID, k.PlaceNow())
	}
	return k.E.Say("The change of the key is %s: the store has the key %s (%s).", how, k.Now.KID, k.PlaceNow())
}
