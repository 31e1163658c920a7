package custody

import (
	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/printable"
)

// Rotate creates a new key and re-encrypts every login.
type Rotate struct {
	unlockFlags
	Resume bool `xor:"rotate" help:"Finish a change of the key that was interrupted."`
	Abort  bool `xor:"rotate" help:"Revert such a change."`
}

// rotateResult is the JSON of key rotate --resume and --abort.
type rotateResult struct {
	Status string `json:"status"`        // "success"
	Done   bool   `json:"done"`          // false: nothing was in progress
	Source string `json:"source"`        // as in key show
	KID    string `json:"kid,omitempty"` // absent if there is no store yet
	Where  string `json:"where"`         // as in key show
}

// Run creates a new key in the current place and re-encrypts every login.
func (c *Rotate) Run(e *app.Env) error {
	k, err := openForChange(e, "rotate the key")
	if err != nil {
		return err
	}
	// Without a terminal and flags, the error for a locked store has the hint.
	_, slots := k.slots()
	if slots && (c.unlockFlags != unlockFlags{} || e.Prompt().Interactive()) && !c.Abort && k.Now.KID != "" {
		if err := k.ready(c.unlockFlags); err != nil {
			return k.failed(err)
		}
	}
	switch {
	case c.Resume:
		progress := terminal.NewProgress(e.Err, "Re-encrypting")
		done, err := k.Store.Resume(e.Ctx, progress.Step)
		progress.End()
		return k.ended(done, err, "finished, or reverted if it had not taken effect")
	case c.Abort:
		done, err := k.Store.Abort(e.Ctx)
		return k.ended(done, err, "reverted, unless it had taken effect")
	case k.Now.KID == "":
		return k.failed(errNoStore)
	}
	r := store.Rotation{Source: k.Now.Source}
	if r.Place, err = k.configSources().Choose(k.Loc, k.Now.Source); err != nil {
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
	if err := k.change(r, true); err != nil {
		return k.failed(err)
	}
	noteRotation(e, true)
	if r.Key != nil {
		e.Note("the line of the old key, kid %s, is no longer used: remove it.", old)
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

// ended prints the outcome of a change that was interrupted.
func (k *Session) ended(done bool, err error, how string) error {
	if err = k.warnLeftBehind(err); err != nil {
		return k.failed(err)
	}
	before := k.Now
	if k.Now, err = k.Store.Custody(); err != nil {
		return k.failed(err)
	}
	if k.E.JSON {
		return app.WriteJSON(k.E.Out, rotateResult{"success", done, k.Now.Source.Source, k.Now.KID, k.PlaceNow()})
	}
	switch {
	case !done:
		return k.E.Say("No change of the key was in progress.")
	case before.KID != k.Now.KID || !before.Source.Equal(k.Now.Source):
		return k.E.Say("The change of the key is finished: the store now has the key %s (%s).", k.Now.KID, k.PlaceNow())
	}
	return k.E.Say("The change of the key is %s: the store has the key %s (%s).", how, k.Now.KID, k.PlaceNow())
}
