package importer

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
	remove   bool // remove from the source what the store has
	replace  bool // a different login in the store is replaced
	progress func(done, total int)

	// Claims holds, by canonical address, the first login of this run for it. Later ones
	// never replace it. nil is a run over one source.
	Claims map[string]Claim
}

// Claim is a login that this run found, and where.
type Claim struct {
	Login
	from string
}

// claim notes a login, unless an earlier one has its address.
func (o Options) claim(l Login, from string) {
	if _, claimed := o.Claims[l.Address.String()]; !claimed {
		o.Claims[l.Address.String()] = Claim{l, from}
	}
}

// From moves the logins of one source into the store. Each is read back and compared
// before any is removed from the source. What cannot be moved is in the report, and the
// others are moved. The error is about the source as a whole ([io/fs.ErrNotExist] where there
// is none), about the store (an [*app.StoreError]), or the context's; the report then says what
// was moved until then, and nothing was removed. Only a context that ends while a helper erases
// leaves part of that done.
func From(e *app.Env, s *store.Store, src Source, o Options) (r Report, err error) {
	logins, err := src.List(e.Ctx)
	if err != nil {
		return r, err
	}
	if o.Claims == nil {
		o.Claims = map[string]Claim{}
	}
	var pending, stored []Login // stored: the store has them, byte for byte
	for _, l := range logins {
		if err := e.Ctx.Err(); err != nil {
			return r, err
		}
		if l.Marker {
			r.markers++
			continue
		}
		if reason := l.invalidReason(); reason != "" {
			f := l.failure(reason)
			f.Hint = e.Advice(l.Err)
			r.fail(src, f)
			o.claim(l, src.Name) // a client that asks for it would not look further
			continue
		}
		has, refused, err := classify(e, s, l, o)
		switch {
		case err != nil:
			return r, storeError(e, l, err)
		case refused != nil:
			r.fail(src, refused)
			continue
		case has:
			r.already = append(r.already, l.imported(src))
			stored = append(stored, l)
		default:
			pending = append(pending, l)
		}
		o.claim(l, src.Name)
	}
	done := pending
	if !o.DryRun {
		var refused []*Failure
		done, refused, err = putAll(e, s, pending, o)
		r.fail(src, refused...)
	}
	for _, l := range done {
		r.Moved = append(r.Moved, l.imported(src))
	}
	stored = append(stored, done...)
	if src.InFile && len(stored) > 0 {
		r.left = []string{src.Name}
	}
	switch {
	case err != nil || !o.remove || len(stored) == 0:
		return r, err
	case o.DryRun:
		for _, l := range stored {
			if l.keep == "" {
				r.removed++
			} else {
				r.fail(src, l.failure("would not be removed: "+l.keep))
			}
		}
		return r, nil
	}
	err = removeAll(e, s, src, stored, &r)
	if r.removed == len(stored) {
		r.left = nil
	}
	return r, err
}

// storeError is the error of a store that failed for a login, or the context's.
func storeError(e *app.Env, l Login, err error) error {
	if e.Ctx.Err() != nil {
		return e.Ctx.Err()
	}
	return &app.StoreError{Registry: l.Address.Name(), Doing: "store credentials", Err: err}
}

// invalidReason says why a login cannot be moved, or "".
func (l Login) invalidReason() string {
	switch {
	case l.Err != nil:
		return printable.Line(l.Err.Error(), 300)
	case l.Username == "":
		return "it has no user name"
	case l.Username == authfile.TokenUser && !l.IdentityToken:
		return "it is a password, and its user name would make clients take it for an identity token"
	case !utf8.ValidString(l.Key) || !utf8.ValidString(l.Username) || !utf8.ValidString(l.Secret):
		return "it is not valid UTF-8"
	case len(l.Secret) > terminal.MaxSecret:
		return "its secret is over 64 KiB"
	}
	return ""
}

const replaceHint = "'regshape auth import --replace', with the same --from if any, replaces it by what was found"

// classify decides about one login. has means that the store has it, or is about to; a
// refusal concerns this login alone, err the store and so all logins that follow. Without
// any of them it is to be stored.
func classify(e *app.Env, s *store.Store, l Login, o Options) (has bool, refused *Failure, err error) {
	first, claimed := o.Claims[l.Address.String()]
	switch {
	case !claimed:
		return compare(e.Ctx, s, l, o)
	case first.Same(l.Entry):
		return true, nil, nil
	case l.Namespace():
		return false, l.failure(errNamespace.Error()), nil
	}
	return false, l.failure("another login for it comes first: " + printable.Line(printable.Address(first.Key), 200) + " in " + lookup.Tilde(e, first.from)), nil
}

// compare is what the store alone has to say about a login, as classify returns it.
func compare(ctx context.Context, s *store.Store, l Login, o Options) (has bool, refused *Failure, err error) {
	old, err := s.Get(ctx, l.Address)
	reason := ""
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && old.Canonical != l.Address.String():
		// Nothing under this very address, or expired; a scope around it may have answered.
	case errors.Is(err, store.ErrDamaged):
		reason = printable.Line(err.Error(), 400)
	case err != nil:
		return false, nil, err
	case !l.Matches(old) && old.Username == l.Username:
		reason = "the store has another secret for it"
	case !l.Matches(old):
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

// importWorkers store logins at once. Storing waits for the disk, thrice for each login:
// on 2 cores and ext4 one worker took 4.9 ms a login, four 1.6 ms, eight 1.4 ms.
const importWorkers = 4

// putAll stores logins and checks each. It returns those that the store has now, in the
// order given, and those that would replace what was stored in the meantime. It stops at
// the first error of the store and when the context ends.
func putAll(e *app.Env, s *store.Store, logins []Login, o Options) (done []Login, refused []*Failure, err error) {
	var mu sync.Mutex // guards all below
	stored := make([]bool, len(logins))
	count := 0
	put := func(i int) error {
		no, err := putAndRead(e, s, logins[i], o)
		if err != nil {
			return &app.StoreError{Registry: logins[i].Address.Name(), Doing: "store credentials", Err: err}
		}
		mu.Lock()
		defer mu.Unlock()
		if stored[i] = no == nil; no != nil {
			refused = append(refused, no)
		}
		count++
		if o.progress != nil {
			o.progress(count, len(logins))
		}
		return nil
	}
	// The first one alone makes the key of a new store, or fails.
	first := min(1, len(logins))
	if err = app.Each(e.Ctx, first, 1, put); err == nil {
		err = app.Each(e.Ctx, len(logins)-first, importWorkers, func(i int) error { return put(first + i) })
	}
	for i, l := range logins {
		if stored[i] {
			done = append(done, l)
		}
	}
	return done, refused, err
}

// putAndRead stores a login and checks that the store gives it back. Once begun it is not
// interrupted. It refuses what the store was not asked to replace: much time may have
// passed since the login was classified.
func putAndRead(e *app.Env, s *store.Store, l Login, o Options) (refused *Failure, err error) {
	ctx := context.WithoutCancel(e.Ctx)
	if has, refused, err := compare(ctx, s, l, o); has || refused != nil || err != nil {
		return refused, err
	}
	c, put := l.credential(), s.Put
	if o.replace {
		put = app.Logins(e, s).Put
	}
	if err := put(ctx, c); err != nil {
		return nil, err
	}
	now, err := s.Get(ctx, l.Address)
	if err != nil {
		return nil, fmt.Errorf("read %s back: %w", l.Address.Name(), err)
	}
	if now.Canonical != l.Address.String() || now.ServerURL != c.ServerURL || now.Kind != c.Kind || !l.Matches(now) || !now.Expires.IsZero() || now.Renew != nil {
		return nil, fmt.Errorf("%s was stored, but differs when read back: check the disk", l.Address.Name())
	}
	return nil, nil
}

// removeAll removes from the source what the store has. Of a helper the first login is
// removed alone: it shows whether the helper leads to this very store.
func removeAll(e *app.Env, s *store.Store, src Source, logins []Login, r *Report) error {
	logins, err := confirm(e, s, src, logins, r)
	for len(logins) > 0 && err == nil {
		n := len(logins)
		if !src.InFile && r.removed == 0 {
			n = 1
		}
		var loop bool
		if loop, err = removeSome(e, s, src, logins[:n], r); loop && n < len(logins) {
			r.fail(src, &Failure{Message: "it leads to this very store: nothing else was removed"})
			break
		}
		logins = logins[n:]
	}
	return err
}

// confirm returns the logins that the store gives at this moment to whoever asks for them
// as before. The others are not removed.
func confirm(e *app.Env, s *store.Store, src Source, logins []Login, r *Report) (confirmed []Login, err error) {
	for _, l := range logins {
		asked := l.Address
		if !src.InFile { // a helper is asked for the very key
			asked = store.ParseAddress(l.Key)
		}
		now, err := s.Get(e.Ctx, asked)
		if errors.Is(err, store.ErrNotFound) { // a network file system may say so of what exists
			now, err = s.Get(e.Ctx, asked)
		}
		switch {
		case err == nil && now.Canonical == asked.String() && l.Matches(now) && now.Expires.IsZero():
			confirmed = append(confirmed, l)
		case err == nil, errors.Is(err, store.ErrNotFound) && e.Ctx.Err() == nil, errors.Is(err, store.ErrDamaged) && e.Ctx.Err() == nil:
			r.fail(src, l.failure("not removed: the store does not return this login for that address"))
		default:
			return nil, storeError(e, l, err)
		}
	}
	return confirmed, nil
}

// removeSome removes logins from the source, and reports whether the store lost one by that.
func removeSome(e *app.Env, s *store.Store, src Source, logins []Login, r *Report) (loop bool, err error) {
	done, err := src.remove(e.Ctx, logins)
	interrupted := err != nil && e.Ctx.Err() != nil
	unsure := errors.Is(err, authfile.ErrUnsure)
	r.fail(src, done.left...)
	switch {
	case err == nil || unsure:
		r.removed += done.removed
		if done.removed > 0 {
			r.emptied = append(r.emptied, src.Name)
		}
		r.note(replaced{src.Name, done.names})
	case !interrupted:
		r.fail(src, &Failure{Message: "nothing was removed: " + printable.Line(err.Error(), 400), Hint: e.Advice(err)})
	}
	if unsure { // nothing is lost, but a secret may stay where it is reported removed
		r.fail(src, &Failure{Message: "the logins were removed, but the directory could not be synced: after a power failure they may be back"})
	}
	if !src.InFile {
		restored, failed := restore(e, s, src, logins, r)
		if err == nil {
			r.removed -= restored
		}
		if failed != nil {
			return true, failed
		}
		loop = restored > 0
	}
	if interrupted {
		return loop, e.Ctx.Err()
	}
	return loop, nil
}

// restore stores again what left the store when a helper removed it: the helper leads to
// this very store. It is done after an interruption, too.
func restore(e *app.Env, s *store.Store, src Source, logins []Login, r *Report) (restored int, failed error) {
	for _, l := range logins {
		now, err := s.Get(context.WithoutCancel(e.Ctx), l.Address)
		if !errors.Is(err, store.ErrNotFound) && (err != nil || now.Canonical == l.Address.String()) {
			continue
		}
		restored++
		if _, putErr := putAndRead(e, s, l, Options{replace: true}); putErr != nil {
			failed = &app.StoreError{Registry: l.Address.Name(), Doing: "store credentials", Err: putErr}
			continue // the others can perhaps be saved
		}
		r.fail(src, l.failure("removing it there removed it from the store, too; it was put back"))
	}
	return restored, failed
}
