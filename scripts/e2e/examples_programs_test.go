//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testregistry"
)

// maker stands in for a program of the recipes, which gets its secrets from afar.
type maker struct {
	name, arguments string
	user            string
	prints          string        // SECRET stands for the secret
	life            time.Duration // of the secret; zero where it does not say so
	renewed         time.Duration // when the next is made
}

// secret is a new one of the kind that the program makes.
func (m maker) secret() string {
	claims := fmt.Sprintf(`{"exp":%[1]d,"expiration":%[1]d,"nonce":%[2]q}`, time.Now().Add(m.life).Unix(), rand.Text())
	encoded := base64.StdEncoding.EncodeToString([]byte(claims))
	switch {
	case m.life == 0:
		return rand.Text()
	case m.name == "az": // a JSON Web Token
		return "e30." + strings.TrimRight(encoded, "=") + ".c2ln"
	}
	return encoded
}

// One login by each program of the recipe is verified, serves docker, and ends with its logout.
func TestExampleLoginsByProgram(t *testing.T) {
	const object = `{"ServerURL":"","Username":"USER","Secret":"SECRET"}`
	makers := []maker{
		{"aws", "ecr get-login-password --region eu-west-1", "AWS", "SECRET", 12 * time.Hour, 12 * time.Hour},
		{"docker-credential-ecr-login", "get", "AWS", object, 12 * time.Hour, 12 * time.Hour},
		{"gcloud", "auth print-access-token", "oauth2accesstoken", "SECRET", 0, 5 * time.Minute},
		{"az", "acr login --name example --expose-token --output tsv --query accessToken", "00000000-0000-0000-0000-000000000000", "SECRET", 3 * time.Hour, 3 * time.Hour},
		{"gh", "auth token", "alice", "SECRET", 0, 15 * time.Minute},
		{"glab", "auth docker-helper get", "oauth2", object, 0, time.Minute},
		{"vault", "kv get -address=https://vault.example.com -mount=secret -field=password registry", "alice", "SECRET", 0, 15 * time.Minute},
		{"pass", "", "alice", "", 0, 24 * time.Hour}, // Debian's own
		{"gopass", "show --password registry/alice", "alice", "SECRET", 0, 24 * time.Hour},
		{"op", "read op://ci/registry/password", "alice", "SECRET", 0, 24 * time.Hour},
	}
	for line := range strings.Lines(recipe(t, "Logins by a program", "bash")[0]) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(makers) == 0 {
			t.Fatalf("nothing stands in for the program of %s", line)
		}
		m := makers[0]
		makers = makers[1:]
		t.Run(m.name, func(t *testing.T) { m.play(t, line) })
	}
	if len(makers) > 0 {
		t.Errorf("the recipe does not have %s", makers[0].name)
	}
}

func (m maker) play(t *testing.T, line string) {
	r := &registry{user: m.user, password: m.secret()}
	own := testregistry.New(testregistry.Options{Auth: testregistry.Basic, Users: map[string]string{r.user: r.password}})
	if _, err := own.Seed(image, "latest"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(own)
	defer server.Close()
	r.host = server.Listener.Addr().String()
	h := newHome(t)
	h.secrets = append(h.secrets, r.password)
	h.env = append(h.env, "PRINTS="+strings.NewReplacer("USER", m.user, "SECRET", r.password).Replace(m.prints))
	if m.prints == "" {
		h.fillPass(r.password)
	} else {
		h.program(m.name, `#!/bin/sh
case $* in *' get' | get) test "$(cat)" = "$REGSHAPE_REGISTRY" || exit 3 ;; esac
test "$*" = '`+m.arguments+`' && echo "$PRINTS"
`)
	}
	host := strings.Fields(line)[3]
	if pattern := strings.Trim(host, "'"); pattern != host {
		h.script(r, line).ok("Login Succeeded").quiet()
		r.host = strings.Replace(strings.Replace(pattern, "*", "123456789012", 1), "*", "eu-west-1", 1)
		if user, secret := h.secretOf(r.host); user != m.user || secret != r.password {
			t.Errorf("user %q, or another's secret", user)
		}
		return
	}
	h.script(r, strings.Replace(line, host, r.host, 1)).ok("Login Succeeded", r.user+" for ").quiet()
	var logins []struct{ Ends time.Time }
	h.must(json.Unmarshal([]byte(h.run("regshape", "auth", "list", "--json").ok().quiet().stdout), &logins))
	if left := time.Until(logins[0].Ends); left > m.renewed || left < m.renewed-time.Minute {
		t.Errorf("the secret is kept for %v, want %v", left, m.renewed)
	}
	tools[0].look(h, r).ok().quiet()
	h.run("docker", "logout", r.host).ok().quiet()
	h.notFound(r.host)
}

// fillPass makes a password store with a secret and more in its entry.
func (h *home) fillPass(secret string) {
	h.t.Helper()
	h.t.Cleanup(func() { h.run("gpgconf", "--kill", "gpg-agent") })
	h.write(".gnupg/gpg.conf", "batch\n")
	h.must(os.Chmod(filepath.Join(h.dir, ".gnupg"), 0o700))
	h.run("gpg", "--passphrase", "", "--quick-generate-key", "alice").ok()
	h.run("pass", "init", "alice").ok()
	h.runIn(secret+"\nurl: registry.example.com\n", "pass", "insert", "--multiline", "registry/alice").ok()
}
