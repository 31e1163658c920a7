package login

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"regshape/store"
	"regshape/store/printable"
)

type refreshCmd struct {
	Registries []string `arg:"" optional:"" name:"registry" help:"Registries; without any, every device login."`
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

// Run renews the access tokens of device logins: those named, else all. The exit code is 1
// if one that could or should be renewed was not.
func (c *refreshCmd) Run(e *env) error {
	if e.Timeout <= 0 {
		return &usageError{"--timeout takes a time, more than zero", "for example --timeout 10s"}
	}
	s, err := e.openStore()
	if err != nil {
		return &storeError{"", "renew logins", err}
	}
	logins, rows, err := c.logins(e, s)
	if err != nil {
		return err
	}
	scenario := e.logs.scenario("refresh")
	defer scenario.end()
	done := make([]refreshed, len(logins))
	inParallel(len(logins), func(i int) { done[i] = e.renew(s, logins[i]) })
	scenario.step("renew")
	return e.tellRefreshed(append(rows, done...))
}

// logins finds what to renew. What was asked for by name and is no device login is a row
// of its own.
func (c *refreshCmd) logins(e *env, s *store.Store) ([]store.Credential, []refreshed, error) {
	names := append(slices.Clone(c.Registries), c.Flags...)
	if len(names) == 0 {
		all, damaged, err := s.List(e.ctx)
		if err != nil {
			return nil, nil, &storeError{"", "renew logins", err}
		}
		for _, d := range damaged {
			e.warn("%v: %s.", d, e.advice(d))
		}
		return slices.DeleteFunc(all, func(c store.Credential) bool { return !renewable(c) }), nil, nil
	}
	var found []store.Credential
	var rows []refreshed
	seen := map[string]bool{}
	for _, spelling := range names {
		address, err := registryArg{Argument: spelling}.target("refresh")
		if err != nil {
			return nil, nil, err
		}
		address = store.ParseAddress(serverURL(address))
		if seen[address.String()] {
			continue
		}
		seen[address.String()] = true
		login, err := s.Peek(e.ctx, address)
		name := shown(address)
		row := refreshed{Registry: name, Status: failedStatus, Reason: "not-a-device-login"}
		switch {
		case errors.Is(err, store.ErrNotFound):
			row.Message, row.Hint = "there is no login", "log in: "+e.own("auth", "login", name, "--device")
		case err != nil:
			return nil, nil, &storeError{name, "renew the login of " + name, err}
		case login.Kind != store.KindDevice:
			row.Message = "it is no device login, and nothing of it can be renewed"
		case !renewable(login) && !hubToken(login):
			row.Reason, row.Message = "not-renewable", "the issuer gave no refresh token"
			row.Hint = "log in again: " + e.own("auth", "login", name, "--device")
		default:
			found = append(found, login)
			continue
		}
		rows = append(rows, row)
	}
	return found, rows, nil
}

func renewable(c store.Credential) bool {
	return c.Kind == store.KindDevice && c.Renew != nil && c.Renew.Token != ""
}

// hubToken says that the secret is Docker Hub's personal access token, which does not end.
func hubToken(c store.Credential) bool {
	return c.Kind == store.KindDevice && c.Renew != nil && hubLogin(store.ParseAddress(c.ServerURL), c.Renew.Issuer)
}

func (e *env) tellRefreshed(rows []refreshed) error {
	slices.SortFunc(rows, func(a, b refreshed) int {
		if a.Registry < b.Registry {
			return -1
		}
		return 1
	})
	failed := false
	for i, r := range rows {
		rows[i].Message = printable.Line(r.Message, 400)
		failed = failed || r.Status == failedStatus
	}
	if e.JSON {
		if rows == nil {
			rows = []refreshed{}
		}
		if err := writeJSON(e.Out, rows); err != nil {
			return err
		}
	} else if err := e.writeRefreshed(rows); err != nil {
		return err
	}
	switch {
	case e.ctx.Err() != nil && e.JSON:
		return errors.Join(errTold, errInterrupted) // the rows are the one JSON value
	case e.ctx.Err() != nil:
		return errInterrupted
	case failed:
		return errTold
	}
	return nil
}

func (e *env) writeRefreshed(rows []refreshed) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(e.Out, "There are no device logins to renew.")
		return err
	}
	for _, r := range rows {
		if r.Status == failedStatus {
			e.tell("Error: Could not renew the login of %s: %s", r.Registry, r.Message)
			e.hint(r.Hint)
			continue
		}
		text := "Renewed the login of " + r.Registry
		if r.Status == unchangedStatus {
			text = "The login of " + r.Registry + " needs no renewal"
		}
		if r.Expires != nil {
			text += ", until " + clock(*r.Expires)
		}
		if _, err := fmt.Fprintln(e.Out, text+"."); err != nil {
			return err
		}
	}
	return nil
}
