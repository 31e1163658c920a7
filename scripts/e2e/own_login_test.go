//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The keys of Docker Hub's login, and of what docker's web login keeps beside it.
const (
	hubKey     = "https://index.docker.io/v1/"
	accessKey  = hubKey + "access-token"
	refreshKey = hubKey + "refresh-token"
)

// recordCalls lets the clients of this home call the helper through a script that notes what
// it is asked for, and returns those calls since the last look: "get ADDRESS", and of a store
// the address alone.
func (h *home) recordCalls() func() []string {
	h.t.Helper()
	log := filepath.Join(h.dir, "calls")
	h.program("docker-credential-regshape", `#!/bin/sh
input=$(cat)
printf '%s\n' "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/; s/^/'"$1"' /' >>'`+log+`'
printf '%s' "$input" | exec '`+filepath.Join(binDir, "docker-credential-regshape")+`' "$@"
`)
	return func() []string {
		h.t.Helper()
		text, err := os.ReadFile(log)
		if !os.IsNotExist(err) {
			h.must(err)
			h.must(os.Remove(log))
		}
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

// lists fails the test unless the store has these logins, user names by registries, as
// regshape's own list shows them.
func (h *home) lists(want map[string]string) {
	h.t.Helper()
	var rows []struct{ Registry, Username, Where string }
	got := h.run("regshape", "auth", "list", "--json").ok().quiet()
	h.must(json.Unmarshal([]byte(got.stdout), &rows))
	for _, row := range rows {
		if want[row.Registry] != row.Username || !strings.HasPrefix(row.Where, h.dir) {
			h.t.Errorf("listed: %+v", row)
		}
	}
	if len(rows) != len(want) {
		h.t.Errorf("%d rows, want %v", len(rows), want)
	}
}

// What today's docker and podman ask the helper for when they log in, again, and out; what
// they say and leave in their files.
func TestOwnLogin(t *testing.T) {
	for _, client := range []struct {
		name                 string
		still, out           string // what a second login says, and logout
		prefix               func(h *home) []string
		login, again, logout []string // the calls, HOST for the registry
	}{
		{
			name: "docker", still: "Login did not succeed, error: failed to connect to the docker API",
			out:    "Removing login credentials for HOST",
			prefix: func(*home) []string { return []string{"docker"} },
			login:  []string{"store HOST"},
			// It stores back what it got, also when it could not ask the registry.
			again:  []string{"get HOST", "store HOST"},
			logout: []string{"erase HOST", "erase HOST", "erase http://HOST", "erase https://HOST"},
		},
		{
			name: "podman", still: "Existing credentials are valid. Already logged in to ",
			out:    "Removed login credentials for HOST",
			prefix: func(h *home) []string { return append([]string{"podman"}, h.podmanFlags()...) },
			login:  []string{"get HOST", "store HOST"},
			again:  []string{"get HOST"},
			logout: []string{"erase HOST"},
		},
	} {
		t.Run(client.name, func(t *testing.T) {
			h, r := newHome(t), registries[1]
			calls := h.recordCalls()
			did := func(want []string) {
				t.Helper()
				for i := range want {
					want[i] = strings.ReplaceAll(want[i], "HOST", r.host)
				}
				if got := calls(); !slices.Equal(got, want) {
					t.Errorf("asked the helper: %q, want %q", got, want)
				}
			}
			run := func(stdin string, args ...string) result {
				t.Helper()
				words := append(client.prefix(h), args...)
				return h.runIn(stdin, words[0], words[1:]...)
			}
			h.env = append(h.env, "SSL_CERT_FILE="+h.caFile(r))
			run(r.password, "login", "-u", r.user, "--password-stdin", r.host).ok("Login Succeeded").quiet()
			did(client.login)
			h.lists(map[string]string{r.host: r.user})
			run("", "login", r.host).says(client.still).quiet()
			did(client.again)
			h.lists(map[string]string{r.host: r.user})
			if _, secret := h.secretOf(r.host); secret != r.password {
				t.Error("another secret than the login's")
			}
			if left := h.plaintext(); len(left) > 0 {
				t.Errorf("in plaintext: %v", left)
			}
			run("", "logout", r.host).ok(strings.ReplaceAll(client.out, "HOST", r.host)).quiet()
			did(client.logout)
			h.lists(map[string]string{})
		})
	}
}

// podman has the helper erase all that it lists.
func TestPodmanLogoutAll(t *testing.T) {
	h := newHome(t)
	h.storeRaw("one.example", "bob", "first password")
	h.storeRaw(refreshKey, "bob", "second password")
	h.podman("logout", "--all").ok("Removed login credentials for all registries").quiet()
	h.stores(map[string]string{})
}

// DOCKER_AUTH_CONFIG goes before the helper: docker's login and logout warn of it, and
// regshape finds the account that docker does. Keys match to the letter.
func TestDockerAuthConfig(t *testing.T) {
	s := newShared(t)
	h := accountsHome(t, s)
	h.login(s.reader, s.reader.password).ok().quiet()
	for _, c := range []struct {
		name, variable string // H stands for the host, A for what auth holds
		as             *registry
		broken         bool // docker says so, and goes on to the helper
	}{
		{"the host", `{"auths":{"H":{"auth":"A"}}}`, s.writer, false},
		{"a URL", `{"auths":{"http://H":{"auth":"A"}}}`, s.reader, false},
		{"a namespace", `{"auths":{"H/team":{"auth":"A"}}}`, s.reader, false},
		{"a helper beside it", `{"auths":{"H":{"auth":"A"}},"credsStore":""}`, s.reader, true},
		{"an entry without a login", `{"auths":{"H":{"auth":"A"},"other.example":{}}}`, s.reader, true},
		{"a user name in clear", `{"auths":{"H":{"auth":"A","username":"walter"}}}`, s.reader, true},
	} {
		before := h.env
		auth := base64.StdEncoding.EncodeToString([]byte(s.writer.user + ":" + s.writer.password))
		h.env = append(slices.Clone(before), "DOCKER_AUTH_CONFIG="+strings.NewReplacer("H", s.writer.host, "A", auth).Replace(c.variable))
		s.forget()
		said := tools[0].look(h, s.writer).ok().quiet()
		s.asked(t, c.as)
		get := h.run("regshape", "auth", "get", s.writer.host).quiet()
		if strings.Contains(said.stderr, "Failed to create credential store from DOCKER_AUTH_CONFIG") != c.broken ||
			strings.Contains(get.stderr, "docker ignores it") != c.broken || !c.broken && !strings.Contains(get.stdout, ": "+c.as.user+",") {
			t.Errorf("%s:\n%s\n%s", c.name, said, get)
		}
		for _, command := range []string{"login", "logout"} {
			h.run("docker", command, "neighbour.example").says("DOCKER_AUTH_CONFIG is set and takes precedence.").quiet()
		}
		h.env = before
	}
}
