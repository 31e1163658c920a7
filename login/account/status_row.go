package account

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"regshape/login/app"
	"regshape/login/lookup"
	"regshape/login/registry"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/printable"
)

// Checked is one login in the JSON of status. Times are RFC 3339 in UTC.
type Checked struct {
	Registry  string     `json:"registry,omitempty"` // absent for a damaged entry, whose address nobody can read
	Username  string     `json:"username,omitempty"`
	Where     string     `json:"where,omitempty"`
	Status    string     `json:"status"` // an outcome of verification, or one of the status constants
	Reason    string     `json:"reason"` // the same; "store" where the login could not be read
	Message   string     `json:"message"`
	Hint      string     `json:"hint,omitempty"`
	Detail    string     `json:"detail,omitempty"` // what the registry itself said
	Secure    *bool      `json:"secure,omitempty"` // TLS with verification
	Transport string     `json:"transport,omitempty"`
	Verified  *time.Time `json:"verified,omitempty"` // when it was last accepted, now included
	Expires   *time.Time `json:"expires,omitempty"`
	Elapsed   int64      `json:"elapsed_ms"`
	renewing

	own bool // from a store of regshape's, which remembers when it was verified
}

// What a status says beside the outcomes of a verification: nobody was asked.
const (
	statusExpired    = "expired"       // the login's own time ran out
	statusExpiring   = "expiring"      // it runs out within --within
	statusSkipped    = "skipped"       // not a registry's login
	statusAbsent     = "not-logged-in" // nothing is stored for a registry that was named
	statusDamaged    = "damaged"       // the entry cannot be opened
	statusLocked     = "locked"        // the store has to be unlocked first
	statusUnreadable = "unreadable"    // a place of the chain cannot be read
)

// Good reports whether the login does what it should.
func (r *Checked) Good() bool {
	switch r.Status {
	case string(registry.Verified), string(registry.Unverified), statusSkipped:
		return true
	}
	return false
}

func newRow(address store.Address, where string, login *lookup.Answer) Checked {
	r := Checked{Registry: address.Name(), Where: where}
	r.describe(login)
	return r
}

// describe takes over what is known of a login.
func (r *Checked) describe(login *lookup.Answer) {
	r.Username, r.own = login.Username, login.Own
	r.setTransport(login.Transport)
	r.Verified = timeOrNil(login.VerifiedAt)
	r.Expires, r.renewing = endsOf(login.Credential)
}

// within fails a good row whose login ends within d.
func (r Checked) within(e *app.Env, d time.Duration) Checked {
	if !r.Good() || r.Renews || r.Expires == nil || r.Expires.After(e.Now().Add(d)) {
		return r
	}
	return r.set(statusExpiring, "the login expires on "+terminal.Clock(*r.Expires), "log in again: "+e.Own("auth", "login", r.Registry))
}

// timeOrNil is a time for JSON, which leaves it out where there is none.
func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (r *Checked) setTransport(t store.Transport) {
	r.Transport, r.Secure = string(t), secure(t)
}

// secure reports TLS with verification; nil where nothing is known.
func secure(t store.Transport) *bool {
	if t == "" {
		return nil
	}
	yes := t == store.TransportHTTPS
	return &yes
}

// set returns the row of a check that ended so.
func (r Checked) set(status, message, hint string) Checked {
	r.Status, r.Reason, r.Message, r.Hint = status, status, message, hint
	return r
}

func (r Checked) expired(e *app.Env, c store.Credential) Checked {
	return r.set(statusExpired, "the login expired on "+terminal.Clock(c.Expires), r.logInAgain(e, c))
}

func (r Checked) skipped() Checked {
	return r.set(statusSkipped, "not the login of a registry, so it cannot be verified", "")
}

// unreadable says why a login could not even be looked at. Its reason is that of other
// commands for trouble with the store.
func (r Checked) unreadable(e *app.Env, err error) Checked {
	status := statusUnreadable
	if entry, ok := errors.AsType[*store.EntryError](err); ok {
		status, r.Where = statusDamaged, entry.File
	} else if errors.Is(err, store.ErrLocked) {
		status = statusLocked
	}
	report, _ := app.Describe(e, err)
	r = r.set(status, printable.Line(report.Message, 400), report.Hint)
	r.Reason = "store"
	r.Hint = cmp.Or(r.Hint, "find out more with: "+e.Own("auth", "doctor"))
	return r
}

// result returns the row with what the registry said.
func (r Checked) result(e *app.Env, address store.Address, login *lookup.Answer, result registry.Result) Checked {
	r = r.set(string(result.Outcome), result.Message, app.RegistryHint(result))
	if !strings.Contains(result.Message, result.Detail) {
		r.Detail = result.Detail
	}
	if result.Transport != "" {
		r.setTransport(store.Transport(result.Transport))
	}
	switch result.Outcome {
	case registry.Verified:
		r.Verified = app.Stamp(e.Now())
	case registry.Unverified:
		r.Hint = ""
	case registry.Rejected:
		r.Hint = r.logInAgain(e, login.Credential)
		if odd := oddText(login.Credential); odd != "" {
			r.Hint = odd + "; " + r.Hint
		}
		switch login.Kind {
		case store.KindIdentityToken:
			r.Message += ": the identity token has expired or was revoked"
		case store.KindDevice:
			r.Message += ": the token has expired or was revoked"
		default:
			r.Message += ": the user name or password is wrong, or is no longer valid"
		}
	case registry.Forbidden:
		r.Hint = "the login may be right; if it is for one repository: " + e.Own("auth", "status", address.Registry().Host(), "--scope", "NAME/OF/REPOSITORY")
	case registry.Unreachable:
		r.Hint = cmp.Or(r.Hint, "the login itself may be good: check the network and the registry's name, then try again")
	case registry.TLS:
		switch result.Advice {
		case registry.TrustCA, registry.TrustOtherCA, registry.InsecureElsewhere, registry.FixName, registry.FixCertificate, registry.AllowHTTP, registry.MaybeHTTP:
			r.Hint += fmt.Sprintf("; '%s' with that flag keeps it", e.Own("auth", "login", r.Registry))
		}
		if result.Advice == registry.TrustCA {
			r.Hint += " (--insecure goes on without verification)"
		}
		r.Hint = cmp.Or(r.Hint, "see the requests with: "+e.Own("auth", "status", r.Registry, "--debug-calls"))
	case registry.Throttled:
		r.Hint = cmp.Or(r.Hint, "wait a while, then try again")
	case registry.NotARegistry:
		r.Hint = cmp.Or(r.Hint, "if it has moved: "+e.Own("auth", "logout", r.Registry))
	case registry.Protocol:
		r.Hint = cmp.Or(r.Hint, "see the requests with: "+e.Own("auth", "status", r.Registry, "--debug-calls"))
	}
	return r
}

// logInAgain is how to get a login that works: a device login can often be renewed.
func (r *Checked) logInAgain(e *app.Env, c store.Credential) string {
	again := "log in again: " + e.Own("auth", "login", r.Registry)
	switch {
	case c.Kind == store.KindPassword, !r.own:
		return again
	case c.Kind == store.KindIdentityToken && c.Renew != nil:
		return again + " --identity-token --device"
	case c.Kind == store.KindIdentityToken:
		return again + " --identity-token"
	case !renewable(c), c.Address().Registry().Hub():
		// What docker's device login at its Hub ends in is a token that nothing renews.
		return again + " --device"
	}
	return "renew it: " + e.Own("auth", "refresh", r.Registry)
}

// reportStatus writes the table or the JSON to standard output, and what is wrong with
// hints to standard error.
func reportStatus(e *app.Env, rows []Checked) error {
	err := writeStatus(e, rows)
	bad := false
	for _, r := range rows {
		if r.Good() {
			continue
		}
		bad = true
		if e.JSON {
			continue
		}
		e.Tell("Error: %s: %s", r.name(), r.Message)
		if r.Detail != "" {
			e.Tell("The registry says: %s", r.Detail)
		}
		e.Hint(r.Hint)
	}
	if err == nil && bad {
		err = app.ErrReported
	}
	return err
}

func writeStatus(e *app.Env, rows []Checked) error {
	if e.JSON {
		return app.WriteJSON(e.Out, rows)
	}
	if len(rows) == 0 {
		return writeRows(e, nil)
	}
	now := e.Now()
	t := terminal.Table{Head: []string{"REGISTRY", "USER", "STATUS", "SECURE?", "VERIFIED", "EXPIRES"}}
	for _, r := range rows {
		user := cmp.Or(printable.Line(r.Username, 60), "-")
		t.Row(r.name(), user, r.Status, secureText(r.Transport), r.verifiedText(now), expiresText(r.Expires, r.renewing, r.Status == statusExpired, r.own, now))
	}
	return t.Write(e.Out, terminal.Columns(e.Out))
}

func (r *Checked) name() string { return cmp.Or(r.Registry, "unknown") }

func (r *Checked) verifiedText(now time.Time) string {
	switch {
	case r.Status == string(registry.Verified):
		return "now"
	case r.Verified != nil:
		return span(now.Sub(*r.Verified)) + " ago"
	case r.own:
		return "never"
	}
	return "unknown"
}
