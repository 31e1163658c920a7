//go:build e2e

package e2e

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/page"
)

// attempt is a way to log in, and what comes of it at each kind of registry: verified,
// rejected, or the message of what is neither. Where it says nothing, it is not tried.
type attempt struct {
	name                string // of the table's row
	user                string // "" gives none
	secret              string // its key in site.secrets
	namespace           string
	flags               []string
	basic, token, gitea string
	says                string // in place of what the registry says elsewhere
}

const (
	verified = "verified"
	rejected = "rejected"
)

// attempts has a password, and what else Gitea takes in its place.
var attempts = []attempt{
	{name: "password", user: "alice", basic: verified, token: verified, gitea: verified},
	{name: "password, for a namespace", user: "alice", namespace: "/team", basic: verified, token: verified, gitea: verified},
	{name: "wrong password", user: "alice", secret: "wrong", basic: rejected, token: rejected, gitea: rejected},
	{name: "wrong password, for a namespace", user: "alice", secret: "wrong", namespace: "/team", basic: rejected, token: rejected, gitea: rejected},
	{name: "unknown user", user: "mallory", basic: rejected, token: rejected, gitea: rejected},
	{
		name: "password, for an identity token", user: "alice", flags: []string{"--identity-token"}, token: verified,
		basic: "the registry has no token server for identity tokens", gitea: "the token server issues no identity tokens",
	},
	{
		name: "access token as an identity token", secret: "write", flags: []string{"--identity-token"}, token: rejected,
		basic: "the registry does not accept identity tokens: it uses Basic authentication",
		gitea: "the token server " + giteaHost + " does not accept identity tokens",
	},
	{name: "access token that may write", user: "alice", secret: "write", gitea: verified},
	{name: "access token that may read", user: "alice", secret: "read", gitea: verified},
	{name: "access token for other things", user: "alice", secret: "other", gitea: rejected, says: "UNAUTHORIZED"},
	{name: "wrong access token", user: "alice", secret: "wrong token", gitea: rejected},
	{name: "access token under another name", user: "mallory", secret: "read", gitea: verified},
	{name: "user who must change the password", user: "fresh", gitea: verified},
}

// site is a registry where they are tried.
type site struct {
	*registry
	expect  func(attempt) string
	says    string            // the registry itself, of a credential that it rejects
	secrets map[string]string // "" is the password
}

// What a login ends with, and says, at registries that nobody here wrote. A login that is
// verified serves a client, and any other is not stored.
func TestLoginOutcomes(t *testing.T) {
	if !inside() && os.Geteuid() == 0 {
		if err := reexec(t, subtests("TestLoginOutcomes")); err != nil {
			t.Fatal(err)
		}
		return
	}
	basic, token := func(a attempt) string { return a.basic }, func(a attempt) string { return a.token }
	for _, r := range []*registry{registries[0], registries[3]} {
		t.Run(r.name, func(t *testing.T) { (&site{registry: r, expect: basic, says: "authentication required"}).try(t) })
	}
	for _, r := range []*registry{registries[2], registries[4]} {
		t.Run(r.name, func(t *testing.T) { (&site{registry: r, expect: token, says: "incorrect username or password"}).try(t) })
	}
	t.Run("gitea", func(t *testing.T) {
		g := newGitea(t)
		s := &site{
			registry: g.registry, expect: func(a attempt) string { return a.gitea },
			says: "Failed to authenticate user", secrets: map[string]string{},
		}
		for name, scope := range map[string]string{"write": "write:package", "read": "read:package", "other": "write:repository"} {
			s.secrets[name] = g.addToken(scope)
		}
		g.addUser("fresh", g.password, map[string]any{"must_change_password": true})
		fresh := g.client()
		fresh.User = "fresh"
		g.push(fresh, "fresh/app")
		s.try(t)
	})
	if !t.Failed() {
		publishAttempts(t)
	}
}

// try makes all attempts at the site.
func (s *site) try(t *testing.T) {
	h := newHome(t)
	h.allowHTTP(s.host)
	if s.secrets == nil {
		s.secrets = map[string]string{"write": rand.Text()}
	}
	s.secrets[""], s.secrets["wrong"], s.secrets["wrong token"] = s.password, rand.Text(), fmt.Sprintf("%x", rand.Text()[:20])
	for _, secret := range s.secrets {
		h.secrets = append(h.secrets, secret)
	}
	for _, a := range attempts {
		want := s.expect(a)
		if want == "" {
			continue
		}
		name := s.host + a.namespace
		login := func(more ...string) result {
			args := append([]string{"auth", "login", name, "--password-stdin"}, append(a.flags, more...)...)
			if a.user != "" {
				args = append(args, "-u", a.user)
			}
			return h.runIn(s.secrets[a.secret]+"\n", "regshape", args...).quiet()
		}
		got, code, out, said, reason := login(), 1, "", "Error: Login failed for "+name+": ", want
		switch want {
		case verified:
			who := a.user
			if len(a.flags) > 0 {
				who = "Identity token"
			}
			code, out, said = 0, fmt.Sprintf("Login Succeeded\n%s for %s, sealed in %s\n", who, name, filepath.Join(h.dir, ".local/share/regshape")), ""
			if a.namespace != "" {
				said = fmt.Sprintf("Warning: docker and podman ask for %s alone and do not find this login; for them: regshape auth login %[1]s -u %s\n", s.host, a.user)
			}
		case rejected:
			said += "authentication rejected\nThe registry says: " + cmp.Or(a.says, s.says) + "\nHint: check the user name; many registries want an access token with a scope for images or packages in place of the password\n"
		default:
			reason = "protocol"
			said += want + "\nHint: "
			if a.user == "" {
				said += "log in with -u USER and a password, or an access token in its place\n"
			} else {
				said += "log in without --identity-token\n"
			}
		}
		if got.code != code || got.stdout != out || got.stderr != said {
			t.Errorf("%s: want exit %d, %q and %q:\n%s", a.name, code, out, said, got)
		}
		if want == verified {
			seen := s.ref()
			if a.user == "fresh" {
				seen = s.host + "/fresh/app"
			}
			h.crane("manifest", seen).ok("schemaVersion").quiet()
			h.run("regshape", "auth", "status", name).ok(verified).quiet()
		}
		var report struct{ Reason string }
		if got := login("--json"); json.Unmarshal([]byte(got.stdout), &report) != nil || report.Reason != reason {
			t.Errorf("%s: want JSON with the reason %s:\n%s", a.name, reason, got)
		}
		if want == verified {
			h.run("regshape", "auth", "logout", name).ok().quiet()
		}
		h.stores(map[string]string{})
	}
}

// publishAttempts compares the table with the one in README.md, or puts it there.
func publishAttempts(t *testing.T) {
	var out strings.Builder
	var footnotes notes
	fmt.Fprintf(&out, "| login with | Basic; %s | Basic; %s | token server; %[1]s | token server; %[2]s | Gitea; %[3]s |\n",
		versionOf(t, distribution2), versionOf(t, distribution3), versionOf(t, "gitea"))
	out.WriteString("|" + strings.Repeat(" --- |", 6) + "\n")
	for _, a := range attempts {
		fmt.Fprintf(&out, "| %s", a.name)
		for _, want := range []string{a.basic, a.basic, a.token, a.token, a.gitea} {
			switch want {
			case "":
				want = "–"
			case verified, rejected:
			default:
				want = "protocol " + footnotes.mark(strings.ReplaceAll(want, giteaHost, "…"))
			}
			out.WriteString(" | " + want)
		}
		out.WriteString(" |\n")
	}
	out.WriteString("\n")
	for i, text := range footnotes {
		fmt.Fprintf(&out, "[%d] %s  \n", i+1, text)
	}
	put := page.Check
	if page.Writing() {
		put = page.Write
	}
	if err := put("README.md", "outcomes", out.String()); err != nil {
		t.Errorf("%v (REGSHAPE_WRITE=1 writes it):\n%s", err, out.String())
	}
}
