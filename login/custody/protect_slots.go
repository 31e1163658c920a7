package custody

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"regshape/login/app"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/trust"
)

// protectPlan is what the user has given for new slots.
type protectPlan struct {
	ways       []keys.Way
	passphrase string // "" for none
	identity   string // the store's own, for slots that are there already
	file       string // --identity, "" for none
	e          *app.Env
}

// plan reads what is given, and asks for a passphrase where one is wanted.
func (c *Protect) plan(k *Session) (*protectPlan, error) {
	p := &protectPlan{e: k.E, identity: k.identity, file: c.Identity}
	for _, text := range c.Recipient {
		way, err := keys.RecipientWay(text, pluginUI(k.E))
		if err != nil {
			return nil, err
		}
		p.ways = append(p.ways, way)
	}
	if !c.Passphrase && c.PassphraseFile == "" {
		return p, nil
	}
	var err error
	if p.passphrase, err = newPassphrase(k.E, c.PassphraseFile); err != nil {
		return nil, err
	}
	way, err := keys.PassphraseWay(p.passphrase)
	p.ways = append(p.ways, way)
	return p, err
}

// add makes the slots and returns those that it has made, after an error too.
func (p *protectPlan) add(slots keys.Slots) (made []keys.Slot, err error) {
	for _, way := range p.ways {
		// A plugin that the user names here may also be started when the slot names it.
		if plugin, ok := way.Program(); ok {
			if err := trust.Add(slots.Location, plugin); err != nil {
				return made, err
			}
		}
		slot, err := slots.Add(p.e.Ctx, way, p.identity)
		if err != nil {
			return made, err
		}
		made = append(made, slot)
	}
	return made, nil
}

// checkProvable refuses recipients of which nobody would have shown that he can open what
// is encrypted to them. Only a plugin's may need no identity file.
func (p *protectPlan) checkProvable() error {
	if p.passphrase != "" || p.file != "" || slices.ContainsFunc(p.ways, keys.Way.OfPlugin) {
		return nil
	}
	return &app.UsageError{
		Message: "nothing given opens what is encrypted to this recipient: without its identity the store would be locked for good",
		Hint:    "regshape auth key protect --recipient age1… --identity FILE, or add --passphrase",
	}
}

// prove opens the key again with what the user has given, through the files that are on
// the disk by now. alone says that there are no other ways in: one of these has to open it.
func (p *protectPlan) prove(ctx context.Context, slots keys.Slots, kid, identity string, alone bool) error {
	var openers []keys.Opener
	if p.passphrase != "" {
		// The store's own identity opens no slot. It is here because plugins are left
		// alone where an identity is given: nobody should have to touch a device for this.
		own, err := keys.ParseIdentities([]byte(identity), nil, nil)
		if err != nil {
			return err
		}
		openers = append(openers, keys.Opener{Identities: own, Passphrase: func() (string, error) { return p.passphrase, nil }})
	}
	if p.file != "" {
		o, err := opener(p.e, wayIn{Identity: p.file}, "")
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
			return fmt.Errorf("the new slots were tried, and: %w", err)
		}
	}
	return nil
}

// provenSlots are slots that a store turns to only when they have been opened, and only
// where the key can be kept unlocked: else nobody could use the store.
type provenSlots struct {
	keys.Slots
	plan *protectPlan
}

// Stage is that of slots, with the proof.
func (s provenSlots) Stage(ctx context.Context, root store.RootKey, from string) error {
	if err := s.Slots.Stage(ctx, root, from); err != nil {
		return err
	}
	_, identity, err := s.Unlocked(root.KID())
	if err != nil {
		return notOfStore(err)
	}
	return s.plan.prove(ctx, s.Slots, root.KID(), identity, true)
}

// firstSlots turns the store to slots.
func (c *Protect) firstSlots(k *Session) (said string, err error) {
	if err := k.ready(wayIn{}); err != nil {
		return "", err
	}
	slots, err := keys.NewSlots(k.Loc, k.E.Now().Add(unlockedFor))
	if err != nil {
		return "", err
	}
	plan, err := c.plan(k)
	if err != nil {
		return "", err
	}
	if err := plan.checkProvable(); err != nil {
		return "", err
	}
	_, err = plan.add(slots)
	if err == nil {
		err = k.turn(store.Rotation{Source: slots.Source(), Place: provenSlots{slots, plan}}, !c.NoRotate)
	}
	if err != nil {
		if now, lookErr := k.Store.Custody(); lookErr == nil && !now.Source.Equal(slots.Source()) {
			// There is no key of these slots, whatever kid is named; so they go, too.
			_ = slots.Discard(context.WithoutCancel(k.E.Ctx), store.NewRootKey().KID())
		}
		return "", err
	}
	return "The key is encrypted now", nil
}

// addSlots adds ways in to a store that has some.
func (c *Protect) addSlots(k *Session) (said string, err error) {
	if err := k.ready(wayIn{Identity: c.Identity}); err != nil {
		return "", err
	}
	plan, err := c.plan(k)
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
	k.E.Note("the other ways in stay as they are; nobody has to give them again.")
	if c.NoRotate {
		return "The way in is added", nil
	}
	return "The way in is added", k.turn(store.Rotation{Source: k.Now.Source, Place: slots}, true)
}
