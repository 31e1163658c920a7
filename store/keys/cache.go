package keys

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"regshape/store"
)

var (
	errNotCached    = errors.New("the key is not unlocked: try again")
	errCacheBlocked = errors.New("an unlocked key cannot be kept here")
)

// cache keeps unlocked keys for a while, each under its kid. It needs no daemon of ours
// and shows nothing to other users.
type cache interface {
	// load returns errNotCached where nothing is kept under the kid (any more), and an
	// error that wraps errCacheBlocked and says what else to use where nothing can be.
	load(kid string) (unlocked, error)

	// keep puts u under its key's kid, in place of what is there.
	keep(u unlocked) error

	// forget removes what is kept under the kid. Nothing there is no error.
	forget(kid string) error
}

// unlocked is what a cache keeps of a store.
type unlocked struct {
	Key      store.RootKey
	Identity string    // the store's age identity, "AGE-SECRET-KEY-1…"; "" without slots
	Until    time.Time // when it is forgotten
}

// Format hides the identity from every fmt verb.
func (unlocked) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "unlocked key (hidden)") }

const identityTag = "AGE-SECRET-KEY-"

// marshal returns the text that a cache keeps: the key line, the identity, and the time
// in seconds since 1970. It is under 512 bytes.
func (u unlocked) marshal() (string, error) {
	switch {
	case !u.Until.After(time.Now()):
		return "", errors.New("the time until which the key is to stay unlocked is over: give a longer one")
	case !isIdentity(u.Identity):
		return "", errors.New("the store's age identity is malformed")
	}
	// Rounded up, so that a key kept for less than a second is not kept for none.
	until := u.Until.Add(time.Second - time.Nanosecond).Unix()
	return fmt.Sprintf("%s\n%s\n%d\n", u.Key.Line(), u.Identity, until), nil
}

// parseUnlocked reads what marshal wrote. Other text is errNotCached as well, since to
// unlock again puts it right; the error holds nothing of it.
func parseUnlocked(text, kid string) (unlocked, error) {
	damaged := func(what string) (unlocked, error) {
		return unlocked{}, fmt.Errorf("%w: what is kept of it is damaged: %s", errNotCached, what)
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return damaged("it has not three lines")
	}
	k, err := store.ParseKeyLine(lines[0])
	if err != nil || k.KID() != kid {
		return damaged("it holds another key or none")
	}
	if !isIdentity(lines[1]) {
		return damaged("its identity is malformed")
	}
	seconds, err := strconv.ParseInt(lines[2], 10, 64)
	if err != nil {
		return damaged("its time is malformed")
	}
	u := unlocked{Key: k, Identity: lines[1], Until: time.Unix(seconds, 0)}
	if !u.Until.After(time.Now()) {
		return unlocked{}, errNotCached
	}
	return u, nil
}

func isIdentity(s string) bool {
	return s == "" || len(s) <= 256 && strings.HasPrefix(s, identityTag) && !strings.ContainsAny(s, " \t\r\n")
}
