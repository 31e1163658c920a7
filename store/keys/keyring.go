package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"regshape/store"
)

// ringLimit is how long the operating system's keyring may take. A daemon that hangs must
// not hang every pull.
const ringLimit = 3 * time.Second

// Keyring is a root key in the keyring of the operating system: the Keychain of macOS,
// the Credential Manager of Windows, and elsewhere the Secret Service (GNOME Keyring,
// KWallet, KeePassXC). It is unlocked with the desktop session, and protects a stolen
// disk, but not against other programs of the same user.
//
// Each key is an item of its own, known by its kid, so that a new one lies beside the old.
type Keyring struct{ ring ring }

var _ store.Key = Keyring{}

// NewKeyring returns the keyring of this operating system. It touches nothing yet.
func NewKeyring() Keyring { return Keyring{limitedRing{systemRing(), ringLimit}} }

// ring is a keyring's items of the service "regshape", each text under an account. None
// of the methods but unlock may ask the user for anything.
type ring interface {
	get(ctx context.Context, account string) (string, error) // errNoItem where there is none
	set(ctx context.Context, account, value string) error    // replaces
	remove(ctx context.Context, account string) error        // errNoItem where there is none
	unlock(ctx context.Context) error                        // may wait for the user until ctx ends
}

const ringService = "regshape"

var errNoItem = errors.New("the OS keyring has no such item")

// Load reads the item of the key with this kid. [store.ErrLocked] also means that the
// keyring cannot be reached from this session, or does not answer within 3 s.
func (k Keyring) Load(ctx context.Context, kid string) (store.RootKey, error) {
	if kid == "" {
		return store.RootKey{}, fmt.Errorf("%w: which of the OS keyring's keys it is, only the store's config tells", store.ErrNoKey)
	}
	line, err := k.ring.get(ctx, kid)
	if errors.Is(err, errNoItem) {
		return store.RootKey{}, fmt.Errorf("%w: the OS keyring has no item of service %s and account %s", store.ErrNoKey, ringService, kid)
	}
	if err != nil {
		return store.RootKey{}, err
	}
	key, err := store.ParseKeyLine(line)
	if err != nil {
		return store.RootKey{}, fmt.Errorf("OS keyring, account %s: %w", kid, err)
	}
	if key.KID() != kid {
		return store.RootKey{}, fmt.Errorf("%w: what the OS keyring has for account %s has kid %s", store.ErrWrongKey, kid, key.KID())
	}
	return key, nil
}

// Stage puts the key line into an item of its own, and reads it back: not every keyring
// reports a write that failed.
func (k Keyring) Stage(ctx context.Context, key store.RootKey, _ string) error {
	if err := k.ring.set(ctx, key.KID(), key.Line()); err != nil {
		return err
	}
	if _, err := k.Load(ctx, key.KID()); err != nil {
		return fmt.Errorf("read the key back: %w", err)
	}
	return nil
}

// Promote has nothing to do: each key keeps its item.
func (Keyring) Promote(context.Context, string) error { return nil }

// Discard removes the key's item.
func (k Keyring) Discard(ctx context.Context, kid string) error {
	err := k.ring.remove(ctx, kid)
	if errors.Is(err, errNoItem) {
		return nil
	}
	return err
}

// Cheap is false: loading asks another process, which may hang.
func (Keyring) Cheap() bool { return false }

// Unlock has the desktop ask the user to unlock the keyring, and waits for that until ctx
// ends. On macOS and Windows the system does so by itself when a key is loaded.
func (k Keyring) Unlock(ctx context.Context) error {
	err := k.ring.unlock(ctx)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // the connection ends with it, and says only that
	}
	return err
}

// Available returns nil where the keyring can be used now. Otherwise the error is the one
// that Load would return; after [store.ErrLocked] try Unlock.
func (k Keyring) Available(ctx context.Context) error {
	_, err := k.ring.get(ctx, "none")
	if errors.Is(err, errNoItem) {
		return nil
	}
	return err
}

// limitedRing gives up on a ring that does not answer. It does not count on the ring to heed
// its context: a system call may not, and then goes on alone.
type limitedRing struct {
	ring
	limit time.Duration
}

func (l limitedRing) get(ctx context.Context, account string) (string, error) {
	var value string
	err := l.within(ctx, func(ctx context.Context) (err error) {
		value, err = l.ring.get(ctx, account)
		return err
	})
	if err != nil { // it may not have ended, and value be set at any time
		return "", err
	}
	return value, nil
}

func (l limitedRing) set(ctx context.Context, account, value string) error {
	return l.within(ctx, func(ctx context.Context) error { return l.ring.set(ctx, account, value) })
}

func (l limitedRing) remove(ctx context.Context, account string) error {
	return l.within(ctx, func(ctx context.Context) error { return l.ring.remove(ctx, account) })
}

func (l limitedRing) within(ctx context.Context, f func(context.Context) error) error {
	short, cancel := context.WithTimeout(ctx, l.limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(short) }()
	var err error
	select {
	case err = <-done:
	case <-short.Done():
		err = short.Err()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	// f may return just when the time is over, with an error that only says so.
	if err != nil && short.Err() != nil {
		return fmt.Errorf("%w: the OS keyring did not answer within %v s", store.ErrLocked, l.limit.Seconds())
	}
	return err
}

// ringCache keeps unlocked keys in a keyring that has no time limits of its own.
type ringCache struct{ ring ring }

func (c ringCache) account(kid string) string { return "unlocked:" + kid }

func (c ringCache) load(kid string) (unlocked, error) {
	text, err := c.ring.get(context.Background(), c.account(kid))
	if errors.Is(err, errNoItem) {
		return unlocked{}, errNotCached
	}
	if err != nil {
		return unlocked{}, fmt.Errorf("%w: %w", errCacheBlocked, err)
	}
	u, err := parseUnlocked(text, kid)
	if err != nil {
		_ = c.forget(kid) // what cannot be used need not lie around; the error is the one to tell
	}
	return u, err
}

func (c ringCache) keep(u unlocked) error {
	text, err := u.marshal()
	if err != nil {
		return err
	}
	kid := u.Key.KID()
	err = c.ring.set(context.Background(), c.account(kid), text)
	if err == nil {
		_, err = c.load(kid) // not every keyring reports a write that failed
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errCacheBlocked, err)
	}
	return nil
}

func (c ringCache) forget(kid string) error {
	err := c.ring.remove(context.Background(), c.account(kid))
	if errors.Is(err, errNoItem) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errCacheBlocked, err)
	}
	return nil
}
