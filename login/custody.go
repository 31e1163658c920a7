package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"regshape/store"
	"regshape/store/keys"
	"regshape/store/printable"
)

// unlockedFor is how long a store stays unlocked unless the user says otherwise: a day's
// work, and not the night after it.
const unlockedFor = 8 * time.Hour

// custody is a store seen as the keeper of its key.
type custody struct {
	e       *env
	doing   string // "rotate the key", for errors
	loc     store.Location
	keyFile string // REGSHAPE_KEY_FILE
	store   *store.Store
	now     store.Custody
	// identity is the store's own age identity, once the store was found or made open, and
	// opened the key where that was for this run alone.
	identity string
	opened   *store.RootKey
	// terminal is as it was; nil without one.
	terminal *term.State
}

// openCustody opens the store for a command that looks at its key or uses it.
func (e *env) openCustody(doing string) (*custody, error) {
	k := &custody{e: e, doing: doing, keyFile: e.sources().KeyFile}
	return k, k.open(e.sources())
}

// openCustodyToChange opens the store for a command that changes its key or the place of
// it. While a variable decides where the key comes from, a change of what the config says
// would leave everybody with the wrong key.
func (e *env) openCustodyToChange(doing string) (*custody, error) {
	k := &custody{e: e, doing: doing, keyFile: e.sources().KeyFile}
	if err := k.open(configured{keyFile: k.keyFile}); err != nil {
		return nil, err
	}
	if k.overridden() {
		return nil, &usageError{
			fmt.Sprintf("the key comes from REGSHAPE_KEY_FILE (%s), whatever the store's config says", printable.Line(k.keyFile, 300)),
			"unset REGSHAPE_KEY_FILE first",
		}
	}
	return k, nil
}

func (k *custody) open(sources store.Sources) (err error) {
	if fd := int(k.e.In.Fd()); k.terminal == nil && term.IsTerminal(fd) {
		k.terminal, _ = term.GetState(fd)
	}
	if k.loc, err = k.e.locate(); err == nil {
		k.store, err = store.Open(k.loc, sources)
	}
	if err == nil {
		k.now, err = k.store.Custody()
	}
	return k.failed(err)
}

// failed puts an error into the words of the command. An interrupt may come while a
// plugin asks for something, and age does not wait for that to end: the echo must be on.
func (k *custody) failed(err error) error {
	if err == nil {
		return nil
	}
	if k.e.ctx.Err() != nil && k.terminal != nil {
		_ = term.Restore(int(k.e.In.Fd()), k.terminal)
	}
	return &storeError{"", k.doing, err}
}

// outside is an error about something that is not the store's: a file of the user's, the
// kernel's keyring. What mends the like of it in the store would mislead.
func outside(err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return errors.New(err.Error())
}

// effective is where the key comes from in this run.
func (k *custody) effective() store.KeySource {
	if k.keyFile != "" {
		return store.KeySource{Source: store.SourceEnvironment}
	}
	return k.now.Source
}

// overridden reports that REGSHAPE_KEY_FILE stands in for the place that the config names.
func (k *custody) overridden() bool {
	return k.keyFile != "" && k.now.Source.Source != store.SourceEnvironment
}

// where names the place of the key.
func (k *custody) where() string { return keyPlace(k.loc, k.effective(), k.now.KID, k.keyFile) }

// slots returns the store's slots; ok is false where its key is elsewhere.
func (k *custody) slots() (s keys.Slots, ok bool) {
	s = keys.Slots{Location: k.loc, Recipient: k.now.Source.Recipient, Identity: k.identity}
	return s, k.effective().Source == store.SourceSlots
}

// protections are those of the place, and of the ways in that there are.
func (k *custody) protections() protections {
	p := protectionsOf(k.effective().Source)
	if slots, ok := k.slots(); ok {
		all, err := slots.List()
		if err == nil && !slices.ContainsFunc(all, func(s keys.Slot) bool { return s.Type == "passphrase" }) {
			p.not = slices.DeleteFunc(p.not, func(s string) bool { return s == notGuessed })
		}
	}
	return p
}

// ready makes sure that the key can be had before anybody is asked for more. Locked slots
// are opened for this run alone, with what the user has.
func (k *custody) ready(with wayIn) error {
	if k.now.KID == "" {
		return nil // the change makes the store
	}
	slots, ok := k.slots()
	if !ok {
		_, err := k.store.RootKey(k.e.ctx)
		return err
	}
	_, identity, err := slots.Unlocked(k.now.KID)
	if err == nil {
		k.identity = identity
		return slots.Prove(identity)
	}
	if !errors.Is(err, store.ErrLocked) {
		return err
	}
	var root store.RootKey
	err = k.throughSlot(slots, with, func(o keys.Opener) (err error) {
		root, k.identity, err = slots.Open(k.e.ctx, k.now.KID, o)
		return err
	})
	if err != nil {
		return err
	}
	k.opened = &root
	k.store, err = store.Open(k.loc, k.configured())
	return err
}

// turn changes the key, or with rotate false only its place.
func (k *custody) turn(r store.Rotation, rotate bool) error {
	progress := newProgress(k.e.Err, "Re-encrypting")
	r.Progress = progress.step
	change := k.store.Rotate
	if !rotate {
		change = k.store.Move
	}
	err := change(k.e.ctx, r)
	progress.end()
	if err = k.settle(err); err != nil {
		return err
	}
	k.now, err = k.store.Custody()
	return err
}

// settle lets a change stand that left something old behind, and says so.
func (k *custody) settle(err error) error {
	if !store.LeftBehind(err) {
		return err
	}
	k.e.warn("the key was changed, but %v: run '%s' to try again.", err, k.e.own("auth", "key", "rotate", "--resume"))
	return nil
}

// configured chooses the places that a config names, whatever REGSHAPE_KEY_FILE says: a
// change goes from one to another, and the variable would stand in for both.
type configured struct {
	keyFile  string         // only for the source "environment"
	opened   *store.RootKey // the key of slots that were opened for this run; nil for none
	identity string         // and the identity of those slots
}

func (k *custody) configured() configured { return configured{k.keyFile, k.opened, k.identity} }

var _ store.Sources = configured{}

// Default is that of package keys.
func (c configured) Default() store.KeySource { return keys.Sources{KeyFile: c.keyFile}.Default() }

// Choose is that of package keys for the place alone.
func (c configured) Choose(loc store.Location, source store.KeySource) (store.Key, error) {
	var all keys.Sources
	if source.Source == store.SourceEnvironment {
		all.KeyFile = c.keyFile
	}
	place, err := all.Choose(loc, source)
	if slots, ok := place.(keys.Slots); ok {
		slots.Identity = c.identity
		place = slots
	}
	if err == nil && c.opened != nil && source.Source == store.SourceSlots {
		place = openedSlots{place, *c.opened}
	}
	return place, err
}

// openedSlots are slots that stay locked for all others: the key is only in this run's
// memory. So nothing is lost where no key can be kept unlocked.
type openedSlots struct {
	store.Key
	root store.RootKey
}

// Load returns the key that was opened.
func (s openedSlots) Load(ctx context.Context, kid string) (store.RootKey, error) {
	if kid == s.root.KID() {
		return s.root, nil
	}
	return s.Key.Load(ctx, kid)
}

// notOfStore is an error of a place that the key is not in yet: neither is the store
// locked nor its key missing, and what mends that would not help, or give up its logins.
func notOfStore(err error) error {
	for _, state := range []error{store.ErrLocked, store.ErrNoKey, store.ErrKeyDamaged} {
		if errors.Is(err, state) {
			return errors.New(strings.TrimPrefix(err.Error(), state.Error()+": "))
		}
	}
	return err
}

// clock is a time as the user's clock shows it.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }

// say writes a line of the result.
func (e *env) say(format string, args ...any) error {
	_, err := io.WriteString(e.Out, printable.Format(format+"\n", args...))
	return err
}

// note tells what the user should know and need not act on at once.
func (e *env) note(format string, args ...any) { e.tell("Note: "+format, args...) }
