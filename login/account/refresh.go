package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"regshape/login/app"
	"regshape/login/registry"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/durable"
	"regshape/store/printable"
)

// Refresh renews the access tokens of device logins, and has programs make new secrets.
type Refresh struct {
	Registries []string `arg:"" optional:"" name:"registry" help:"Registries; without any, every login that can be renewed."`
	Flags      []string `name:"registry" short:"r" sep:"none" placeholder:"REGISTRY" help:"A registry, for scripts; the same as an argument."`
}

// refreshed is one line of the JSON of refresh. Times are RFC 3339 in UTC.
type refreshed struct {
	Registry string     `json:"registry"`
	Status   string     `json:"status"` // "renewed", "unchanged" or "failed"
	Expires  *time.Time `json:"expires,omitempty"`
	Reason   string     `json:"reason,omitempty"` // why it is not renewed: an outcome of verification, "store", "not-a-device-login" or "not-renewable"
	Message  string     `json:"message,omitempty"`
	Hint     string     `json:"hint,omitempty"`
}

// The states of a refreshed login.
const (
	renewedStatus   = "renewed"
	unchangedStatus = "unchanged" // there was nothing to do
	failedStatus    = "failed"
)

// Run renews logins: those named, else all but patterns, of which nobody knows for which
// registries. The exit code is 1 if one that could or should be renewed was not.
func (c *Refresh) Run(e *app.Env) error {
	s, err := e.OpenStore()
	if err != nil {
		return &app.StoreError{Registry: "", Doing: "renew logins", Err: err}
	}
	logins, rows, err := c.logins(e, s)
	if err != nil {
		return err
	}
	scenario := e.Scenario("refresh")
	defer scenario.End()
	done := make([]refreshed, len(logins))
	_ = app.Each(context.Background(), len(logins), maxIssuers, func(i int) error { // after Ctrl-C, too, each has its row
		if logins[i].Program != nil {
			done[i] = renewByProgram(e, s, logins[i])
		} else {
			done[i] = renew(e, s, logins[i])
		}
		return nil
	})
	scenario.Step("renew")
	return reportRefreshed(e, append(done, rows...))
}

// Manual is the text of --help and of the man page.
func (*Refresh) Manual() app.Manual {
	return app.Manual{Failed: "a login could not be renewed", Examples: [][2]string{
		{"regshape auth refresh", "every login that can be renewed, for example from a timer"},
		{"regshape auth refresh registry.example.com", "one login"},
	}}
}

// logins finds what to renew. What was asked for by name and cannot be renewed is a row of
// its own.
func (c *Refresh) logins(e *app.Env, s *store.Store) (found []store.Credential, rows []refreshed, err error) {
	if len(c.Registries)+len(c.Flags) == 0 {
		found, damaged, err := s.List(e.Ctx)
		if err != nil {
			return nil, nil, &app.StoreError{Registry: "", Doing: "renew logins", Err: err}
		}
		for _, d := range damaged {
			e.Warn("%v: %s.", d, e.Advice(d))
		}
		return slices.DeleteFunc(found, func(c store.Credential) bool { return !renewable(c) && c.Program == nil || c.IsPattern() }), nil, nil
	}
	addresses, err := targets("refresh", true, c.Registries, c.Flags)
	if err != nil {
		return nil, nil, err
	}
	for _, address := range addresses {
		login, err := s.Peek(e.Ctx, address)
		if errors.Is(err, store.ErrNotFound) {
			if other, _, answered := s.Answered(e.Ctx, address); answered == nil && other.IsPattern() {
				login, err = other, nil
			}
		}
		name := address.Name()
		row := refreshed{Registry: name}
		switch {
		case errors.Is(err, store.ErrNotFound):
			row = row.failed("not-a-device-login", "no login is stored", "log in: "+e.Own("auth", "login", name, "--device"))
		case err != nil:
			return nil, nil, &app.StoreError{Registry: name, Doing: "renew the login of " + name, Err: err}
		case login.Program != nil:
			found = append(found, login)
			continue
		case login.Kind != store.KindDevice:
			row = row.failed("not-a-device-login", "neither a device login nor one by a program, so it cannot be renewed", "log in again when it expires, or with --device, --command or --helper")
		case !renewable(login) && !hubToken(login):
			row = row.failed("not-renewable", "the issuer gave no refresh token", "log in again: "+e.Own("auth", "login", name, "--device"))
		default:
			found = append(found, login)
			continue
		}
		rows = append(rows, row)
	}
	return found, rows, nil
}

func hasRefreshToken(c store.Credential) bool { return c.Renew != nil && c.Renew.Token != "" }

func renewable(c store.Credential) bool { return c.Kind == store.KindDevice && hasRefreshToken(c) }

// hubToken says that the secret is Docker Hub's personal access token, which does not expire.
func hubToken(c store.Credential) bool {
	return c.Kind == store.KindDevice && c.Renew != nil && hubLogin(c.Address(), c.Renew.Issuer)
}

func reportRefreshed(e *app.Env, rows []refreshed) error {
	sort.Slice(rows, func(i, j int) bool { return rows[i].Registry < rows[j].Registry })
	failed := false
	for i, r := range rows {
		rows[i].Message = printable.Line(r.Message, 400)
		failed = failed || r.Status == failedStatus
	}
	if e.JSON {
		if err := app.WriteJSON(e.Out, rows); err != nil {
			return err
		}
	} else if err := writeRefreshed(e, rows); err != nil {
		return err
	}
	switch {
	case e.Ctx.Err() != nil && e.JSON:
		return errors.Join(app.ErrReported, terminal.ErrInterrupted) // the rows are the one JSON value
	case e.Ctx.Err() != nil:
		return terminal.ErrInterrupted
	case failed:
		return app.ErrReported
	}
	return nil
}

func writeRefreshed(e *app.Env, rows []refreshed) error {
	if len(rows) == 0 {
		return e.Say("There are no logins to renew.")
	}
	for _, r := range rows {
		if r.Status == failedStatus {
			e.Tell("Error: Could not renew the login of %s: %s", r.Registry, r.Message)
			e.Hint(r.Hint)
			continue
		}
		text := "Renewed the login of " + r.Registry
		if r.Status == unchangedStatus {
			text = "The login of " + r.Registry + " needs no renewal"
		}
		if r.Expires != nil {
			text += ", until " + terminal.Clock(*r.Expires)
		}
		if err := e.Say("%s.", text); err != nil {
			return err
		}
	}
	return nil
}

// graceTime is how long a request that may already have replaced a token may go on after
// Ctrl-C: the answer holds the only copy of the new one.
const graceTime = 3 * time.Second

// rivalTime is how long another run may take from the issuer's answer to the store, where
// it waits for the disk.
const (
	rivalTime  = time.Second
	rivalPause = 50 * time.Millisecond
)

// renew renews one login. An issuer may invalidate the old refresh token with its answer, so
// the new one is stored before anything else, also after Ctrl-C.
func renew(e *app.Env, s *store.Store, c store.Credential) refreshed {
	address := c.Address()
	row := refreshed{Registry: address.Name()}
	again := "log in again: " + e.Own("auth", "login", row.Registry, "--device")
	if e.Ctx.Err() != nil {
		return row.failed("interrupted", "interrupted", "")
	}
	if hubToken(c) {
		row.Status = unchangedStatus
		return row
	}
	client, err := issuerClient(e, c)
	if err != nil {
		return row.failed("input", err.Error(), e.Advice(err))
	}
	ctx, stop := grace(e)
	defer stop()
	old := c.Renew.Token
	grant, result := client.Refresh(ctx, device(c.Renew), old)
	c.Secret, c.Expires = grant.AccessToken, grant.Expires
	c.Renew = &store.Renewal{Issuer: c.Renew.Issuer, ClientID: c.Renew.ClientID, Scope: c.Renew.Scope, Token: grant.RefreshToken}
	now, replaced, err := replacedMeanwhile(e, s, address, old, result.Outcome == registry.Rejected)
	switch {
	case replaced && now.Kind == store.KindDevice && !s.Expired(now):
		// Another run renewed it or logged in meanwhile; its token is the newer one.
		return row.renewed(now)
	case result.Outcome == registry.Rejected:
		return row.failed(string(result.Outcome), "the issuer no longer renews it: "+result.Message, again)
	case result.Outcome != registry.Verified:
		return row.failed(string(result.Outcome), result.Message, e.Advice(&app.VerifyError{Result: result}))
	case replaced || errors.Is(err, store.ErrNotFound):
		revokeUnused(e, client, s, c)
		return row.failed("store", "it was removed or replaced meanwhile", again)
	}
	if err := putTwice(e, s, c); err != nil {
		message := fmt.Sprintf("the new token could not be stored: %v", err)
		if grant.RefreshToken != old {
			return row.failed("store", message+"; the issuer has invalidated the old one", "when the store can be written, "+again)
		}
		return row.failed("store", message, e.Advice(err))
	}
	return row.renewed(c)
}

// renewByProgram has the program of a login make a new secret.
func renewByProgram(e *app.Env, s *store.Store, c store.Credential) refreshed {
	row := refreshed{Registry: c.For().Name()}
	now, err := app.Logins(e, s).Renew(e.Ctx, c.For())
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%s knows no login for it: check it", printable.Name(c.Program.Words[0]))
	}
	if err != nil {
		return row.failed("program", err.Error(), e.Advice(err))
	}
	return row.renewed(now)
}

// replacedMeanwhile reads what is stored now, and reports whether it no longer is the login
// that the token old renews. A refused token may have been used up by another run a moment
// ago, so what that run got is waited for.
func replacedMeanwhile(e *app.Env, s *store.Store, address store.Address, old string, refused bool) (now store.Credential, replaced bool, err error) {
	for wait := time.Duration(0); ; wait += rivalPause {
		now, err = s.Peek(context.WithoutCancel(e.Ctx), address)
		replaced = err == nil && (now.Renew == nil || now.Renew.Token != old)
		if replaced || err != nil || !refused || wait >= rivalTime {
			return now, replaced, err
		}
		select {
		case <-time.After(rivalPause):
		case <-e.Ctx.Done():
			return now, replaced, err
		}
	}
}

// putTwice stores a renewed login, and tries once more: what it holds exists nowhere else.
func putTwice(e *app.Env, s *store.Store, c store.Credential) error {
	ctx := context.WithoutCancel(e.Ctx)
	err := s.Put(ctx, c)
	if err != nil && !errors.Is(err, durable.ErrUnsure) {
		err = s.Put(ctx, c)
	}
	return err
}

// grace is a context that ends graceTime after the command's.
func grace(e *app.Env) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(e.Ctx))
	stop := context.AfterFunc(e.Ctx, func() { time.AfterFunc(graceTime, cancel) })
	return ctx, func() { stop(); cancel() }
}

func (r refreshed) failed(reason, message, hint string) refreshed {
	r.Status, r.Reason, r.Message, r.Hint = failedStatus, reason, message, hint
	return r
}

func (r refreshed) renewed(c store.Credential) refreshed {
	r.Status, r.Expires = renewedStatus, timeOrNil(c.Expires)
	return r
}
