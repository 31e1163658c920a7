package login

import (
	"time"

	"regshape/login/registry"
	"regshape/store"
	"regshape/store/printable"
)

// checked is one login in the JSON of status. Times are RFC 3339 in UTC.
type checked struct {
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

	own bool // from a store of regshape's, which remembers when it was verified
}

// fill takes over what is known of a login.
func (r *checked) fill(a *answer) {
	r.Username = a.username
	if a.entry == nil {
		return
	}
	r.own = true
	r.setTransport(a.entry.Transport)
	if !a.entry.VerifiedAt.IsZero() {
		r.Verified = &a.entry.VerifiedAt
	}
	if !a.entry.Expires.IsZero() {
		r.Expires = &a.entry.Expires
	}
}

func (r *checked) setTransport(t store.Transport) {
	r.Transport, r.Secure = string(t), nil
	if t != "" {
		secure := t == store.TransportHTTPS
		r.Secure = &secure
	}
}

// tellStatus writes the table or the JSON to standard output, and what is wrong with its
// remedy to standard error.
func (e *env) tellStatus(rows []checked) error {
	err := e.writeStatus(rows)
	bad := false
	for _, r := range rows {
		if r.good() {
			continue
		}
		bad = true
		if e.JSON {
			continue
		}
		e.tell("Error: %s: %s", r.name(), r.Message)
		if r.Detail != "" {
			e.tell("The registry says: %s", r.Detail)
		}
		e.hint(r.Hint)
	}
	if err == nil && bad {
		err = errTold
	}
	return err
}

func (e *env) writeStatus(rows []checked) error {
	if e.JSON {
		return writeJSON(e.Out, rows)
	}
	if len(rows) == 0 {
		return e.writeTable(nil)
	}
	now := e.now()
	t := table{head: []string{"REGISTRY", "USER", "STATUS", "SECURE?", "VERIFIED", "EXPIRES"}}
	for _, r := range rows {
		user := printable.Line(r.Username, 60)
		if user == "" {
			user = "-"
		}
		t.row(r.name(), user, r.Status, secure(listed{Transport: r.Transport}), r.verified(now), r.expires(now))
	}
	return t.write(e.Out, columns(e.Out))
}

func (r *checked) name() string {
	if r.Registry == "" {
		return "unknown"
	}
	return r.Registry
}

func (r *checked) verified(now time.Time) string {
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

func (r *checked) expires(now time.Time) string {
	switch {
	case r.Status == statusExpired:
		return "expired"
	case r.Expires != nil:
		return "in " + span(r.Expires.Sub(now))
	case r.own:
		return "never"
	}
	return "unknown"
}
