package importer

import (
	"context"
	"errors"
	"maps"
	"slices"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store"
	"regshape/store/printable"
)

// HelperSource moves logins out of a foreign helper. What it lists and cannot give, and
// what it cannot erase, is told login by login.
func HelperSource(e *app.Env, name string) Source {
	h := e.Foreign(name)
	var listed []Login
	return Source{
		Name: h.Program(),
		List: func(ctx context.Context) ([]Login, error) {
			keys, err := h.List(ctx)
			if err != nil {
				return nil, err
			}
			logins := make([]Login, 0, len(keys))
			silent := false // waiting again for each of many logins could take hours
			for _, key := range slices.Sorted(maps.Keys(keys)) {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				l := Login{key: key, Address: helperAddress(key), err: errNotAsked}
				if !silent {
					l = helperLogin(ctx, h, key)
				}
				silent = silent || errors.Is(l.err, authfile.ErrHelperTimeout)
				logins = append(logins, l)
			}
			slices.SortStableFunc(logins, func(a, b Login) int {
				return a.rank(authfile.Docker) - b.rank(authfile.Docker)
			})
			listed = logins
			return logins, ctx.Err()
		},
		remove: func(ctx context.Context, logins []Login) (r removal, err error) {
			erased := make(map[string]bool, len(logins))
			for _, l := range logins {
				if err = ctx.Err(); err != nil {
					break
				}
				if reason := eraseFromHelper(ctx, h, l); reason != "" {
					r.left = append(r.left, *l.failure(reason))
					continue
				}
				erased[l.key] = true
				r.removed++
			}
			// What was begun is looked after when it is interrupted, too.
			lost, listErr := restoreToHelper(context.WithoutCancel(ctx), h, listed, erased)
			r.left = append(r.left, lost...)
			if err == nil && listErr != nil {
				r.left = append(r.left, Failure{Message: "whether other logins are still there is not known: " + printable.Line(listErr.Error(), 300)})
			}
			listed = slices.DeleteFunc(listed, func(l Login) bool { return erased[l.key] })
			return r, err
		},
	}
}

// restoreToHelper gives a helper back what it removed beside what it was asked to: some
// know only the host, or one folder for all logins of an address.
func restoreToHelper(ctx context.Context, h authfile.Helper, listed []Login, erased map[string]bool) (lost []Failure, err error) {
	if len(erased) == 0 {
		return nil, nil
	}
	keys, err := h.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range listed {
		if _, there := keys[l.key]; there || erased[l.key] {
			continue
		}
		reason := "the helper removed it together with another login; it was put back"
		if l.err != nil {
			reason = "the helper removed it together with another login, and had not given it before"
		} else if err := h.Store(ctx, l.key, l.username, l.secret); err != nil {
			reason = "the helper removed it together with another login, and did not take it back: " + printable.Line(err.Error(), 300)
		}
		lost = append(lost, *l.failure(reason))
	}
	return lost, nil
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
	return store.ParseAddress(lookup.ServerURL(a))
}

// helperLogin asks a helper for one login.
func helperLogin(ctx context.Context, h authfile.Helper, key string) Login {
	l := Login{key: key, Address: helperAddress(key)}
	l.username, l.secret, l.err = h.Get(ctx, key)
	l.identityToken = l.username == authfile.TokenUser
	if errors.Is(l.err, authfile.ErrNoEntry) {
		// Seen with docker-credential-secretservice: it lists what it does not give.
		l.err = errors.New("it is listed there, but not given when asked for")
	}
	return l
}

// eraseFromHelper removes one login, if it still is what was imported, and says why not.
func eraseFromHelper(ctx context.Context, h authfile.Helper, l Login) string {
	user, secret, err := h.Get(ctx, l.key)
	switch {
	case errors.Is(err, authfile.ErrNoEntry):
		return ""
	case err == nil && (user != l.username || secret != l.secret):
		return "it changed meanwhile and was not removed"
	case err == nil:
		if err = h.Erase(ctx, l.key); err == nil {
			if _, _, err := h.Get(ctx, l.key); err == nil {
				return "not removed: the helper still gives it"
			}
		}
	}
	if err != nil && !errors.Is(err, authfile.ErrNoEntry) {
		return "not removed: " + printable.Line(err.Error(), 300)
	}
	return ""
}
