package custody

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/trust"
)

// Protect encrypts the key, or hands it to the OS keyring or a program.
type Protect struct {
	Passphrase     bool     `help:"Encrypt the key with a passphrase, asked for twice."`
	PassphraseFile string   `name:"passphrase-file" placeholder:"FILE" type:"path" help:"Read that passphrase from this file; - is standard input."`
	Recipient      []string `sep:"none" placeholder:"age1…" help:"Encrypt the key to this age recipient, also a plugin's; may be repeated."`
	Keyring        bool     `help:"Keep the key in the keyring of the operating system."`
	Command        string   `placeholder:"PROGRAM" help:"Take the key from what this program prints. Its arguments follow after --; they stand in the config, so no secret may be among them."`
	Shell          bool     `help:"Have /bin/sh run the command."`
	Identity       string   `placeholder:"FILE" type:"path" help:"The identity file of the age recipient: the key is encrypted only to what somebody can open. For a store that is locked: the way in."`
	NoRotate       bool     `name:"no-rotate" help:"Keep the present key, and change only its place."`
	Arguments      []string `arg:"" optional:"" name:"argument" help:"Arguments of the program."`
}

// keyResult is the JSON of key protect, unprotect and rotate.
type keyResult struct {
	Status  string     `json:"status"` // "success"
	Source  string     `json:"source"` // as in key show
	KID     string     `json:"kid"`
	Where   string     `json:"where"`           // as in key show
	Slots   []slotJSON `json:"slots"`           // the ways in
	Rotated bool       `json:"rotated"`         // false: the key is the one it was
	Until   *time.Time `json:"until,omitempty"` // slots that are unlocked: until when
}

// Run puts the store's key into a better place, or adds a way in.
func (c *Protect) Run(e *app.Env) error {
	if err := c.check(); err != nil {
		return err
	}
	k, err := openCustodyToChange(e, "protect the key")
	if err != nil {
		return err
	}
	said := ""
	switch {
	case c.Keyring:
		said, err = c.keyring(k)
	case c.Command != "":
		said, err = c.command(k)
	case k.Now.Source.Source == store.SourceSlots:
		said, err = c.addSlots(k)
	default:
		said, err = c.firstSlots(k)
	}
	if err != nil {
		return k.failed(err)
	}
	noteRotation(e, !c.NoRotate)
	return k.succeed(said, !c.NoRotate)
}

// Manual is the text of --help and of the man page.
func (*Protect) Manual() app.Manual {
	return app.Manual{Failed: "the key is where it was", Examples: [][2]string{
		{"regshape auth key protect --passphrase", "prompt for a new passphrase, twice"},
		{"regshape auth key protect --recipient age1… --identity FILE", "an age key, or one on a hardware token"},
		{"regshape auth key protect --keyring", "the keyring of the desktop"},
	}}
}

// check refuses a command line that does not say one thing.
func (c *Protect) check() error {
	ways := 0
	for _, given := range []bool{c.slots(), c.Keyring, c.Command != ""} {
		if given {
			ways++
		}
	}
	switch {
	case ways > 1:
		return &app.UsageError{Message: "the key is kept in one place", Hint: "give only one of --keyring, --command, and --passphrase or --recipient"}
	case ways == 0:
		return &app.UsageError{Message: "say where the key is to be", Hint: "give one of --passphrase, --recipient age1…, --keyring and --command PROGRAM"}
	case c.Command == "" && (c.Shell || len(c.Arguments) > 0):
		return &app.UsageError{Message: "--shell and arguments are for --command", Hint: "regshape auth key protect --command PROGRAM -- ARGUMENT…"}
	case c.Shell && len(c.Arguments) > 0:
		return &app.UsageError{Message: "--shell takes the whole command as one word", Hint: "regshape auth key protect --shell --command 'PROGRAM ARGUMENT…'"}
	case c.PassphraseFile == "-" && c.Identity == "-":
		return &app.UsageError{Message: "standard input cannot be both the passphrase and the identity", Hint: "give one of them as a file"}
	}
	return nil
}

func (c *Protect) slots() bool {
	return c.Passphrase || c.PassphraseFile != "" || len(c.Recipient) > 0
}

// keyring turns the store to the operating system's keyring. It may ask on the desktop.
func (c *Protect) keyring(k *Session) (said string, err error) {
	if k.Now.Source.Source == store.SourceKeyring && k.Now.KID != "" {
		return "", errors.New("the key is in the OS keyring already: for a new one run '" + k.E.Own("auth", "key", "rotate") + "'")
	}
	ring := keys.NewKeyring()
	err = ring.Available(k.E.Ctx)
	if errors.Is(err, store.ErrLocked) {
		err = ring.Unlock(k.E.Ctx)
	}
	if err != nil {
		return "", notOfStore(err)
	}
	if err := k.ready(wayIn{Identity: c.Identity}); err != nil {
		return "", err
	}
	r := store.Rotation{Source: store.KeySource{Source: store.SourceKeyring}, Place: ring}
	return "The key is in the OS keyring now", k.turn(r, !c.NoRotate)
}

// command turns the store to a key that a program prints.
func (c *Protect) command(k *Session) (said string, err error) {
	program, arguments := c.Command, c.Arguments
	if c.Shell {
		program, arguments = "/bin/sh", []string{"-c", c.Command}
	}
	place, err := keys.ResolveCommand(program, arguments)
	if err != nil {
		return "", err
	}
	source := store.KeySource{Source: store.SourceCommand, Command: place.Words}
	if k.Now.Source.Equal(source) {
		return "", errors.New("the key is what this command prints already: for a new one run '" + k.E.Own("auth", "key", "rotate") + "'")
	}
	r := store.Rotation{Source: source, Place: place}
	found, err := place.Lines(k.E.Ctx)
	if err != nil {
		return "", notOfStore(err)
	}
	if !c.NoRotate {
		if r.Key, err = k.newKey(found, "the command"); err != nil {
			return "", err
		}
	} else if !slices.ContainsFunc(found, func(root store.RootKey) bool { return root.KID() == k.Now.KID }) {
		return "", fmt.Errorf("the command does not print the present key (kid %s), which --no-rotate keeps: leave that out to turn the store to a new line from 'regshape auth key generate'", k.Now.KID)
	}
	if err := k.ready(wayIn{Identity: c.Identity}); err != nil {
		return "", err
	}
	// Before the store turns to it: from then on every run wants to start it.
	if err := trust.Add(k.Loc, place.Program()); err != nil {
		return "", err
	}
	return "The key is what this command prints now", k.turn(r, !c.NoRotate)
}

// newKey picks the one line that is not the present key's, of a source that only the user
// can write to. where names it.
func (k *Session) newKey(found []store.RootKey, where string) (*store.RootKey, error) {
	var fresh []store.RootKey
	for _, root := range found {
		if root.KID() != k.Now.KID && !slices.ContainsFunc(fresh, root.Equal) {
			fresh = append(fresh, root)
		}
	}
	switch len(fresh) {
	case 0:
		return nil, fmt.Errorf("%s has only the present key (kid %s): put a new line from 'regshape auth key generate' beside it, and try again", where, k.Now.KID)
	case 1:
		return &fresh[0], nil
	}
	return nil, fmt.Errorf("%s has %d keys that are not the present one (kid %s): leave only one of them there", where, len(fresh), k.Now.KID)
}

// succeed tells the result of a change of the key.
func (k *Session) succeed(said string, rotated bool) error {
	r := keyResult{Status: "success", Source: k.Now.Source.Source, KID: k.Now.KID, Where: k.PlaceNow(), Slots: []slotJSON{}, Rotated: rotated}
	slots := keys.Slots{Location: k.Loc, Recipient: k.Now.Source.Recipient}
	hasSlots := r.Source == store.SourceSlots
	if hasSlots {
		var err error
		if r.Slots, err = slotList(slots); err != nil {
			return k.failed(err)
		}
		if until, _, err := slots.Unlocked(k.Now.KID); err == nil {
			r.Until = app.Stamp(until)
		}
	}
	if k.KeyFile != "" && r.Source != store.SourceEnvironment {
		k.E.Warn("unset REGSHAPE_KEY_FILE now: while it is set, the key is looked for in %s alone.", k.KeyFile)
	}
	if k.E.JSON {
		return app.WriteJSON(k.E.Out, r)
	}
	if err := k.E.Say("%s (%s).", said, r.Where); err != nil || !hasSlots {
		return err
	}
	for _, s := range r.Slots {
		if err := k.E.Say("  %s", keys.Slot{Number: s.Number, Type: s.Type}); err != nil {
			return err
		}
	}
	if r.Until == nil {
		return k.E.Say("The store is locked: run '%s'.", k.E.Own("auth", "unlock"))
	}
	return k.E.Say("The store is unlocked until %s; after that run '%s'.", terminal.Clock(*r.Until), k.E.Own("auth", "unlock"))
}

// PlaceNow names the place that the config names.
func (k *Session) PlaceNow() string { return keyPlace(k.Loc, k.Now.Source, k.Now.KID, k.KeyFile) }
