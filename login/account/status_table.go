package account

import (
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

	own bool // from a store of regshape's, which remembers when it was verified
}

// fill takes over what is known of a login.
func (r *Checked) fill(a *lookup.Answer) {
	r.Username = a.Username
	if a.Entry == nil {
		return
	}
	r.own = true
	r.setTransport(a.Entry.Transport)
	if !a.Entry.VerifiedAt.IsZero() {
		r.Verified = &a.Entry.VerifiedAt
	}
	if !a.Entry.Expires.IsZero() {
		r.Expires = &a.Entry.Expires
	}
}

func (r *Checked) setTransport(t store.Transport) {
	r.Transport, r.Secure = string(t), nil
	if t != "" {
		secure := t == store.TransportHTTPS
		r.Secure = &secure
	}
}

// tellStatus writes the table or the JSON to standard output, and what is wrong with its
// remedy to standard error.
func tellStatus(e *app.Env, rows []Checked) error {
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
		return writeTable(e, nil)
	}
	now := e.Now()
	t := terminal.Table{Head: []string{"REGISTRY", "USER", "STATUS", "SECURE?", "VERIFIED", "EXPIRES"}}
	for _, r := range rows {
		user := printable.Line(r.Username, 60)
		if user == "" {
			user = "-"
		}
		t.Row(r.name(), user, r.Status, secure(listed{Transport: r.Transport}), r.verified(now), r.expires(now))
	}
	return t.Write(e.Out, terminal.Columns(e.Out))
}

func (r *Checked) name() string {
	if r.Registry == "" {
		return "unknown"
	}
	return r.Registry
}

func (r *Checked) verified(now time.Time) string {
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

func (r *Checked) expires(now time.Time) string {
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
