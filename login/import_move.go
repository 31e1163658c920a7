package login

import (
	"context"
	"errors"
	"unicode/utf8"

	"regshape/login/authfile"
	"regshape/login/registry"
	"regshape/store"
)

// importOptions say how logins are moved.
type importOptions struct {
	dryRun   bool // nothing is written
	remove   bool // take out of the source what the store has
	replace  bool // a login of the store that differs gives way
	progress func(done, total int)

	// taken holds, by canonical address, what this run has brought or found to be there.
	// What comes later counts less and never replaces it. nil is a run over one source.
	taken map[string]takenLogin
}

type takenLogin struct {
	importLogin
	from string
}

// importFrom moves the logins of one source into the store. Each is read back and compared
// before any is removed from the source. What cannot be moved is in the report, and the
// others are moved. The error is about the source as a whole (see [absent]), about the
// store (a [*storeError]), or the context's; the report then says what was moved until
// then, and nothing was removed. Only a context that ends while a helper erases leaves
// part of that done.
func (e *env) importFrom(s *store.Store, src importSource, o importOptions) (r importReport, err error) {
	logins, err := src.list(e.ctx)
	if err != nil {
		return r, err
	}
	if o.taken == nil {
		o.taken = map[string]takenLogin{}
	}
	var wanted, safe []importLogin // safe: the store has them, byte for byte
	for _, l := range logins {
		if err := e.ctx.Err(); err != nil {
			return r, err
		}
		if l.marker {
			r.markers++
			continue
		}
		there, refused, err := e.weigh(s, l, o)
		switch {
		case err != nil && e.ctx.Err() != nil:
			return r, e.ctx.Err()
		case err != nil:
			return r, &storeError{l.name(), "store credentials", err}
		case refused != nil:
			refused.From = src.name
			r.failed = append(r.failed, *refused)
			continue
		case there:
			r.already = append(r.already, importedLogin{l.name(), l.username, src.name})
			safe = append(safe, l)
		default:
			wanted = append(wanted, l)
		}
		if _, met := o.taken[l.address.String()]; !met {
			o.taken[l.address.String()] = takenLogin{l, src.name}
		}
	}
	done := wanted
	if !o.dryRun {
		done, err = e.putAll(s, wanted, o.progress)
	}
	for _, l := range done {
		r.moved = append(r.moved, importedLogin{l.name(), l.username, src.name})
	}
	safe = append(safe, done...)
	if src.file && len(safe) > 0 {
		r.left = []string{src.name}
	}
	if err != nil || !o.remove || o.dryRun || len(safe) == 0 {
		return r, err
	}
	err = e.takeOut(s, src, safe, &r)
	if r.removed == len(safe) {
		r.left = nil
	}
	return r, err
}

// takeOut removes from the source what the store has.
func (e *env) takeOut(s *store.Store, src importSource, safe []importLogin, r *importReport) error {
	left, err := src.remove(e.ctx, safe)
	if err != nil && e.ctx.Err() != nil {
		return e.ctx.Err()
	}
	unsure := errors.Is(err, authfile.ErrUnsure)
	if err != nil && !unsure {
		r.failed = append(r.failed, importFailure{From: src.name, Message: "nothing was removed: " + registry.Printable(err.Error(), 400)})
		return nil
	}
	for _, f := range left {
		f.From = src.name
		r.failed = append(r.failed, f)
	}
	r.removed = len(safe) - len(left)
	if unsure { // nothing is lost, but a secret may stay where the user was told it is not
		r.failed = append(r.failed, importFailure{
			From: src.name, Message: "the logins are out of it, but its folder could not be synced: after a power cut they may be back",
		})
	}
	if src.file {
		return nil
	}
	// A helper may be another way into this very store; what went out there is put back.
	for _, l := range safe {
		if now, err := s.Get(context.WithoutCancel(e.ctx), l.address); errors.Is(err, store.ErrNotFound) || err == nil && now.Canonical != l.address.String() {
			if err := e.putAndRead(s, l); err != nil {
				return &storeError{l.name(), "store credentials", err}
			}
			f := l.failure("removing it there took it out of the store, too; it was put back")
			f.From = src.name
			r.failed = append(r.failed, *f)
		}
	}
	return nil
}

const replaceHint = "'regshape auth import --replace', with the same --from if any, puts what was found in its place"

// weigh decides about one login. there means that the store has it, or is about to; a
// refusal concerns this login alone, err the store and so all logins that follow. Without
// any of them it is to be stored.
func (e *env) weigh(s *store.Store, l importLogin, o importOptions) (there bool, refused *importFailure, err error) {
	if reason := l.unfit(); reason != "" {
		return false, l.failure(reason), nil
	}
	first, met := o.taken[l.address.String()]
	if met && !first.is(l) {
		return false, l.failure("another login for it counts first: " + registry.Printable(first.key, 200) + " in " + e.tilde(first.from)), nil
	}
	if met {
		return true, nil, nil
	}
	old, err := s.Get(e.ctx, l.address)
	reason := ""
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && old.Canonical != l.address.String():
		// Nothing under this very address, or expired; a scope around it may have answered.
	case errors.Is(err, store.ErrDamaged):
		reason = registry.Printable(err.Error(), 400)
	case err != nil:
		return false, nil, err
	case !l.same(old) && old.Username == l.username:
		reason = "the store has another secret for it"
	case !l.same(old):
		reason = "the store has another login for it, of " + registry.Printable(old.Username, 120)
	case o.remove && !old.Expires.IsZero():
		reason = "the store has it only until " + clock(old.Expires)
	default:
		return true, nil, nil
	}
	if reason != "" && !o.replace {
		refused = l.failure(reason)
		refused.Hint = replaceHint
	}
	return false, refused, nil
}

// unfit says why a login cannot be moved, or "".
func (l importLogin) unfit() string {
	switch {
	case l.err != nil:
		return registry.Printable(l.err.Error(), 300)
	case l.username == "":
		return "it has no user name"
	case !utf8.ValidString(l.key) || !utf8.ValidString(l.username) || !utf8.ValidString(l.secret):
		return "it is not valid UTF-8"
	case len(l.secret) > maxSecret:
		return "its secret is over 64 KiB"
	}
	return ""
}

// is reports whether two logins are the same, byte for byte.
func (l importLogin) is(other importLogin) bool {
	return l.username == other.username && l.secret == other.secret && l.identityToken == other.identityToken
}

// same reports whether the store's login is this one, byte for byte.
func (l importLogin) same(c store.Credential) bool {
	return c.Username == l.username && c.Secret == l.secret && (c.Kind == store.KindIdentityToken) == l.identityToken
}
