package account

import (
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

// What a status says beside the outcomes of a verification: nobody was asked.
const (
	statusExpired    = "expired"       // the login's own time ran out
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

// put says how a check ended.
func (r *Checked) put(status, message, hint string) {
	r.Status, r.Reason, r.Message, r.Hint = status, status, message, hint
}

// again is how to get a login that works: a device login can often be renewed.
func (r *Checked) again(e *app.Env, c *store.Credential) string {
	again := "log in again: " + e.Own("auth", "login", r.Registry)
	switch {
	case c == nil, c.Kind == store.KindPassword:
		return again
	case c.Kind == store.KindIdentityToken && c.Renew != nil:
		return again + " --identity-token --device"
	case c.Kind == store.KindIdentityToken:
		return again + " --identity-token"
	case c.Renew == nil, c.Renew.Token == "", store.ParseAddress(c.ServerURL).Registry().Hub():
		// What docker's device login at its Hub ends in is a token that nothing renews.
		return again + " --device"
	}
	return "renew it: " + e.Own("auth", "refresh", r.Registry)
}

func (r *Checked) expired(e *app.Env, c store.Credential) {
	r.put(statusExpired, "the login ended on "+terminal.Clock(c.Expires), r.again(e, &c))
}

func (r *Checked) skipped() {
	r.put(statusSkipped, "this is no registry's login, so there is nobody to ask", "")
}

func (r *Checked) absent(e *app.Env) {
	r.put(statusAbsent, "no login is stored", "log in: "+e.Own("auth", "login", r.Registry))
}

// unreadable says why a login could not even be looked at. Its reason is that of other
// commands for trouble with the store.
func (r *Checked) unreadable(e *app.Env, err error) {
	var entry *store.EntryError
	status := statusUnreadable
	switch {
	case errors.As(err, &entry):
		status, r.Where = statusDamaged, entry.File
	case errors.Is(err, store.ErrLocked):
		status = statusLocked
	}
	told, _ := app.Describe(e, err)
	r.put(status, printable.Line(told.Message, 400), told.Hint)
	r.Reason = "store"
	if r.Hint == "" {
		r.Hint = "find out more with: " + e.Own("auth", "doctor")
	}
}

// judge puts what the registry said into the row.
func (r *Checked) judge(e *app.Env, s subject, result registry.Result) {
	r.put(string(result.Outcome), result.Message, app.RegistryHint(result))
	if !strings.Contains(result.Message, result.Detail) {
		r.Detail = result.Detail
	}
	if result.Transport != "" {
		r.setTransport(store.Transport(result.Transport))
	}
	switch result.Outcome {
	case registry.Verified:
		now := e.Now().UTC().Truncate(time.Second)
		r.Verified = &now
	case registry.Unverified:
		r.Hint = ""
	case registry.Rejected:
		r.rejected(e, s.login)
	case registry.Forbidden:
		r.Hint = "the login may be right; if it is for one repository: " + e.Own("auth", "status", s.address.Registry().Host(), "--scope", "NAME/OF/REPOSITORY")
	case registry.Unreachable:
		r.otherwise("the login itself may be good: look at the network and the registry's name, then ask again")
	case registry.TLS:
		switch result.Advice {
		case registry.TrustCA, registry.TrustOtherCA, registry.InsecureElsewhere, registry.FixName, registry.FixCertificate, registry.AllowHTTP, registry.MaybeHTTP:
			r.Hint += fmt.Sprintf("; '%s' keeps it", e.Own("auth", "login", r.Registry))
		}
		if result.Advice == registry.TrustCA {
			r.Hint += " (--insecure goes on without verification)"
		}
		r.otherwise("look closer: " + e.Own("auth", "status", r.Registry, "--debug-calls"))
	case registry.Throttled:
		r.otherwise("wait a while, then ask again")
	case registry.NotARegistry:
		r.otherwise("if it has moved: " + e.Own("auth", "logout", r.Registry))
	case registry.Protocol:
		r.otherwise("look closer: " + e.Own("auth", "status", r.Registry, "--debug-calls"))
	}
}

// rejected says what a refusal means for what is stored, which was good once.
func (r *Checked) rejected(e *app.Env, login *lookup.Answer) {
	r.Hint = r.again(e, login.Entry)
	switch {
	case login.IdentityToken:
		r.Message += ": the identity token has ended or was revoked"
	case login.Entry != nil && login.Entry.Kind == store.KindDevice:
		r.Message += ": the token has ended or was revoked"
	default:
		r.Message += ": the user name or password is wrong, or is no longer valid"
	}
}

// otherwise gives a hint where the verification had none.
func (r *Checked) otherwise(hint string) {
	if r.Hint == "" {
		r.Hint = hint
	}
}
