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

// Get shows which credential a registry would get.
type Get struct {
	app.RegistryArg
	ShowSecret bool `name:"show-secret" help:"Print the secret, too."`
}

// getResult is the JSON of get. Without a login the source is "anonymous" and there is
// no user name.
type getResult struct {
	Status        string     `json:"status"` // "success"
	Registry      string     `json:"registry"`
	Source        string     `json:"source"` // the step of the chain: "store", "credHelpers", "auths", …
	Where         string     `json:"where,omitempty"`
	Username      string     `json:"username,omitempty"`
	IdentityToken bool       `json:"identity_token"`
	Secret        *string    `json:"secret,omitempty"` // with --show-secret
	Expires       *time.Time `json:"expires,omitempty"`
	renewing
	Others []getOther `json:"others"`
}

// getOther is a place behind the winner that has something for the registry, too.
type getOther struct {
	Source   string `json:"source"`
	Where    string `json:"where"`
	Username string `json:"username,omitempty"`
	Problem  string `json:"problem,omitempty"` // it cannot be read
}

// Run shows what would be used for a registry, from where, and who else has something.
func (c *Get) Run(e *app.Env) error {
	address, err := c.Target("get")
	if err != nil {
		return err
	}
	name := address.Bare().Name()
	if err := app.TakeAccount(e, name); err != nil {
		return err
	}
	found, err := lookup.Query{E: e, Address: address}.Resolve(true)
	if err != nil {
		return &app.StoreError{Registry: name, Doing: "resolve " + name, Err: err}
	}
	r := getResult{Status: "success", Registry: name, Source: found.From.Kind, Where: found.From.Where, Others: []getOther{}}
	if a := found.Found; a != nil {
		r.Username, r.IdentityToken = a.Username, a.Kind == store.KindIdentityToken
		r.Expires, r.renewing = endsOf(a.Credential)
		if c.ShowSecret {
			r.Secret = &a.Secret
		}
	}
	for _, h := range found.Others {
		other := getOther{Source: h.From.Kind, Where: h.From.Where}
		if h.Err != nil {
			other.Problem = printable.Line(h.Err.Error(), 300)
		} else {
			other.Username = h.Found.Username
		}
		r.Others = append(r.Others, other)
	}
	if e.JSON {
		if r.Secret != nil {
			return app.WriteJSON(e.Out, r, *r.Secret)
		}
		return app.WriteJSON(e.Out, r)
	}
	return r.write(e, address.Bare())
}

// Manual is the text of --help and of the man page.
func (*Get) Manual() app.Manual {
	return app.Manual{Failed: "a source of credentials cannot be read", Examples: [][2]string{
		{"regshape auth get ghcr.io/team/app", "which credential a pull would use, and from where"},
		{"regshape auth get ghcr.io --show-secret --json", "with the secret, for scripts"},
	}}
}

func (r getResult) write(e *app.Env, address store.Address) error {
	if r.Source == lookup.FromNowhere {
		why, again := "No login was found", e.Own("auth", "login", r.Registry)
		if c, _, ok := expiredEntry(e, address); ok {
			why = "Its login expired on " + terminal.Clock(c.Expires)
		}
		return e.Say("%s: anonymous. %s; log in with: %s", r.Registry, why, again)
	}
	kind := ""
	if r.IdentityToken {
		kind = " (identity token)"
	}
	err := e.Say("%s: %s%s, from %s", r.Registry, printable.Line(r.Username, 200), kind, r.Where)
	if err == nil && r.Secret != nil {
		_, err = fmt.Fprintf(printable.Raw(e.Out), "secret: %s\n", shownSecret(e, *r.Secret))
	}
	for _, o := range r.Others {
		if err != nil {
			return err
		}
		if o.Problem != "" {
			err = e.Say("cannot be read: %s: %s", o.Where, o.Problem)
		} else {
			err = e.Say("also has one: %s, for %s", o.Where, printable.Line(o.Username, 200))
		}
	}
	return err
}

// shownSecret is a secret that the user asked to see: exact, but nothing in it acts on a
// terminal.
func shownSecret(e *app.Env, secret string) string {
	if terminal.IsTerminal(e.Out) {
		return string(printable.EscapeJSON([]byte(secret)))
	}
	return secret
}
