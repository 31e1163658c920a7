package keys

import (
	"context"
	"fmt"

	"regshape/store"
)

// ConfigSources chooses the place that a config names, even if REGSHAPE_KEY_FILE is set. A
// change of the key goes from one place to another, and the variable would replace both.
type ConfigSources struct {
	KeyFile  string         // only for the source "environment"
	Opened   *store.RootKey // the key of slots that this run has opened, or nil
	Identity string         // and their identity
}

var _ store.Sources = ConfigSources{}

// Default is that of [Sources].
func (c ConfigSources) Default() store.KeySource { return Sources{KeyFile: c.KeyFile}.Default() }

// Choose returns the place that a config names.
func (c ConfigSources) Choose(loc store.Location, source store.KeySource) (store.Key, error) {
	var all Sources
	if source.Source == store.SourceEnvironment {
		all.KeyFile = c.KeyFile
	}
	place, err := all.Choose(loc, source)
	slots, ok := place.(Slots)
	if err != nil || !ok {
		return place, err
	}
	slots.Identity = c.Identity
	if c.Opened == nil {
		return slots, nil
	}
	return openedSlots{slots, *c.Opened}, nil
}

// openedSlots are slots that this run has opened and that stay locked for others. The key is
// only in memory, so it works where no key can be kept unlocked.
type openedSlots struct {
	store.Key
	root store.RootKey
}

// Load returns the opened key.
func (s openedSlots) Load(ctx context.Context, kid string) (store.RootKey, error) {
	if kid == s.root.KID() {
		return s.root, nil
	}
	return s.Key.Load(ctx, kid)
}

// ProvenSlots are new slots that a store changes to only if Prove has opened them and the
// key can be kept unlocked: otherwise nobody could use the store.
type ProvenSlots struct {
	Slots
	Prove func(ctx context.Context, kid, identity string) error
}

// Stage is that of [Slots], with the proof.
func (s ProvenSlots) Stage(ctx context.Context, root store.RootKey, from string) error {
	if err := s.Slots.Stage(ctx, root, from); err != nil {
		return err
	}
	u, err := s.unlockedKeys().load(root.KID())
	if err != nil { // it is not the store that is locked
		return fmt.Errorf("keep the new key unlocked: %w", err)
	}
	return s.Prove(ctx, root.KID(), u.Identity)
}
