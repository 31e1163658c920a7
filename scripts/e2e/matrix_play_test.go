//go:build e2e

package e2e

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"

	"regshape/scripts/testregistry/canary"
)

// play plays the cell: one login, everything that the client can do with it, and nothing
// any more after the logout.
func (c *cell) play() {
	c.t.Helper()
	if c.by == byTool {
		c.client.login.run(c).ok().quiet()
	} else {
		c.regshapeLogin()
	}
	c.holds()
	for _, next := range c.client.order() {
		c.take(next)
	}
	if c.client.push.run != nil {
		c.arrived()
	}
	if c.client.logout.keeps {
		c.client.logout.run(c).quiet()
		c.holds()
		c.run("regshape", "auth", "logout", c.r.host).ok().quiet()
		c.gone()
		return
	}
	c.take(c.client.logout)
	c.gone()
	if c.by == byTool {
		return
	}
	// The other way out.
	c.regshapeLogin()
	c.run("regshape", "auth", "logout", c.r.host).ok().quiet()
	c.gone()
}

func (c *cell) take(s action) {
	c.t.Helper()
	if s.run == nil {
		return
	}
	got := s.run(c)
	refusal := s.refusal
	if c.place.identity && s.noToken != "" {
		refusal = s.noToken
	}
	if refusal != "" {
		got.refused(refusal).quiet()
		return
	}
	got.ok()
	if !s.printsSecret {
		got.quiet()
	}
}

func (c *cell) regshapeLogin() {
	c.t.Helper()
	args := []string{"auth", "login", c.r.host, "-u", c.r.user, "--password-stdin"}
	if c.place.identity {
		args = []string{"auth", "login", c.r.host, "--identity-token", "--password-stdin"}
	}
	if ca := c.caFile(); ca != "" {
		args = append(args, "--ca-file", ca)
	}
	c.runIn(c.secret+"\n", "regshape", args...).ok("Login Succeeded").quiet()
}

// holds fails the test unless the login is the store's only one, and no password where an
// identity token is due.
func (c *cell) holds() {
	c.t.Helper()
	user := c.r.user
	if c.place.identity {
		user = "<token>"
	}
	if got, want := c.stored(), map[string]string{c.address(): user}; !maps.Equal(got, want) {
		c.t.Fatalf("stored: %v, want %v", got, want)
	}
	if _, secret := c.secretOf(c.address()); (secret == c.r.password) == c.place.identity {
		c.t.Fatal("stored another secret than the login's")
	}
}

// gone fails the test unless the store is empty and the registry refuses the client.
func (c *cell) gone() {
	c.t.Helper()
	if got := c.stored(); len(got) != 0 {
		c.t.Fatalf("stored after logout: %v", got)
	}
	c.notFound(c.address())
	ask := c.client.inspect
	if ask.run == nil || ask.refusal != "" {
		ask = c.client.pull
	}
	c.wantsLogin(ask.run(c).refused().quiet())
}

// wantsLogin fails the test unless a client was refused for want of credentials, and not
// because it cannot reach the registry.
func (c *cell) wantsLogin(got result) {
	c.t.Helper()
	said := strings.ToLower(got.stdout + got.stderr)
	texts := []string{"unauthorized", "authentication required", "no basic auth credentials", "basic credential not found", "401"}
	if c.r.program == "gitea" {
		texts = append(texts, "no such manifest") // docker's words for the 401 to the token that everybody gets there
	}
	for _, text := range texts {
		if strings.Contains(said, text) {
			return
		}
	}
	c.t.Fatalf("refused, but not for want of credentials:\n%s", got)
}

func (c *cell) nothingStored() {
	c.t.Helper()
	if got := c.stored(); len(got) != 0 {
		c.t.Fatalf("it has stored %v after all", got)
	}
}

// arrived asks the registry for what the client has pushed.
func (c *cell) arrived() {
	c.t.Helper()
	tags, err := c.r.client().Tags(context.Background(), c.repository())
	if err != nil || !slices.Contains(tags, c.tag()) {
		c.t.Fatalf("pushed without an error, but not there: %q, %v", tags, err)
	}
}

// order is that of the actions between login and logout: what is pushed from a pulled image
// comes after it, and what has to be pushed first comes before.
func (c *client) order() []action {
	if c.pushFirst {
		return []action{c.list, c.push, c.inspect, c.pull}
	}
	return []action{c.list, c.inspect, c.pull, c.push}
}

// refusal is what a client does not do by its design.
type refusal struct {
	reason string
	show   func(c *cell) // fails the test unless the client refuses
}

// refusalOf is why a cell cannot work, or nil.
func refusalOf(client *client, place *place, by string) *refusal {
	switch {
	case by != byTool:
		return nil
	case client.name == "regctl":
		return &regctlKeepsLogins
	case client.name == "docker" && place.r != nil && place.r.caPEM == nil:
		return &engineForHTTP
	case place.identity && client.login.noToken != "":
		return &tokenIsNoPassword
	}
	return nil
}

var tokenIsNoPassword = refusal{
	reason: "its login takes passwords only, and presents an identity token as one; after a login by regshape the client uses the token",
	show: func(c *cell) {
		c.t.Helper()
		c.client.login.run(c).refused(c.client.login.noToken).quiet()
		c.nothingStored()
	},
}

var engineForHTTP = refusal{
	reason: "without an engine its login speaks https only, to localhost, too; after a login by regshape the client uses that",
	show: func(c *cell) {
		c.t.Helper()
		c.client.login.run(c).refused("server gave HTTP response to HTTPS client").quiet()
		c.nothingStored()
	},
}

var regctlKeepsLogins = refusal{
	reason: "regctl's login keeps the secret in regctl's own file, in clear, and hands it to no helper",
	show: func(c *cell) {
		c.t.Helper()
		c.run("regctl", "registry", "login", c.r.host, "--cred-helper", "docker-credential-regshape").refused("unknown flag: --cred-helper")
		c.client.login.run(c).ok().quiet()
		c.nothingStored()
		own := c.file(".regctl", "config.json")
		content, err := os.ReadFile(own)
		c.must(err)
		if canary.Find(content, c.secret) == "" {
			c.t.Fatal("the secret is not in regctl's own file")
		}
		c.must(os.Remove(own))
	},
}
