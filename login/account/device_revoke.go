package account

import (
	"context"
	"errors"
	"sync"

	"regshape/login/app"
	"regshape/login/registry"
	"regshape/store"
	"regshape/store/printable"
)

// maxIssuers bounds how many issuers are asked at once.
const maxIssuers = 8

// revocable returns the logins whose refresh token can be revoked. One that is stored but
// cannot be read is warned of: its token stays good. It is asked before the erasure.
func revocable(e *app.Env, s *store.Store, addresses []store.Address) []store.Credential {
	var found []store.Credential
	seen := map[string]bool{} // of several spellings of one address
	for _, a := range addresses {
		if seen[a.String()] {
			continue
		}
		seen[a.String()] = true
		c, err := s.Peek(e.Ctx, a)
		switch {
		case err == nil && c.Renew != nil && c.Renew.Token != "":
			found = append(found, c)
		case err != nil && !errors.Is(err, store.ErrNotFound):
			e.Warn("the entry of %s cannot be read, so no refresh token of a device login was revoked: %v.", app.Shown(a), err)
		}
	}
	return found
}

// revoke makes the refresh tokens of removed logins worthless at their issuers, in no more
// than --timeout altogether. That it fails is a warning: the logins are gone from here.
func revoke(e *app.Env, removed []store.Credential) {
	ctx, cancel := context.WithTimeout(e.Ctx, e.Timeout)
	defer cancel()
	told := make([]string, len(removed))
	inParallel(len(removed), func(i int) {
		c := removed[i]
		client, err := issuerClient(e, c)
		if err != nil {
			told[i] = err.Error()
			return
		}
		if r := client.Revoke(ctx, device(c.Renew), c.Renew.Token); r.Outcome != registry.Verified {
			told[i] = r.Message
		}
	})
	for i, why := range told {
		if why != "" {
			e.Warn("the refresh token of %s was not revoked and stays good until %s ends it: %s.",
				app.Shown(store.ParseAddress(removed[i].ServerURL)), printable.Line(removed[i].Renew.Issuer, 200), why)
		}
	}
}

// withdraw revokes what a login obtained that then failed, so that nothing is left behind
// at the issuer. It is worth trying even after Ctrl-C, for a moment. Where an older login
// with that client is stored it is left alone: many issuers revoke all of a client's
// tokens for the user at once (RFC 7009 §2.1 lets them).
func withdraw(e *app.Env, client *registry.Client, s *store.Store, c store.Credential) {
	if c.Renew == nil || c.Renew.Token == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.Ctx), min(e.Timeout, graceTime))
	defer cancel()
	old, err := s.Peek(ctx, store.ParseAddress(c.ServerURL))
	if err == nil && old.Renew != nil && old.Renew.Issuer == c.Renew.Issuer || err != nil && !errors.Is(err, store.ErrNotFound) {
		return
	}
	_ = client.Revoke(ctx, device(c.Renew), c.Renew.Token) // the login's own failure is told
}

// inParallel calls do for 0 to n-1 and waits for all.
func inParallel(n int, do func(int)) {
	var all sync.WaitGroup
	slots := make(chan struct{}, maxIssuers)
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	all.Wait()
}
