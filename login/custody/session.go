// Package custody holds the commands for the root key: show, protect, unprotect, rotate,
// backup, restore, generate, reset, lock, unlock and trust.
package custody

import (
	"errors"
	"fmt"
	"runtime"
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

// unlockedFor is how long a store stays unlocked by default: a working day, not the night
// after it.
const unlockedFor = 8 * time.Hour

// Session is a command's view of a store and its key.
type Session struct {
	E       *app.Env
	doing   string // "rotate the key", for errors
	Loc     store.Location
	KeyFile string // REGSHAPE_KEY_FILE
	Store   *store.Store
	Now     store.Custody
	// identity is the store's own age identity once the store is unlocked; opened is the key
	// if it was opened for this run only.
	identity string
	opened   *store.RootKey
	// terminal is the state at the start, or nil.
	terminal *term.State
}

// errNoStore means that there is no key yet.
var errNoStore = errors.New("there is no store yet: the first login creates its key, so log in first")

// New returns the session of a store that is open.
func New(e *app.Env, loc store.Location, s *store.Store) (*Session, error) {
	k := &Session{E: e, Loc: loc, KeyFile: app.Sources(e).KeyFile, Store: s}
	var err error
	k.Now, err = s.Custody()
	return k, err
}

// Open opens the store for a command that shows its key or uses it.
func Open(e *app.Env, doing string) (*Session, error) {
	return open(e, doing, app.Sources(e))
}

// openForChange opens the store for a command that changes its key or where that is. While
// REGSHAPE_KEY_FILE overrides the config, changing the config would leave every other run
// with the wrong key.
func openForChange(e *app.Env, doing string) (*Session, error) {
	k, err := open(e, doing, keys.ConfigSources{KeyFile: app.Sources(e).KeyFile})
	if err == nil && k.Overridden() {
		err = &app.UsageError{
			Message: fmt.Sprintf("REGSHAPE_KEY_FILE (%s) overrides the key of the store's config", printable.Line(k.KeyFile, 300)),
			Hint:    "unset REGSHAPE_KEY_FILE first",
		}
	}
	return k, err
}

func open(e *app.Env, doing string, sources store.Sources) (k *Session, err error) {
	k = &Session{}
	loc, err := e.Locate()
	if err == nil {
		var s *store.Store
		if s, err = store.Open(loc, sources); err == nil {
			k, err = New(e, loc, s)
		}
	}
	k.E, k.doing = e, doing
	if fd := int(e.In.Fd()); term.IsTerminal(fd) {
		k.terminal, _ = term.GetState(fd)
	}
	return k, k.failed(err)
}

// failed adds what the command was doing to an error. An interrupt may arrive while a plugin
// prompts, and age does not wait for the prompt to end, so the echo is restored here.
func (k *Session) failed(err error) error {
	if err == nil {
		return nil
	}
	if k.E.Ctx.Err() != nil && k.terminal != nil {
		_ = term.Restore(int(k.E.In.Fd()), k.terminal)
	}
	return &app.StoreError{Registry: "", Doing: k.doing, Err: err}
}

// Effective is the source of the key in this run.
func (k *Session) Effective() store.KeySource {
	if k.KeyFile != "" {
		return store.KeySource{Source: store.SourceEnvironment}
	}
	return k.Now.Source
}

// Overridden reports whether REGSHAPE_KEY_FILE replaces the source that the config names.
func (k *Session) Overridden() bool {
	return k.KeyFile != "" && k.Now.Source.Source != store.SourceEnvironment
}

// Where names the place of the key in this run.
func (k *Session) Where() string { return keyPlace(k.Loc, k.Effective(), k.Now.KID, k.KeyFile) }

// slots returns the store's slots; ok is false if its key is elsewhere.
func (k *Session) slots() (s keys.Slots, ok bool) {
	s = keys.Slots{Location: k.Loc, Recipient: k.Now.Source.Recipient, Identity: k.identity}
	return s, k.Effective().Source == store.SourceSlots
}

// Protections are those of the place and of its slots.
func (k *Session) Protections() protections {
	p := protectionsOf(runtime.GOOS, k.Effective().Source)
	if k.Effective().Source == store.SourceFile && k.Loc.State == k.Loc.Data { // as with --store, and on Windows and macOS
		p.protects = slices.DeleteFunc(p.protects, func(s string) bool { return s == againstCopies })
		p.not = append([]string{againstCopies}, p.not...)
	}
	if slots, ok := k.slots(); ok {
		all, err := slots.List()
		if err == nil && !slices.ContainsFunc(all, func(s keys.Slot) bool { return s.Type == "passphrase" }) {
			p.not = slices.DeleteFunc(p.not, func(s string) bool { return s == notGuessed })
		}
	}
	return p
}

// ready loads the key before the user is prompted for anything else. Locked slots are opened
// for this run only.
func (k *Session) ready(flags unlockFlags) error {
	if k.Now.KID == "" {
		return nil // the change creates the store
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
	err = k.openSlots(slots, flags, func(o keys.Opener) (err error) {
		root, k.identity, err = slots.Open(k.E.Ctx, k.Now.KID, o)
		return err
	})
	if err != nil {
		return err
	}
	k.opened = &root
	k.Store, err = store.Open(k.Loc, k.configSources())
	return err
}

// change changes the key, or only its place if rotate is false.
func (k *Session) change(r store.Rotation, rotate bool) error {
	progress := terminal.NewProgress(k.E.Err, "Re-encrypting")
	r.Progress = progress.Step
	run := k.Store.Rotate
	if !rotate {
		run = k.Store.Move
	}
	err := run(k.E.Ctx, r)
	progress.End()
	if err = k.warnLeftBehind(err); err != nil {
		return err
	}
	k.Now, err = k.Store.Custody()
	return err
}

// warnLeftBehind turns the error of a change that succeeded, but left the old key behind,
// into a warning.
func (k *Session) warnLeftBehind(err error) error {
	if !store.LeftBehind(err) {
		return err
	}
	k.E.Warn("the key was changed, but %v: run '%s' to try again.", err, k.E.Own("auth", "key", "rotate", "--resume"))
	return nil
}

// configSources chooses the places that a config names, with what this run has opened.
func (k *Session) configSources() keys.ConfigSources {
	return keys.ConfigSources{KeyFile: k.KeyFile, Opened: k.opened, Identity: k.identity}
}

// notOfStore is an error of a place that does not have the key yet, without its kind: the
// store is not locked and its key not missing, and their hints would not help.
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
