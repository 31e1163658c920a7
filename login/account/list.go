package account

import (
	"fmt"
	"time"

	"regshape/login/app"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/printable"
)

// List shows the stored logins.
type List struct{}

// listed is one login in the JSON of list. Times are RFC 3339 in UTC.
type listed struct {
	Registry  string     `json:"registry"`
	Username  string     `json:"username"`
	Kind      string     `json:"kind"`             // "password", "identity-token" or "device"
	Where     string     `json:"where"`            // the directory of the store, or the file
	Secure    *bool      `json:"secure,omitempty"` // TLS with verification
	Transport string     `json:"transport,omitempty"`
	Created   time.Time  `json:"created,omitzero"` // absent for logins in a file
	Updated   time.Time  `json:"updated,omitzero"`
	Verified  *time.Time `json:"verified,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`
	Expired   bool       `json:"expired"`
	renewing
}

// Run lists all logins. Damaged entries are named and make the exit code 1; they do not
// hide the others.
func (c *List) Run(e *app.Env) error {
	profile, file, own := lookup.StoreOrFile(e)
	if !own {
		return listFile(e, file)
	}
	s, found, damaged, err := listStore(e, profile, "list the logins")
	if err != nil {
		return err
	}
	rows := make([]listed, 0, len(found))
	for _, c := range found {
		row := listed{
			Registry: c.Address().Name(), Username: c.Username, Kind: string(c.Kind), Where: s.Location().Data,
			Secure: secure(c.Transport), Transport: string(c.Transport), Created: c.Created, Updated: c.Updated,
			Verified: timeOrNil(c.VerifiedAt), Expired: c.Expired(e.Now()),
		}
		row.Expires, row.renewing = endsOf(c)
		rows = append(rows, row)
	}
	if err := writeRows(e, rows); err != nil {
		return err
	}
	for _, d := range damaged {
		e.Warn("%v: %s.", d, e.Advice(d))
	}
	if len(damaged) > 0 {
		return app.ErrReported
	}
	return nil
}

// Manual is the text of --help and of the man page.
func (*List) Manual() app.Manual {
	return app.Manual{Failed: "the store is locked, or an entry is damaged", Examples: [][2]string{
		{"regshape auth list", "as a table"},
		{"regshape auth list --json", "for scripts"},
	}}
}

// listStore lists the store of a profile.
func listStore(e *app.Env, profile, doing string) (s *store.Store, found []store.Credential, damaged []*store.EntryError, err error) {
	if s, err = app.OpenProfile(e, profile); err == nil {
		found, damaged, err = app.Logins(e, s).List(e.Ctx)
	}
	if err != nil {
		err = &app.StoreError{Registry: "", Doing: doing, Err: err}
	}
	return s, found, damaged, err
}

// listFile lists the logins of the file that is used in place of all others.
func listFile(e *app.Env, p lookup.Place) error {
	d, err := lookup.Read(p.Path, p.Format)
	if err != nil {
		return err
	}
	rows, broken := []listed{}, 0
	for _, entry := range lookup.Entries(d) {
		switch {
		case entry.Err != nil:
			e.Warn("%s: the entry of %s: %s.", p.Path, printable.Address(entry.Key), e.Problem(entry.Err))
			broken++
		case !entry.Marker:
			c := lookup.FromEntry(entry)
			rows = append(rows, listed{Registry: c.For.Name(), Username: c.Username, Kind: string(c.Kind), Where: p.Path})
		}
	}
	if err := writeRows(e, rows); err != nil || broken == 0 {
		return err
	}
	return app.ErrReported
}

func writeRows(e *app.Env, rows []listed) error {
	if e.JSON {
		return app.WriteJSON(e.Out, rows)
	}
	if len(rows) == 0 {
		return e.Say("No logins are stored. Log in with: %s", e.Own("auth", "login", "REGISTRY"))
	}
	now := e.Now()
	t := terminal.Table{Head: []string{"REGISTRY", "USER", "WHERE", "SECURE?", "AGE", "EXPIRES"}}
	for _, r := range rows {
		age, known := "unknown", !r.Updated.IsZero() // a file of another tool says neither age nor end
		if known {
			age = span(now.Sub(r.Updated))
		}
		t.Row(r.Registry, printable.Line(r.Username, 60), r.Where, secureText(r.Transport), age, expiresText(r.Expires, r.renewing, r.Expired, known, now))
	}
	return t.Write(e.Out, terminal.Columns(e.Out))
}

// secureText is about the way to the registry, not about the store.
func secureText(transport string) string {
	switch store.Transport(transport) {
	case store.TransportHTTPS:
		return "yes"
	case store.TransportInsecure:
		return "no, unverified TLS"
	case store.TransportHTTP:
		return "no, plain http"
	}
	return "unknown"
}

// expiresText is when a login expires. Only logins of other tools may do so at a time that
// is not known.
func expiresText(at *time.Time, r renewing, expired, known bool, now time.Time) string {
	switch {
	case r.Program != "":
		return "renewed"
	case expired:
		return "expired"
	case at != nil:
		return "in " + span(at.Sub(now))
	case known:
		return "never"
	}
	return "unknown"
}

// span rounds a duration to its largest unit: "45s", "12m", "3h", "20d".
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d/time.Minute))
	case d < 2*day:
		return fmt.Sprintf("%dh", int(d/time.Hour))
	}
	return fmt.Sprintf("%dd", int(d/day))
}
