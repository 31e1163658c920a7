package login

import (
	"fmt"
	"time"

	"regshape/store"
	"regshape/store/printable"
)

type getCmd struct {
	registryArg
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
	Others        []getOther `json:"others"`
}

// getOther is a place behind the winner that has something for the registry, too.
type getOther struct {
	Source   string `json:"source"`
	Where    string `json:"where"`
	Username string `json:"username,omitempty"`
	Problem  string `json:"problem,omitempty"` // it cannot be read
}

// Run tells what would be used for a registry, from where, and who else has something.
func (c *getCmd) Run(e *env) error {
	address, err := c.target("get")
	if err != nil {
		return err
	}
	name := shown(store.ParseAddress(serverURL(address)))
	found, err := wanted{e, address}.resolve(true)
	if err != nil {
		return &storeError{name, "resolve " + name, err}
	}
	r := getResult{Status: "success", Registry: name, Source: found.from.kind, Where: found.from.where, Others: []getOther{}}
	if a := found.found; a != nil {
		r.Username, r.IdentityToken = a.username, a.identityToken
		if c.ShowSecret {
			r.Secret = &a.secret
		}
		if a.entry != nil && !a.entry.Expires.IsZero() {
			r.Expires = &a.entry.Expires
		}
	}
	for _, h := range found.others {
		other := getOther{Source: h.from.kind, Where: h.from.where}
		if h.err != nil {
			other.Problem = printable.Line(h.err.Error(), 300)
		} else {
			other.Username = h.found.username
		}
		r.Others = append(r.Others, other)
	}
	if e.JSON {
		if r.Secret != nil {
			return writeJSON(e.Out, r, *r.Secret)
		}
		return writeJSON(e.Out, r)
	}
	return r.write(e)
}

func (r getResult) write(e *env) error {
	if r.Source == fromNowhere {
		why, again := "No login was found", e.own("auth", "login", r.Registry)
		if c, _, ok := e.expiredEntry(store.ParseAddress(r.Registry)); ok {
			why = "Its login ended on " + clock(c.Expires)
		}
		return e.say("%s: anonymous. %s; log in with: %s", r.Registry, why, again)
	}
	kind := ""
	if r.IdentityToken {
		kind = " (identity token)"
	}
	err := e.say("%s: %s%s, from %s", r.Registry, printable.Line(r.Username, 200), kind, r.Where)
	if err == nil && r.Secret != nil {
		_, err = fmt.Fprintf(printable.Raw(e.Out), "secret: %s\n", e.asked(*r.Secret))
	}
	for _, o := range r.Others {
		if err != nil {
			return err
		}
		if o.Problem != "" {
			err = e.say("cannot be read: %s: %s", o.Where, o.Problem)
		} else {
			err = e.say("also has one: %s, for %s", o.Where, printable.Line(o.Username, 200))
		}
	}
	return err
}

// asked is a secret that somebody has asked to see: exact, but nothing in it acts on a
// terminal.
func (e *env) asked(secret string) string {
	if isTerminal(e.Out) {
		return string(printable.EscapeJSON([]byte(secret)))
	}
	return secret
}
