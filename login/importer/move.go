package importer

import (
	"context"
	"errors"
	"unicode/utf8"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/printable"
)

// Options say how logins are moved.
type Options struct {
	DryRun   bool // nothing is written
	remove   bool // take out of the source what the store has
	replace  bool // a login of the store that differs gives way
	progress func(done, total int)

	// Taken holds, by canonical address, what this run has brought or found to be there.
	// What comes later counts less and never replaces it. nil is a run over one source.
	Taken map[string]Taken
}

// Taken is a login that this run met, and where.
type Taken struct {
	Login
	from string
}

// From moves the logins of one source into the store. Each is read back and compared
// before any is removed from the source. What cannot be moved is in the report, and the
// others are moved. The error is about the source as a whole (see [absent]), about the
// store (a [*storeError]), or the context's; the report then says what was moved until
// then, and nothing was removed. Only a context that ends while a helper erases leaves
// part of that done.
func From(e *app.Env, s *store.Store, src Source, o Options) (r Report, err error) {
	logins, err := src.List(e.Ctx)
	if err != nil {
		return r, err
	}
	if o.Taken == nil {
		o.Taken = map[string]Taken{}
	}
	var wanted, safe []Login // safe: the store has them, byte for byte
	for _, l := range logins {
		if err := e.Ctx.Err(); err != nil {
			return r, err
		}
		if l.Marker {
			r.markers++
			continue
		}
		if reason := l.unfit(); reason != "" {
			f := l.failure(reason)
			f.From = src.Name
			r.Failed = append(r.Failed, *f)
			o.take(l, src.Name) // a client that asks for it would not look further
			continue
		}
		there, refused, err := weigh(e, s, l, o)
		switch {
		case err != nil && e.Ctx.Err() != nil:
			return r, e.Ctx.Err()
		case err != nil:
			return r, &app.StoreError{Registry: l.name(), Doing: "store credentials", Err: err}
		case refused != nil:
			refused.From = src.Name
			r.Failed = append(r.Failed, *refused)
			continue
		case there:
			r.already = append(r.already, Imported{l.name(), l.username, src.Name})
			safe = append(safe, l)
		default:
			wanted = append(wanted, l)
		}
		o.take(l, src.Name)
	}
	done := wanted
	if !o.DryRun {
		var refused []Failure
		done, refused, err = putAll(e, s, wanted, o)
		for _, f := range refused {
			f.From = src.Name
			r.Failed = append(r.Failed, f)
		}
	}
	for _, l := range done {
		r.Moved = append(r.Moved, Imported{l.name(), l.username, src.Name})
	}
	safe = append(safe, done...)
	if src.file && len(safe) > 0 {
		r.left = []string{src.Name}
	}
	if err != nil || !o.remove || len(safe) == 0 {
		return r, err
	}
	if o.DryRun {
		for _, l := range safe {
			if l.keep == "" {
				r.removed++
				continue
			}
			f := l.failure("would not be removed: " + l.keep)
			f.From = src.Name
			r.Failed = append(r.Failed, *f)
		}
		return r, nil
	}
	err = takeOut(e, s, src, safe, &r)
	if r.removed == len(safe) {
		r.left = nil
	}
	return r, err
}

// take notes a login, unless one that counts more has its address.
func (o Options) take(l Login, from string) {
	if _, met := o.Taken[l.Address.String()]; !met {
		o.Taken[l.Address.String()] = Taken{l, from}
	}
}

// takeOut removes from the source what the store has. Of a helper the first login goes
// alone: it shows whether the helper is another way into this very store.
func takeOut(e *app.Env, s *store.Store, src Source, safe []Login, r *Report) error {
	safe, err := held(e, s, src, safe, r)
	for len(safe) > 0 && err == nil {
		n := len(safe)
		if !src.file && r.removed == 0 {
			n = 1
		}
		var loop bool
		if loop, err = takeSome(e, s, src, safe[:n], r); loop && n < len(safe) {
			r.Failed = append(r.Failed, Failure{From: src.Name, Message: "it leads to this very store: nothing else was removed"})
			break
		}
		safe = safe[n:]
	}
	return err
}

// held returns the logins that the store gives at this moment, to whoever asks for them as
// before. What else was to be removed stays.
func held(e *app.Env, s *store.Store, src Source, logins []Login, r *Report) (held []Login, err error) {
	for _, l := range logins {
		asked := l.Address
		if !src.file { // a helper is asked for the very key
			asked = store.ParseAddress(l.key)
		}
		reason := ""
		now, err := s.Get(e.Ctx, asked)
		if errors.Is(err, store.ErrNotFound) { // a network file system may say so of what is there
			now, err = s.Get(e.Ctx, asked)
		}
		switch {
		case err != nil && e.Ctx.Err() != nil:
			return nil, e.Ctx.Err()
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrDamaged), err == nil && (now.Canonical != asked.String() || !l.same(now) || !now.Expires.IsZero()):
			reason = "not removed: the store does not give this login for that address"
		case err != nil:
			return nil, &app.StoreError{Registry: l.name(), Doing: "store credentials", Err: err}
		}
		if reason == "" {
			held = append(held, l)
			continue
		}
		f := l.failure(reason)
		f.From = src.Name
		r.Failed = append(r.Failed, *f)
	}
	return held, nil
}

// takeSome removes logins from the source, and reports whether the store lost one by that.
func takeSome(e *app.Env, s *store.Store, src Source, logins []Login, r *Report) (loop bool, err error) {
	done, err := src.remove(e.Ctx, logins)
	interrupted := err != nil && e.Ctx.Err() != nil
	unsure := errors.Is(err, authfile.ErrUnsure)
	for _, f := range done.left {
		f.From = src.Name
		r.Failed = append(r.Failed, f)
	}
	switch {
	case err == nil || unsure:
		r.removed += done.removed
		r.names.note(src.Name, done.names)
	case !interrupted:
		r.Failed = append(r.Failed, Failure{From: src.Name, Message: "nothing was removed: " + printable.Line(err.Error(), 400)})
	}
	if unsure { // nothing is lost, but a secret may stay where the user was told it is not
		r.Failed = append(r.Failed, Failure{
			From: src.Name, Message: "the logins are out of it, but its folder could not be synced: after a power cut they may be back",
		})
	}
	if !src.file {
		back, failed := putBack(e, s, src, logins, r)
		if err == nil {
			r.removed -= back
		}
		if failed != nil {
			return true, failed
		}
		loop = back > 0
	}
	if interrupted {
		return loop, e.Ctx.Err()
	}
	return loop, nil
}

// putBack stores again what went out of the store when a helper removed it: the helper is
// another way into this very store. It is done after an interruption, too.
func putBack(e *app.Env, s *store.Store, src Source, logins []Login, r *Report) (back int, failed error) {
	for _, l := range logins {
		now, err := s.Get(context.WithoutCancel(e.Ctx), l.Address)
		if !errors.Is(err, store.ErrNotFound) && (err != nil || now.Canonical == l.Address.String()) {
			continue
		}
		back++
		if _, putErr := putAndRead(e, s, l, Options{replace: true}); putErr != nil {
			failed = &app.StoreError{Registry: l.name(), Doing: "store credentials", Err: putErr}
			continue // the others can perhaps be saved
		}
		f := l.failure("removing it there took it out of the store, too; it was put back")
		f.From = src.Name
		r.Failed = append(r.Failed, *f)
	}
	return back, failed
}

const replaceHint = "'regshape auth import --replace', with the same --from if any, puts what was found in its place"

// weigh decides about one login. there means that the store has it, or is about to; a
// refusal concerns this login alone, err the store and so all logins that follow. Without
// any of them it is to be stored.
func weigh(e *app.Env, s *store.Store, l Login, o Options) (there bool, refused *Failure, err error) {
	first, met := o.Taken[l.Address.String()]
	if met && !first.is(l) {
		return false, l.failure("another login for it counts first: " + printable.Line(printable.Address(first.key), 200) + " in " + lookup.Tilde(e, first.from)), nil
	}
	if met {
		return true, nil, nil
	}
	return compare(e.Ctx, s, l, o)
}

// compare is what the store alone has to say about a login, as weigh returns it.
func compare(ctx context.Context, s *store.Store, l Login, o Options) (there bool, refused *Failure, err error) {
	old, err := s.Get(ctx, l.Address)
	reason := ""
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && old.Canonical != l.Address.String():
		// Nothing under this very address, or expired; a scope around it may have answered.
	case errors.Is(err, store.ErrDamaged):
		reason = printable.Line(err.Error(), 400)
	case err != nil:
		return false, nil, err
	case !l.same(old) && old.Username == l.username:
		reason = "the store has another secret for it"
	case !l.same(old):
		reason = "the store has another login for it, of " + printable.Line(old.Username, 120)
	case o.remove && !old.Expires.IsZero():
		reason = "the store has it only until " + terminal.Clock(old.Expires)
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
func (l Login) unfit() string {
	switch {
	case l.err != nil:
		return printable.Line(l.err.Error(), 300)
	case l.username == "":
		return "it has no user name"
	case l.username == authfile.TokenUser && !l.identityToken:
		return "it is a password, and its user name would make clients take it for an identity token"
	case !utf8.ValidString(l.key) || !utf8.ValidString(l.username) || !utf8.ValidString(l.secret):
		return "it is not valid UTF-8"
	case len(l.secret) > terminal.MaxSecret:
		return "its secret is over 64 KiB"
	}
	return ""
}

// is reports whether two logins are the same, byte for byte.
func (l Login) is(other Login) bool {
	return l.username == other.username && l.secret == other.secret && l.identityToken == other.identityToken
}

// same reports whether the store's login is this one, byte for byte.
func (l Login) same(c store.Credential) bool {
	return c.Username == l.username && c.Secret == l.secret && (c.Kind == store.KindIdentityToken) == l.identityToken
}
