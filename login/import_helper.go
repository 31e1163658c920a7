package login

import (
	"context"
	"errors"
	"maps"
	"slices"

	"regshape/login/authfile"
	"regshape/login/registry"
	"regshape/store"
)

// helperSource moves logins out of a foreign helper. What it lists and cannot give, and
// what it cannot erase, is told login by login.
func (e *env) helperSource(name string) importSource {
	h := e.foreign(name)
	return importSource{
		name: h.Program(),
		list: func(ctx context.Context) ([]importLogin, error) {
			keys, err := h.List(ctx)
			if err != nil {
				return nil, err
			}
			logins := make([]importLogin, 0, len(keys))
			silent := false // waiting again for each of many logins could take hours
			for _, key := range slices.Sorted(maps.Keys(keys)) {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				l := importLogin{key: key, address: helperAddress(key), err: errNotAsked}
				if !silent {
					l = helperLogin(ctx, h, key)
				}
				silent = silent || errors.Is(l.err, authfile.ErrHelperTimeout)
				logins = append(logins, l)
			}
			slices.SortStableFunc(logins, func(a, b importLogin) int {
				return keyRank(a.key, authfile.Docker) - keyRank(b.key, authfile.Docker)
			})
			return logins, ctx.Err()
		},
		remove: func(ctx context.Context, logins []importLogin) (left []importFailure, err error) {
			for _, l := range logins {
				if err := ctx.Err(); err != nil {
					return left, err
				}
				if reason := eraseFromHelper(ctx, h, l); reason != "" {
					left = append(left, *l.failure(reason))
				}
			}
			return left, nil
		},
	}
}

// errNotAsked is about a login of a helper that did not answer for another one.
var errNotAsked = errors.New("the helper did not answer in time for another login, and was not asked again")

// helperAddress is the address that a helper's key means. Clients ask a helper by the very
// key, so a path in it is a namespace.
func helperAddress(key string) store.Address {
	a := store.ParseAddress(key)
	if a.Opaque() {
		return a
	}
	return store.ParseAddress(serverURL(a))
}

// helperLogin asks a helper for one login.
func helperLogin(ctx context.Context, h authfile.Helper, key string) importLogin {
	l := importLogin{key: key, address: helperAddress(key)}
	l.username, l.secret, l.err = h.Get(ctx, key)
	l.identityToken = l.username == authfile.TokenUser
	if errors.Is(l.err, authfile.ErrNoEntry) {
		// Seen with docker-credential-secretservice: it lists what it does not give.
		l.err = errors.New("it is listed there, but not given when asked for")
	}
	return l
}

// eraseFromHelper removes one login, if it still is what was imported, and says why not.
func eraseFromHelper(ctx context.Context, h authfile.Helper, l importLogin) string {
	user, secret, err := h.Get(ctx, l.key)
	switch {
	case errors.Is(err, authfile.ErrNoEntry):
		return ""
	case err == nil && (user != l.username || secret != l.secret):
		return "it changed meanwhile and was not removed"
	case err == nil:
		err = h.Erase(ctx, l.key)
	}
	if err != nil && !errors.Is(err, authfile.ErrNoEntry) {
		return "not removed: " + registry.Printable(err.Error(), 300)
	}
	return ""
}
