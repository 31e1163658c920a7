package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"regshape/store"
	"regshape/store/durable"
)

// Slots is a root key encrypted with age, in two steps. The store has an age identity of
// its own, and the key line is encrypted to it. Each slot holds that identity, encrypted
// to one recipient: a passphrase, an age recipient, a plugin. So a new root key needs none of
// them, and a new slot needs only the identity.
//
// Nothing of age runs on a lookup: [Slots.Unlock] leaves the key in the operating
// system's cache, and Load only looks there.
type Slots struct {
	Location  store.Location
	Recipient string // of the store's identity, "age1…", as the config has it
	Identity  string // the store's identity where this run has opened it; "" is that of the unlocked key

	cache cache     // nil is the operating system's
	fresh *newSlots // nil for slots that a config names
}

// newSlots is what the run that makes an identity knows of it.
type newSlots struct {
	identity string
	until    time.Time // how long staged keys stay unlocked

	mu   sync.Mutex
	made map[string][]byte // the slots written so far: path and content
}

var _ store.Key = Slots{}

// NewSlots makes an identity for a store, and nothing on disk: [Slots.Add] the first
// slot, then let the store turn to this source. Keys that are staged through the returned
// value stay unlocked until the given time; a time that is past leaves them locked. The
// error is [ErrFIPS].
func NewSlots(loc store.Location, until time.Time) (Slots, error) {
	if err := checkFIPS(); err != nil {
		return Slots{}, err
	}
	// Not a hybrid identity: the age of today's distributions (1.1) opens the files, too.
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return Slots{}, fmt.Errorf("make an age identity: %w", err)
	}
	return Slots{
		Location:  loc,
		Recipient: id.Recipient().String(),
		fresh:     &newSlots{identity: id.String(), until: until, made: map[string][]byte{}},
	}, nil
}

// String hides an identity from every fmt verb, and GoString from %#v.
func (s Slots) String() string { return "slots of " + s.Recipient }

// GoString hides an identity.
func (s Slots) GoString() string { return s.String() }

// Source is what a config says of these slots.
func (s Slots) Source() store.KeySource {
	return store.KeySource{Source: store.SourceSlots, Recipient: s.Recipient}
}

func (s Slots) unlockedKeys() cache {
	if s.cache == nil {
		return systemCache()
	}
	return s.cache
}

// Load returns the key while it is unlocked.
func (s Slots) Load(_ context.Context, kid string) (store.RootKey, error) {
	if kid == "" {
		return store.RootKey{}, fmt.Errorf("%w: slots hold keys under their kids, and no config names one", store.ErrNoKey)
	}
	u, err := s.unlockedKeys().load(kid)
	if err == nil {
		return u.Key, nil
	}
	if _, statErr := os.Lstat(s.Location.SealedKeyFile(kid)); errors.Is(statErr, fs.ErrNotExist) {
		return store.RootKey{}, s.noKeyError(kid)
	}
	return store.RootKey{}, lockedError(err)
}

// Unlocked says until when the key stays unlocked, and returns the store's identity,
// which [Slots.Add] takes. [store.ErrLocked] means that it is not unlocked.
func (s Slots) Unlocked(kid string) (until time.Time, identity string, err error) {
	u, err := s.unlockedKeys().load(kid)
	if err != nil {
		return time.Time{}, "", lockedError(err)
	}
	return u.Until, u.Identity, nil
}

// Lock forgets the unlocked key. It is not an error if none is unlocked.
func (s Slots) Lock(kid string) error { return s.unlockedKeys().forget(kid) }

// lockedError adds why, unless it is just that nobody has unlocked it.
func lockedError(err error) error {
	if err == errNotCached { //nolint:errorlint // a wrapped one says more, which is not to be lost
		return store.ErrLocked
	}
	return fmt.Errorf("%w: %w", store.ErrLocked, err)
}

func (s Slots) noKeyError(kid string) error {
	return fmt.Errorf("%w: there is no %s", store.ErrNoKey, s.Location.SealedKeyFile(kid))
}

// Prove makes sure that an identity is the one of the config's recipient. The config is
// data that somebody else may have written: a key is encrypted only to a recipient whose
// identity is in hand. Errors are [ErrNoIdentity] and [IdentityError].
func (s Slots) Prove(identity string) error {
	_, err := s.prove(identity)
	return err
}

func (s Slots) prove(identity string) (*age.X25519Recipient, error) {
	id, err := age.ParseX25519Identity(identity)
	if err != nil { // the cause may quote it
		return nil, ErrNoIdentity
	}
	if own := id.Recipient().String(); own != s.Recipient {
		return nil, &IdentityError{Config: filepath.Join(s.Location.Config, "config"), Named: s.Recipient, Own: own}
	}
	return id.Recipient(), nil
}

// Stage encrypts the key line to the store's identity, which must be available, and unlocks
// k for as long as the key that it replaces is. It refuses while there is no slot, since
// nobody could open what it writes. Failing to keep the key unlocked is not an error: it
// is safe on disk.
func (s Slots) Stage(ctx context.Context, k store.RootKey, from string) error {
	if err := checkFIPS(); err != nil {
		return err
	}
	u := unlocked{Key: k, Identity: s.Identity}
	if s.fresh != nil {
		u.Identity, u.Until = s.fresh.identity, s.fresh.until
	} else if old, err := s.unlockedKeys().load(from); err == nil {
		u.Until = old.Until
		if s.Identity == "" {
			u.Identity = old.Identity
		}
	}
	recipient, err := s.prove(u.Identity)
	if err != nil {
		return err
	}
	data, err := encrypt(ctx, k.Line()+"\n", Recipient{recipient: recipient})
	if err != nil {
		return err
	}
	if err := s.restoreMade(); err != nil {
		return err
	}
	path := s.Location.SealedKeyFile(k.KID())
	if err := durable.WriteOver(path, data); err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	// After the write: a run that is removing the slots of a change that was taken back
	// looks for keys after it has moved them away, so one of the two sees the other.
	if slots, err := s.List(); err != nil {
		return err
	} else if len(slots) == 0 {
		_ = removeFile(path) // the error to tell is why
		return fmt.Errorf("%w: %s has no slot, so nobody could open the new key: try again", store.ErrNoKey, s.dir())
	}
	if u.Until.After(time.Now()) {
		_ = s.unlockedKeys().keep(u) // else it is locked, as its error says on the next lookup
	}
	return nil
}

// restoreMade puts back the slots that this run has made. When another run takes back a
// change of the key, it removes the only key and the slots with it, and this run begins
// the change again.
func (s Slots) restoreMade() error {
	if s.fresh == nil {
		return nil
	}
	s.fresh.mu.Lock()
	defer s.fresh.mu.Unlock()
	for path, data := range s.fresh.made {
		if err := durable.WriteFirst(path, data); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("write the slot again: %w", err)
		}
	}
	return nil
}

// Promote has nothing to do: each key has a file of its own.
func (Slots) Promote(context.Context, string) error { return nil }

// Discard removes the encrypted key and locks it, and with the last key of the store the
// slots, too.
func (s Slots) Discard(_ context.Context, kid string) error {
	forgetErr := s.unlockedKeys().forget(kid)
	if errors.Is(forgetErr, errCacheBlocked) {
		forgetErr = nil // so nothing is kept there
	}
	if err := removeFile(s.Location.SealedKeyFile(kid)); err != nil {
		return fmt.Errorf("remove the old key: %w", err)
	}
	if err := s.removeUnused(); err != nil {
		return err
	}
	if forgetErr != nil {
		return fmt.Errorf("lock the old key: %w", forgetErr)
	}
	return nil
}

// removeUnused removes the slots when no key is left for them to open. They are moved
// away first: a run that stages a key at this moment then finds that there are none.
func (s Slots) removeUnused() error {
	if there, err := s.keysLeft(); there || err != nil {
		return err
	}
	all := filepath.Dir(s.dir())
	aside := filepath.Join(all, temporaryName())
	if err := durable.RenameOver(s.dir(), aside); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("remove the slots: %w", err)
	}
	if there, err := s.keysLeft(); there || err != nil {
		if backErr := durable.RenameOver(aside, s.dir()); backErr != nil {
			return fmt.Errorf("the slots of a new key are now in %s and belong into %s: move them back: %w", aside, s.dir(), backErr)
		}
		return errors.Join(err, durable.SyncDir(all))
	}
	if err := os.RemoveAll(aside); err != nil {
		return fmt.Errorf("remove the slots: %w", err)
	}
	if err := durable.SyncDir(all); err != nil {
		return fmt.Errorf("remove the slots: %w", err)
	}
	_ = os.Remove(all) // fails while another store's slots are there
	return durable.SyncDir(filepath.Dir(all))
}

// keysLeft reports whether any encrypted key is there, of whatever slots.
func (s Slots) keysLeft() (bool, error) {
	entries, err := durable.ReadDir(filepath.Dir(s.Location.SealedKeyFile("")))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look for keys: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "key-") && strings.HasSuffix(e.Name(), ".age") {
			return true, nil
		}
	}
	return false, nil
}

// Cheap is true where the kernel keeps the unlocked key. Elsewhere a service does, which is
// not asked for what is not stored.
func (s Slots) Cheap() bool {
	_, service := s.unlockedKeys().(ringCache)
	return !service
}
