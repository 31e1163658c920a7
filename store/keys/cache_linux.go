package keys

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// systemCache is the kernel's keyring of the user. It lives as long as the machine runs,
// is shared by all sessions of the user, is never swapped out, and forgets by itself.
func systemCache() cache { return kernelCache{} }

type kernelCache struct{}

const (
	cacheKeyType = "user"

	// cachePermission is, in the form of KEYCTL_SETPERM, everything for a possessor, and
	// view, read and search for the user. A session that has not been handed the user's
	// keyring (ssh, sudo -u, a systemd unit) possesses no key in it: it could find one
	// there without more, but needs read to load it and search to invalidate it. To link
	// the keyring to the process's own instead would spend the user's key quota (200 by
	// default, and each rootless container takes some) on every lookup. It would keep
	// nobody out either: each process of the user may make that link.
	cachePermission = 0x3f0b0000

	// maxCached is above what marshal makes.
	maxCached = 1024
)

func description(kid string) string { return "regshape:" + kid }

func (c kernelCache) load(kid string) (unlocked, error) {
	id, err := findCached(kid)
	if err != nil {
		return unlocked{}, err
	}
	var buffer [maxCached]byte
	defer clear(buffer[:])
	n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, buffer[:], 0)
	if err != nil {
		return unlocked{}, cacheError("read", err)
	}
	u, err := parseUnlocked(string(buffer[:min(n, maxCached)]), kid)
	if err != nil {
		_ = c.forget(kid) // what cannot be used need not lie around; the error is the one to tell
	}
	return u, err
}

// keep makes the key in a keyring of this thread's own, gives it its time limit, and only
// then links it to the user's: no other process sees a key that would stay for ever.
func (kernelCache) keep(u unlocked) error {
	text, err := u.marshal()
	if err != nil {
		return err
	}
	seconds := math.Ceil(time.Until(u.Until).Seconds())
	if seconds > math.MaxUint32 {
		return errors.New("the kernel keyring keeps no key for more than 136 years: give a shorter time")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	clearThread := func() error {
		_, err := unix.KeyctlInt(unix.KEYCTL_CLEAR, unix.KEY_SPEC_THREAD_KEYRING, 0, 0, 0)
		return err
	}
	// A key of this name that is left here would be changed in place, and with it the
	// one that is already linked.
	if err := clearThread(); err != nil {
		return cacheError("clear", err)
	}
	id, err := unix.AddKey(cacheKeyType, description(u.Key.KID()), []byte(text), unix.KEY_SPEC_THREAD_KEYRING)
	if err != nil {
		return cacheError("add", err)
	}
	defer func() { _ = clearThread() }() // it ends with the thread at the latest
	if err := unix.KeyctlSetperm(id, cachePermission); err != nil {
		return cacheError("setperm", err)
	}
	if _, err := unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, id, int(max(seconds, 1)), 0, 0); err != nil {
		return cacheError("set_timeout", err)
	}
	if _, err := unix.KeyctlInt(unix.KEYCTL_LINK, id, unix.KEY_SPEC_USER_KEYRING, 0, 0); err != nil {
		return cacheError("link", err)
	}
	return nil
}

// forget invalidates the key, which ends it at once wherever it is linked; taking it out
// of the keyring alone would leave it to whoever holds another link.
func (kernelCache) forget(kid string) error {
	id, err := findCached(kid)
	if errors.Is(err, errNotCached) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := unix.KeyctlInt(unix.KEYCTL_INVALIDATE, id, 0, 0, 0); err != nil {
		if err := cacheError("invalidate", err); !errors.Is(err, errNotCached) {
			return err
		}
	}
	return nil
}

func findCached(kid string) (int, error) {
	id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, cacheKeyType, description(kid), 0)
	if err != nil {
		return 0, cacheError("search", err)
	}
	return id, nil
}

// cacheError turns the kernel's answer into one that a user can act on.
func cacheError(operation string, err error) error {
	switch {
	case errors.Is(err, unix.ENOKEY), errors.Is(err, unix.EKEYEXPIRED), errors.Is(err, unix.EKEYREVOKED):
		return errNotCached
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w: %w: keyctl %s: %w", errCacheBlocked, ErrNoKernelKeyring, operation, err)
	case errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%w: the user's quota of the kernel keyring is used up, see /proc/key-users and "+
			"raise /proc/sys/kernel/keys/maxkeys and maxbytes: keyctl %s: %w", errCacheBlocked, operation, err)
	}
	return fmt.Errorf("kernel keyring: keyctl %s: %w", operation, err)
}
