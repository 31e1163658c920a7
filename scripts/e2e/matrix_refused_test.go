//go:build e2e

package e2e

import (
	"os"

	"regshape/scripts/testregistry/canary"
)

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
		if got := c.stored(); len(got) != 0 {
			c.t.Fatalf("it has stored %v after all", got)
		}
	},
}

var regctlKeepsLogins = refusal{
	reason: "regctl's login keeps the secret in regctl's own file, in clear, and hands it to no helper",
	show: func(c *cell) {
		c.t.Helper()
		c.run("regctl", "registry", "login", c.r.host, "--cred-helper", "docker-credential-regshape").refused("unknown flag: --cred-helper")
		c.client.login.run(c).ok().quiet()
		if got := c.stored(); len(got) != 0 {
			c.t.Fatalf("it has stored %v after all", got)
		}
		own := c.file(".regctl", "config.json")
		content, err := os.ReadFile(own)
		c.must(err)
		if canary.Find(content, c.secret) == "" {
			c.t.Fatal("the secret is not in regctl's own file")
		}
		c.must(os.Remove(own))
	},
}
