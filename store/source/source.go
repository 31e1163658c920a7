// Package source answers for the logins of a store. The secret of most is in their entry; that
// of some is made by a program, which this package starts, and keeps until it ends.
//
// # Renewing
//
// A secret is answered until it ends. In the last tenth of its life, 5 minutes at most, one
// process renews it and waits 3 s for that; all others, and that one if it fails, answer the
// present one. After the end one process renews it and the others wait for that. Who renews has
// a claim, see claim. After a failure nobody tries again for a minute, nor for 5 minutes after
// the program said that it knows no login.
//
// What a program answers is sealed in an entry of its own ([store.Store.Keep]): a renewal never
// writes the login, so a logout, a new login and a rotation need not wait for it.
package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"regshape/store"
	"regshape/store/printable"
	"regshape/store/trust"
)

const (
	renewPart  = 10              // the part of a life in which a secret is renewed: the last tenth,
	renewEarly = 5 * time.Minute // and not earlier than this before its end
	earlyLimit = 3 * time.Second // who has a good secret does not wait longer
	limit      = 30 * time.Second
	waitLimit  = 35 * time.Second // for another process, which may take limit
	pause      = 20 * time.Millisecond
	retryAfter = time.Minute
	missAfter  = 5 * time.Minute
	oldClaim   = 40 * time.Second // longer than limit: whoever made it is gone
	claimAgain = time.Second      // what is waited for is an answer, and seldom a claim that is free without one
)

// ErrNested means that a program that makes a secret has asked for one that needs a program.
var ErrNested = errors.New("the program of a login asks for it: have it take its own credential from elsewhere")

// ProgramError is about a program that brought no secret.
type ProgramError struct {
	Address store.Address // of the login
	Program string        // its path; "" for a device login
	Reason  string        // nothing that the program has printed
	Err     error         // the cause, where there is one to tell apart
}

func (e *ProgramError) Error() string {
	if e.Program == "" {
		return fmt.Sprintf("the device login of %s was not renewed: %s", e.Address.Name(), e.Reason)
	}
	return fmt.Sprintf("%s made no secret for %s: %s", printable.Name(e.Program), e.Address.Name(), e.Reason)
}

// Unwrap returns the cause.
func (e *ProgramError) Unwrap() error { return e.Err }

// Source is a store whose programs are started when a secret is needed.
type Source struct {
	*store.Store
	notice func(error)
	self   []string // a command line of this program for the same store
	now    func() time.Time
	typed  bool // the user has named the program in this very run
	run    func(ctx context.Context, login store.Credential, within time.Duration) (answer, error)
}

// New returns the source over a store. notice is called with what failed where a secret can
// be answered all the same; it may be called by several goroutines. flags are what a command of
// this program needs to use the same store.
func New(s *store.Store, notice func(error), flags ...string) Source {
	out := Source{Store: s, notice: notice, self: append([]string{"regshape"}, flags...), now: time.Now}
	out.run = out.start
	return out
}

// Get returns the credential that answers for an address, as [store.Store.Get] does. That of a
// program's login has the program's user name and secret, and ends when the secret does. The
// error is [store.ErrNotFound] where the program knows no login, else a [ProgramError].
func (s Source) Get(ctx context.Context, a store.Address) (store.Credential, error) {
	return s.get(ctx, a, false)
}

// Try has the program of a login that is not stored yet make a secret, without keeping it. The
// user has just named that program.
func (s Source) Try(ctx context.Context, login store.Credential) (first store.Credential, err error) {
	s.typed = true
	made := s.now()
	a, err := s.start(ctx, login, limit)
	if err != nil {
		return store.Credential{}, err
	}
	return a.keptAt(made, store.Credential{}), nil
}

// Renew is Get that has the program make a new secret.
func (s Source) Renew(ctx context.Context, a store.Address) (store.Credential, error) {
	return s.get(ctx, a, true)
}

// List is [store.Store.List] with the secrets of programs that are still good. It starts nothing.
func (s Source) List(ctx context.Context) (found []store.Credential, damaged []*store.EntryError, err error) {
	found, answers, damaged, err := s.ListAnswered(ctx)
	for i, c := range found {
		if c.Program == nil {
			continue
		}
		if k := (kept{c, answers[c.AnswerKey()]}); k.good(s.now()) {
			found[i] = k.credential()
		}
	}
	return found, damaged, err
}

// kept is a login of a program with what that has answered.
type kept struct{ login, last store.Credential }

func (k kept) good(now time.Time) bool {
	a := k.last.Answer
	return k.last.Secret != "" && !now.Before(a.Made) && now.Before(a.Ends)
}

// due reports whether a good secret is to be renewed.
func (k kept) due(now time.Time) bool {
	a := k.last.Answer
	return !now.Before(a.Ends.Add(-min(a.Ends.Sub(a.Made)/renewPart, renewEarly)))
}

// failure is why the program need not be asked now, or nil.
func (k kept) failure(now time.Time) error {
	a := k.last.Answer
	wait := retryAfter
	if a.Problem == "" {
		wait = missAfter
	}
	switch {
	case a.Tried.IsZero(), now.Before(a.Tried), now.Sub(a.Tried) >= wait:
		return nil
	case a.Problem == "":
		return store.ErrNotFound
	}
	return failed(k.login, a.Problem, nil)
}

func (k kept) credential() store.Credential {
	c := k.login
	c.Username, c.Secret, c.Kind, c.Expires = k.last.Username, k.last.Secret, k.last.Kind, k.last.Answer.Ends
	return c
}

func failed(login store.Credential, reason string, err error) error {
	program := ""
	if login.Program != nil {
		program = login.Program.Words[0]
	}
	return &ProgramError{Address: login.For(), Program: program, Reason: reason, Err: err}
}

func (s Source) get(ctx context.Context, a store.Address, force bool) (store.Credential, error) {
	login, last, err := s.Answered(ctx, a)
	if err != nil || !login.Renews() {
		return login, err
	}
	if login.IsPattern() && login.For().String() == login.Canonical { // no registry
		return login, store.ErrNotFound
	}
	begun, k := s.now(), kept{login, last}
	if !force {
		if k.good(begun) && !k.due(begun) {
			return k.credential(), nil
		}
		if err := k.failure(begun); err != nil {
			return s.without(k, err, force)
		}
	}
	if err := nested(login); err != nil { // who holds the claim waits for this very process
		return s.without(k, err, force)
	}
	mine, release, tried := false, func() {}, time.Time{}
	for {
		if now := s.now(); now.Sub(tried) >= claimAgain {
			tried = now
			mine, release = s.claim(login)
		}
		// Another process may have answered before this one got its claim, or while it waited.
		if login, last, err = s.Answered(ctx, a); err != nil || !login.Renews() {
			release()
			return login, err
		}
		news := kept{login, last}
		now := s.now()
		fresh := login.AnswerKey() != k.login.AnswerKey() || !last.Answer.Made.Equal(k.last.Answer.Made)
		switch {
		case fresh && news.good(now):
			release()
			return news.credential(), nil
		case !last.Answer.Tried.Equal(k.last.Answer.Tried) && news.failure(now) != nil:
			release()
			return s.without(news, news.failure(now), force)
		case mine:
			defer release()
			return s.renew(ctx, news, force)
		case k.good(now) && !force:
			return k.credential(), nil
		case now.Sub(begun) >= waitLimit:
			return s.without(news, failed(login, "another process is making one, and did not end", nil), force)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return store.Credential{}, ctx.Err()
		}
	}
}

// without is the answer where no new secret could be made: the present one, if it is still good
// and no new one was asked for. A program that matches by a pattern and never answered for this
// address may not be meant for it.
func (s Source) without(k kept, err error, force bool) (store.Credential, error) {
	switch {
	case force:
		return k.login, err
	case k.good(s.now()):
		if !errors.Is(err, store.ErrNotFound) {
			s.notice(fmt.Errorf("the present secret is used: %w", err))
		}
		return k.credential(), nil
	case k.login.IsPattern() && k.last.Secret == "":
		if !errors.Is(err, store.ErrNotFound) {
			s.notice(err)
		}
		return k.login, store.ErrNotFound
	}
	return k.login, err
}

// renew starts the program, and keeps what it answers or that it failed.
func (s Source) renew(ctx context.Context, k kept, force bool) (store.Credential, error) {
	within := limit
	if !force && k.good(s.now()) {
		within = earlyLimit
	}
	made := s.now()
	a, err := s.run(ctx, k.login, within)
	if ctx.Err() != nil {
		return store.Credential{}, ctx.Err()
	}
	if err == nil && k.login.Program == nil { // the login has the new token
		login, last, err := s.Answered(ctx, k.login.For())
		return kept{login, last}.credential(), err
	}
	next := k.last
	next.Answer = &store.Answer{Made: k.last.Answer.Made, Ends: k.last.Answer.Ends, Before: k.last.Answer.Before, Tried: s.now()}
	problem, told := errors.AsType[*ProgramError](err)
	switch {
	case err == nil:
		next = a.keptAt(made, next)
	case told:
		next.Answer.Problem = problem.Reason
	}
	if err == nil || told && problem.Err == nil || errors.Is(err, store.ErrNotFound) {
		// What cannot be kept is answered all the same, and made again the next time.
		if keepErr := s.Keep(ctx, k.login, next); keepErr != nil {
			s.notice(fmt.Errorf("%s: the new secret is not kept: %w", k.login.For().Name(), keepErr))
		}
	}
	if err == nil {
		return kept{k.login, next}.credential(), nil
	}
	return s.without(k, err, force)
}

// Current lists the logins that Get answers, and the entries that could not be opened. Secrets
// that have ended are renewed, all at once; what cannot be within waitLimit is left out.
func (s Source) Current(ctx context.Context) (found []store.Credential, damaged []*store.EntryError, err error) {
	all, damaged, err := s.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	limited, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	missing := make([]bool, len(all))
	var renewing sync.WaitGroup
	for i := range all {
		switch c := all[i]; {
		case c.IsPattern(), !c.Renews() && s.Expired(c): // of a pattern nobody knows for which registries
			missing[i] = true
		case c.Renews() && (c.Secret == "" || s.Expired(c)):
			renewing.Go(func() {
				now, err := s.Get(limited, all[i].Address())
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					s.notice(err)
				}
				all[i], missing[i] = now, err != nil
			})
		}
	}
	renewing.Wait()
	found = all[:0]
	for i, c := range all {
		if !missing[i] {
			found = append(found, c)
		}
	}
	return found, damaged, ctx.Err()
}

// Put stores a login as [store.Store.Put] does, and forgets the one that it replaces.
func (s Source) Put(ctx context.Context, login store.Credential) error {
	old, err := s.Replace(ctx, login)
	if err == nil {
		if err := s.Forget(ctx, old); err != nil {
			s.notice(err) // the login is stored
		}
	}
	return err
}

// Erase removes the login of exactly this address, and forgets it. A locked store forgets the
// login alone.
func (s Source) Erase(ctx context.Context, a store.Address) (erased bool, err error) {
	old, erased, err := s.Remove(ctx, a)
	if err == nil && old.For().String() == a.String() { // and not a scope around it
		err = s.Forget(ctx, old)
	}
	return erased, err
}

// Forget removes what is left of a login that is no longer stored: what its program has answered,
// the claim of a renewal that was killed, and the trust in the program if no other login needs
// it. Of a pattern, as it was found for a registry, it removes the answer; it makes another one.
func (s Source) Forget(ctx context.Context, old store.Credential) error {
	if !old.Renews() {
		return nil
	}
	_ = s.EraseAnswer(ctx, old) // without its login nobody looks for it
	_, release := s.claim(old)
	release()
	if old.Program == nil || old.For().String() != old.Canonical {
		return nil
	}
	needed := func() bool {
		others, damaged, err := s.List(ctx)
		return err != nil || len(damaged) > 0 || slices.ContainsFunc(others, func(c store.Credential) bool {
			return c.Program != nil && slices.Equal(c.Program.Words, old.Program.Words)
		})
	}
	if needed() {
		return nil
	}
	trusted := trust.Check(s.Location(), Program(*old.Program)) == nil
	err := trust.Remove(s.Location(), Program(*old.Program))
	if err == nil && trusted && needed() { // by a login that was made meanwhile
		err = trust.Add(s.Location(), Program(*old.Program))
	}
	return err
}
