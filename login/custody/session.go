// Package custody holds the commands for the root key: show, protect, unprotect, rotate,
// backup, restore, generate, reset, lock, unlock and trust.
package custody

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/printable"
)

// unlockedFor is how long a store stays unlocked unless the user says otherwise: a day's
// work, and not the night after it.
const unlockedFor = 8 * time.Hour

// Session is a store seen as the keeper of its key.
type Session struct {
	E       *app.Env
	doing   string // "rotate the key", for errors
	Loc     store.Location
	KeyFile string // REGSHAPE_KEY_FILE
	Store   *store.Store
	Now     store.Custody
	// identity is the store's own age identity, once the store was found or made open, and
	// opened the key where that was for this run alone.
	identity string
	opened   *store.RootKey
	// terminal is as it was; nil without one.
	terminal *term.State
}

// Open opens the store for a command that looks at its key or uses it.
func Open(e *app.Env, doing string) (*Session, error) {
	k := &Session{E: e, doing: doing, KeyFile: app.Sources(e).KeyFile}
	return k, k.open(app.Sources(e))
}

// openCustodyToChange opens the store for a command that changes its key or the place of
// it. While a variable decides where the key comes from, a change of what the config says
// would leave everybody with the wrong key.
func openCustodyToChange(e *app.Env, doing string) (*Session, error) {
	k := &Session{E: e, doing: doing, KeyFile: app.Sources(e).KeyFile}
	if err := k.open(configured{keyFile: k.KeyFile}); err != nil {
		return nil, err
	}
	if k.Overridden() {
		return nil, &app.UsageError{
			Message: fmt.Sprintf("the key comes from REGSHAPE_KEY_FILE (%s), whatever the store's config says", printable.Line(k.KeyFile, 300)),
			Hint:    "unset REGSHAPE_KEY_FILE first",
		}
	}
	return k, nil
}

func (k *Session) open(sources store.Sources) (err error) {
	if fd := int(k.E.In.Fd()); k.terminal == nil && term.IsTerminal(fd) {
		k.terminal, _ = term.GetState(fd)
	}
	if k.Loc, err = k.E.Locate(); err == nil {
		k.Store, err = store.Open(k.Loc, sources)
	}
	if err == nil {
		k.Now, err = k.Store.Custody()
	}
	return k.failed(err)
}

// failed puts an error into the words of the command. An interrupt may come while a
// plugin asks for something, and age does not wait for that to end: the echo must be on.
func (k *Session) failed(err error) error {
	if err == nil {
		return nil
	}
	if k.E.Ctx.Err() != nil && k.terminal != nil {
		_ = term.Restore(int(k.E.In.Fd()), k.terminal)
	}
	return &app.StoreError{Registry: "", Doing: k.doing, Err: err}
}

// outside is an error about something that is not the store's: a file of the user's, the
// kernel's keyring. What mends the like of it in the store would mislead.
func outside(err error) error {
	if !errors.Is(err, fs.ErrPermission) || errors.Is(err, keys.ErrNoKernelKeyring) {
		return err
	}
	return errors.New(err.Error())
}

// Effective is where the key comes from in this run.
func (k *Session) Effective() store.KeySource {
	if k.KeyFile != "" {
		return store.KeySource{Source: store.SourceEnvironment}
	}
	return k.Now.Source
}

// Overridden reports that REGSHAPE_KEY_FILE stands in for the place that the config names.
func (k *Session) Overridden() bool {
	return k.KeyFile != "" && k.Now.Source.Source != store.SourceEnvironment
}

// Where names the place of the key.
func (k *Session) Where() string { return keyPlace(k.Loc, k.Effective(), k.Now.KID, k.KeyFile) }

// slots returns the store's slots; ok is false where its key is elsewhere.
func (k *Session) slots() (s keys.Slots, ok bool) {
	s = keys.Slots{Location: k.Loc, Recipient: k.Now.Source.Recipient, Identity: k.identity}
	return s, k.Effective().Source == store.SourceSlots
}

// Protections are those of the place, and of the ways in that there are.
func (k *Session) Protections() protections {
	p := protectionsOf(k.Effective().Source)
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
func (k *Session) ready(with wayIn) error {
	if k.Now.KID == "" {
		return nil // the change makes the store
	}
	slots, ok := k.slots()
	if !ok {
		_, err := k.Store.RootKey(k.E.Ctx)
		return err
	}
	_, identity, err := slots.Unlocked(k.Now.KID)
	if err == nil {
		k.identity = identity
		return slots.Prove(identity)
	}
	if !errors.Is(err, store.ErrLocked) {
		return err
	}
	var root store.RootKey
	err = k.throughSlot(slots, with, func(o keys.Opener) (err error) {
		root, k.identity, err = slots.Open(k.E.Ctx, k.Now.KID, o)
		return err
	})
	if err != nil {
		return err
	}
	k.opened = &root
	k.Store, err = store.Open(k.Loc, k.configured())
	return err
}

// turn changes the key, or with rotate false only its place.
func (k *Session) turn(r store.Rotation, rotate bool) error {
	progress := terminal.NewProgress(k.E.Err, "Re-encrypting")
	r.Progress = progress.Step
	change := k.Store.Rotate
	if !rotate {
		change = k.Store.Move
	}
	err := change(k.E.Ctx, r)
	progress.End()
	if err = k.settle(err); err != nil {
		return err
	}
	k.Now, err = k.Store.Custody()
	return err
}

// settle lets a change stand that left something old behind, and says so.
func (k *Session) settle(err error) error {
	if !store.LeftBehind(err) {
		return err
	}
	k.E.Warn("the key was changed, but %v: run '%s' to try again.", err, k.E.Own("auth", "key", "rotate", "--resume"))
	return nil
}

// configured chooses the places that a config names, whatever REGSHAPE_KEY_FILE says: a
// change goes from one to another, and the variable would stand in for both.
type configured struct {
	keyFile  string         // only for the source "environment"
	opened   *store.RootKey // the key of slots that were opened for this run; nil for none
	identity string         // and the identity of those slots
}

func (k *Session) configured() configured { return configured{k.KeyFile, k.opened, k.identity} }

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
	for _, state := range storeStates {
		if errors.Is(err, state) {
			return placeError{err, strings.TrimPrefix(err.Error(), state.Error()+": ")}
		}
	}
	return err
}

var storeStates = []error{store.ErrLocked, store.ErrNoKey, store.ErrKeyDamaged}

// placeError matches what its cause does, but for the states of a store.
type placeError struct {
	cause error
	text  string
}

func (e placeError) Error() string { return e.text }

// Is is for package errors.
func (e placeError) Is(target error) bool {
	return !slices.Contains(storeStates, target) && errors.Is(e.cause, target)
}
