package custody

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/trust"
)

// Protect encrypts the key, or moves it to the OS keyring or a program.
type Protect struct {
	Passphrase     bool     `help:"Encrypt the key with a passphrase, prompted for twice."`
	PassphraseFile string   `name:"passphrase-file" placeholder:"FILE" type:"path" help:"Read the passphrase from this file; - is standard input."`
	Recipient      []string `sep:"none" placeholder:"age1…" help:"Encrypt the key to this age recipient, also of a plugin; can be repeated."`
	Keyring        bool     `help:"Keep the key in the keyring of the operating system."`
	Command        string   `placeholder:"PROGRAM" help:"Use the key that this program prints. Its arguments follow after --; they are stored in the config, so they must not be secret."`
	Shell          bool     `help:"Run the command with /bin/sh, on Windows with PowerShell."`
	Identity       string   `placeholder:"FILE" type:"path" help:"The identity file of the age recipient, to prove that the key can be decrypted. Also unlocks a locked store."`
	NoRotate       bool     `name:"no-rotate" help:"Keep the current key, and change only where it is."`
}

// keyResult is the JSON of key protect, unprotect and rotate.
type keyResult struct {
	Status  string     `json:"status"` // "success"
	Source  string     `json:"source"` // as in key show
	KID     string     `json:"kid"`
	Where   string     `json:"where"` // as in key show
	Slots   []slotJSON `json:"slots"`
	Rotated bool       `json:"rotated"`         // false: the key is the same
	Until   *time.Time `json:"until,omitempty"` // slots that are unlocked: until when
}

// Run changes where the key is, or adds a slot.
func (c *Protect) Run(e *app.Env) error {
	if err := c.check(e.Words); err != nil {
		return err
	}
	k, err := openForChange(e, "protect the key")
	if err != nil {
		return err
	}
	done := ""
	switch {
	case c.Keyring:
		done, err = c.keyring(k)
	case c.Command != "":
		done, err = c.command(k)
	case k.Now.Source.Source == store.SourceSlots:
		done, err = c.addSlots(k)
	default:
		done, err = c.firstSlots(k)
	}
	if err != nil {
		return k.failed(err)
	}
	noteRotation(e, !c.NoRotate)
	return k.succeed(done, !c.NoRotate)
}

// Manual is the text of --help and of the man page.
func (*Protect) Manual() app.Manual {
	return app.Manual{Failed: "the key is where it was", Examples: [][2]string{
		{"regshape auth key protect --passphrase", "prompt for a new passphrase, twice"},
		{"regshape auth key protect --recipient age1… --identity FILE", "an age key, or one on a hardware token"},
		{"regshape auth key protect --keyring", "the keyring of the desktop"},
	}}
}

// check requires exactly one place.
func (c *Protect) check(words []string) error {
	places := 0
	for _, given := range []bool{c.slots(), c.Keyring, c.Command != ""} {
		if given {
			places++
		}
	}
	switch {
	case places > 1:
		return &app.UsageError{Message: "the key can be in one place only", Hint: "give only one of --keyring, --command, and --passphrase or --recipient"}
	case places == 0:
		return &app.UsageError{Message: "no place for the key given", Hint: "give one of --passphrase, --recipient age1…, --keyring and --command PROGRAM"}
	case c.Command == "" && c.Shell:
		return &app.UsageError{Message: "--shell needs --command", Hint: "regshape auth key protect --command PROGRAM -- ARGUMENT…"}
	case c.Shell && len(words) > 0:
		return &app.UsageError{Message: "--shell takes the whole command as one word", Hint: "regshape auth key protect --shell --command 'PROGRAM ARGUMENT…'"}
	case c.PassphraseFile == "-" && c.Identity == "-":
		return &app.UsageError{Message: "standard input cannot be both the passphrase and the identity", Hint: "give one of them as a file"}
	}
	return nil
}

func (c *Protect) slots() bool {
	return c.Passphrase || c.PassphraseFile != "" || len(c.Recipient) > 0
}

// keyring moves the key to the OS keyring, which may prompt on the desktop.
func (c *Protect) keyring(k *Session) (done string, err error) {
	if k.Now.Source.Source == store.SourceKeyring && k.Now.KID != "" {
		return "", errors.New("the key is in the OS keyring already: run '" + k.E.Own("auth", "key", "rotate") + "' for a new one")
	}
	ring := keys.NewKeyring()
	err = ring.Available(k.E.Ctx)
	if errors.Is(err, store.ErrLocked) {
		err = ring.Unlock(k.E.Ctx)
	}
	if err != nil {
		return "", notOfStore(err)
	}
	if err := k.ready(unlockFlags{Identity: c.Identity}); err != nil {
		return "", err
	}
	r := store.Rotation{Source: store.KeySource{Source: store.SourceKeyring}, Place: ring}
	return "The key is in the OS keyring now", k.change(r, !c.NoRotate)
}

// command changes the store to a key that a program prints.
func (c *Protect) command(k *Session) (done string, err error) {
	program, arguments := c.Command, k.E.Words
	if c.Shell {
		program, arguments = app.Shell(runtime.GOOS, c.Command)
	}
	place, err := keys.ResolveCommand(program, arguments)
	if err != nil {
		return "", err
	}
	source := store.KeySource{Source: store.SourceCommand, Command: place.Words}
	if k.Now.Source.Equal(source) {
		return "", errors.New("this command is the source of the key already: run '" + k.E.Own("auth", "key", "rotate") + "' for a new one")
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
		return "", fmt.Errorf("the command does not print the current key (kid %s), which --no-rotate keeps: omit that to change to a new line from 'regshape auth key generate'", k.Now.KID)
	}
	if err := k.ready(unlockFlags{Identity: c.Identity}); err != nil {
		return "", err
	}
	// Before the change: from then on every run starts it.
	if err := trust.Add(k.Loc, place.Program()); err != nil {
		return "", err
	}
	return "The key comes from this command now", k.change(r, !c.NoRotate)
}

// newKey picks the one key that is not the current one from a source that only the user can
// write to. where names it.
func (k *Session) newKey(found []store.RootKey, where string) (*store.RootKey, error) {
	var fresh []store.RootKey
	for _, root := range found {
		if root.KID() != k.Now.KID && !slices.ContainsFunc(fresh, root.Equal) {
			fresh = append(fresh, root)
		}
	}
	switch len(fresh) {
	case 0:
		return nil, fmt.Errorf("%s has only the current key (kid %s): add a new line from 'regshape auth key generate', and try again", where, k.Now.KID)
	case 1:
		return &fresh[0], nil
	}
	return nil, fmt.Errorf("%s has %d keys besides the current one (kid %s): leave only one of them", where, len(fresh), k.Now.KID)
}

// succeed prints the result of a change of the key.
func (k *Session) succeed(done string, rotated bool) error {
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
		k.E.Warn("unset REGSHAPE_KEY_FILE now: while it is set, the key is read from %s only.", k.KeyFile)
	}
	if k.E.JSON {
		return app.WriteJSON(k.E.Out, r)
	}
	if err := k.E.Say("%s (%s).", done, r.Where); err != nil || !hasSlots {
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

// PlaceNow names the place of the key by the config.
func (k *Session) PlaceNow() string { return keyPlace(k.Loc, k.Now.Source, k.Now.KID, k.KeyFile) }

// newSlots is what the user gave for new slots.
type newSlots struct {
	recipients []keys.Recipient
	passphrase string // or ""
	identity   string // the store's own, if it has slots
	file       string // --identity, or ""
	e          *app.Env
}

// newSlots reads the flags, and prompts for a passphrase with --passphrase.
func (c *Protect) newSlots(k *Session) (*newSlots, error) {
	p := &newSlots{e: k.E, identity: k.identity, file: c.Identity}
	for _, text := range c.Recipient {
		recipient, err := keys.ParseRecipient(text, pluginUI(k.E))
		if err != nil {
			return nil, err
		}
		p.recipients = append(p.recipients, recipient)
	}
	if !c.Passphrase && c.PassphraseFile == "" {
		return p, nil
	}
	var err error
	if p.passphrase, err = newPassphrase(k.E, c.PassphraseFile); err != nil {
		return nil, err
	}
	recipient, err := keys.PassphraseRecipient(p.passphrase)
	p.recipients = append(p.recipients, recipient)
	return p, err
}

// add creates the slots and returns those that it created, also after an error.
func (p *newSlots) add(slots keys.Slots) (made []keys.Slot, err error) {
	for _, recipient := range p.recipients {
		// A plugin that the user names here may be started when the slot names it.
		if plugin, ok := recipient.Program(); ok {
			if err := trust.Add(slots.Location, plugin); err != nil {
				return made, err
			}
		}
		slot, err := slots.Add(p.e.Ctx, recipient, p.identity)
		if err != nil {
			return made, err
		}
		made = append(made, slot)
	}
	return made, nil
}

// checkProvable refuses recipients without anything to prove that they can be decrypted. Only
// those of a plugin may need no identity file.
func (p *newSlots) checkProvable() error {
	if p.passphrase != "" || p.file != "" || slices.ContainsFunc(p.recipients, keys.Recipient.OfPlugin) {
		return nil
	}
	return &app.UsageError{
		Message: "nothing given can decrypt for this recipient: without its identity the store would be locked forever",
		Hint:    "regshape auth key protect --recipient age1… --identity FILE, or add --passphrase",
	}
}

// prove opens the key with what the user gave, from the files that are on disk now. With
// alone there are no other slots, so one of these has to open it.
func (p *newSlots) prove(ctx context.Context, slots keys.Slots, kid, identity string, alone bool) error {
	var openers []keys.Opener
	if p.passphrase != "" {
		// The store's own identity opens no slot. It keeps plugins from being tried, so
		// that nobody has to touch a device for this.
		own, err := keys.ParseIdentities([]byte(identity), nil, nil)
		if err != nil {
			return err
		}
		openers = append(openers, keys.Opener{Identities: own, Passphrase: func() (string, error) { return p.passphrase, nil }})
	}
	if p.file != "" {
		o, err := opener(p.e, unlockFlags{Identity: p.file}, "")
		if err != nil {
			return err
		}
		openers = append(openers, o)
	}
	if alone && len(openers) == 0 {
		openers = append(openers, keys.Opener{UI: pluginUI(p.e)})
	}
	for _, o := range openers {
		if _, _, err := slots.Open(ctx, kid, o); err != nil {
			return fmt.Errorf("the new slots cannot be opened: %w", err)
		}
	}
	return nil
}

// firstSlots changes the store to slots.
func (c *Protect) firstSlots(k *Session) (done string, err error) {
	if err := k.ready(unlockFlags{}); err != nil {
		return "", err
	}
	slots, err := keys.NewSlots(k.Loc, k.E.Now().Add(unlockedFor))
	if err != nil {
		return "", err
	}
	plan, err := c.newSlots(k)
	if err != nil {
		return "", err
	}
	if err := plan.checkProvable(); err != nil {
		return "", err
	}
	_, err = plan.add(slots)
	if err == nil {
		err = k.change(store.Rotation{Source: slots.Source(), Place: keys.ProvenSlots{Slots: slots, Prove: func(ctx context.Context, kid, identity string) error {
			return plan.prove(ctx, slots, kid, identity, true)
		}}}, !c.NoRotate)
	}
	if err != nil {
		if now, lookErr := k.Store.Custody(); lookErr == nil && !now.Source.Equal(slots.Source()) {
			// No key uses these slots, so any kid removes them.
			_ = slots.Discard(context.WithoutCancel(k.E.Ctx), store.NewRootKey().KID())
		}
		return "", err
	}
	return "The key is encrypted now", nil
}

// addSlots adds slots to a store that has some.
func (c *Protect) addSlots(k *Session) (done string, err error) {
	if err := k.ready(unlockFlags{Identity: c.Identity}); err != nil {
		return "", err
	}
	plan, err := c.newSlots(k)
	if err != nil {
		return "", err
	}
	slots, _ := k.slots()
	made, err := plan.add(slots)
	if err == nil {
		err = plan.prove(k.E.Ctx, slots, k.Now.KID, k.identity, false)
	}
	if err != nil {
		for _, s := range made {
			err = errors.Join(err, slots.Remove(s.Number))
		}
		return "", err
	}
	k.E.Note("the other slots stay valid.")
	if c.NoRotate {
		return "The slot is added", nil
	}
	return "The slot is added", k.change(store.Rotation{Source: k.Now.Source, Place: slots}, true)
}

// Unprotect moves the key back to the key file, or removes one slot.
type Unprotect struct {
	unlockFlags
	Slot     *int `placeholder:"N" help:"Remove only this slot; 'key show' lists them."`
	NoRotate bool `name:"no-rotate" help:"Keep the current key, and change only where it is."`
}

// Run moves the key back to the key file, or removes one slot.
func (c *Unprotect) Run(e *app.Env) error {
	switch {
	case c.Slot != nil && *c.Slot < 1:
		return &app.UsageError{Message: "slot numbers start at 1", Hint: "run 'regshape auth key show'"}
	case c.Slot != nil && (c.NoRotate || c.unlockFlags != unlockFlags{}):
		return &app.UsageError{Message: "--slot only removes a slot: the key is not changed or opened", Hint: "omit the other flags"}
	}
	k, err := openForChange(e, "unprotect the key")
	if err != nil {
		return err
	}
	switch {
	case c.Slot != nil:
		return c.remove(k)
	case k.Now.KID == "":
		err = errNoStore
	case k.Now.Source.Source == store.SourceFile:
		return k.succeed("The key is in the key file already", false)
	default:
		err = c.toFile(k)
	}
	if err != nil {
		return k.failed(err)
	}
	noteRotation(e, !c.NoRotate)
	e.Warn("anyone who gets the whole home directory can open the store now.")
	return k.succeed("The key is in a file again, unencrypted", !c.NoRotate)
}

// Manual is the text of --help and of the man page.
func (*Unprotect) Manual() app.Manual {
	return app.Manual{Failed: "the key is where it was", Examples: [][2]string{
		{"regshape auth key unprotect", "move it back to the key file"},
		{"regshape auth key unprotect --slot 2", "remove the second key slot"},
	}}
}

func (c *Unprotect) toFile(k *Session) error {
	if err := k.ready(c.unlockFlags); err != nil {
		return err
	}
	r := store.Rotation{Source: store.KeySource{Source: store.SourceFile}, Place: keys.File{Location: k.Loc}}
	return k.change(r, !c.NoRotate)
}

// remove removes one slot. That needs no key.
func (c *Unprotect) remove(k *Session) error {
	slots, ok := k.slots()
	if !ok {
		return k.failed(fmt.Errorf("the store has no slots: %s; leave --slot out", protectionsOf(runtime.GOOS, k.Now.Source.Source).what))
	}
	if err := slots.Remove(*c.Slot); err != nil {
		return k.failed(err)
	}
	k.E.Warn("anyone with an old copy of that slot, and what opens it, can still open the store. To prevent that, run '%s' and '%s'.",
		k.E.Own("auth", "key", "unprotect"), k.E.Own("auth", "key", "protect", "--passphrase"))
	if left, err := slots.List(); err == nil && !slices.ContainsFunc(left, func(s keys.Slot) bool { return s.Type == "passphrase" }) {
		k.E.Warn("without a passphrase only an identity opens the store: check that you have it with '%s'.",
			k.E.Own("auth", "unlock", "--identity", "FILE"))
	}
	return k.succeed(fmt.Sprintf("Slot %d is removed", *c.Slot), false)
}
