package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"regshape/login/registry"
	"regshape/store"
)

// graceTime is how long a request that may already have replaced a token is let go on
// after Ctrl-C: the answer holds the only copy of the new one.
const graceTime = 3 * time.Second

// rivalTime is how long another run may take from the issuer's answer to the store, where
// it waits for the disk.
const (
	rivalTime  = time.Second
	rivalPause = 50 * time.Millisecond
)

// renew renews one login. An issuer may make the old refresh token void with its answer, so
// the new one is stored before anything else, Ctrl-C or not.
func (e *env) renew(s *store.Store, c store.Credential) refreshed {
	address := store.ParseAddress(c.Canonical)
	row := refreshed{Registry: shown(store.ParseAddress(c.ServerURL)), Status: failedStatus}
	again := "log in again: " + e.own("auth", "login", row.Registry, "--device")
	if e.ctx.Err() != nil {
		row.Reason, row.Message = "interrupted", "interrupted"
		return row
	}
	if hubToken(c) {
		row.Status = unchangedStatus
		return row
	}
	client, err := e.issuerClient(c)
	if err != nil {
		row.Reason, row.Message = "input", err.Error()
		return row
	}
	ctx, stop := e.grace()
	defer stop()
	old := c.Renew.Token
	grant, result := client.Refresh(ctx, device(c.Renew), old)
	now, moved, err := e.moved(s, address, old, result.Outcome == registry.Rejected)
	switch {
	case moved && now.Kind == store.KindDevice && !s.Expired(now):
		// Another run renewed it or logged in meanwhile; its token is the younger one.
		return row.renewed(now)
	case result.Outcome == registry.Rejected:
		row.Reason, row.Message, row.Hint = string(result.Outcome), "the issuer no longer renews it: "+result.Message, again
		return row
	case result.Outcome != registry.Verified:
		row.Reason, row.Message, row.Hint = string(result.Outcome), result.Message, result.Hint
		return row
	case moved || errors.Is(err, store.ErrNotFound):
		c.Renew = &store.Renewal{Issuer: c.Renew.Issuer, ClientID: c.Renew.ClientID, Token: grant.RefreshToken}
		e.withdraw(client, s, c)
		row.Reason, row.Message = "store", "it was removed or replaced meanwhile"
		return row
	}
	c.Secret, c.Expires = grant.AccessToken, grant.Expires
	c.Renew = &store.Renewal{Issuer: c.Renew.Issuer, ClientID: c.Renew.ClientID, Scope: c.Renew.Scope, Token: grant.RefreshToken}
	if err := e.keep(s, c); err != nil {
		row.Reason, row.Message, row.Hint = "store", fmt.Sprintf("the new token could not be stored: %v", err), e.advice(err)
		if grant.RefreshToken != old {
			row.Message += "; the issuer has made the old one void"
			row.Hint = "when the store can be written, " + again
		}
		return row
	}
	return row.renewed(c)
}

// moved reads what is stored now, and says whether it still is the login that old renews.
// A refused token may have been used up by another run a moment ago, so that what it got
// is waited for.
func (e *env) moved(s *store.Store, address store.Address, old string, refused bool) (now store.Credential, moved bool, err error) {
	for wait := time.Duration(0); ; wait += rivalPause {
		now, err = s.Peek(context.WithoutCancel(e.ctx), address)
		moved = err == nil && (now.Renew == nil || now.Renew.Token != old)
		if moved || err != nil || !refused || wait >= rivalTime {
			return now, moved, err
		}
		select {
		case <-time.After(rivalPause):
		case <-e.ctx.Done():
			return now, moved, err
		}
	}
}

// keep stores a renewed login, and tries once more: what it holds exists nowhere else.
func (e *env) keep(s *store.Store, c store.Credential) error {
	ctx := context.WithoutCancel(e.ctx)
	err := s.Put(ctx, c)
	if err != nil && !errors.Is(err, store.ErrUnsure) {
		err = s.Put(ctx, c)
	}
	return err
}

// grace is the command's context, ending a little later than it.
func (e *env) grace() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(e.ctx))
	stop := context.AfterFunc(e.ctx, func() { time.AfterFunc(graceTime, cancel) })
	return ctx, func() { stop(); cancel() }
}

func (r refreshed) renewed(c store.Credential) refreshed {
	r.Status = renewedStatus
	if !c.Expires.IsZero() {
		r.Expires = &c.Expires
	}
	return r
}
