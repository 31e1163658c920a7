//go:build e2e

package e2e

import (
	"crypto/rand"
	"net/http/httptest"
	"strings"
	"testing"

	"regshape/scripts/testregistry"
)

// The registry of the unit tests and the demo is close enough to a real one: the
// clients log in to it through the helper, push, pull, and are refused afterwards.
func TestOwnRegistryServesRealClients(t *testing.T) {
	for _, auth := range []testregistry.Auth{testregistry.Basic, testregistry.Bearer} {
		t.Run(string(auth), func(t *testing.T) {
			r := &registry{name: string(auth), user: "alice", password: rand.Text()}
			users := map[string]string{r.user: r.password}
			opts := testregistry.Options{Auth: auth, Users: users}
			if auth == testregistry.Bearer {
				tokens, err := testregistry.NewTokenServer(testregistry.TokenOptions{Users: users, Alg: "RS256"})
				if err != nil {
					t.Fatal(err)
				}
				realm := httptest.NewServer(tokens)
				defer realm.Close()
				opts.Tokens, opts.Realm = tokens, realm.URL+"/token"
			}
			own := testregistry.New(opts)
			if _, err := own.Seed(image, "latest"); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(own)
			defer server.Close()
			r.host = strings.TrimPrefix(server.URL, "http://")

			h := newHome(t)
			h.secrets = append(h.secrets, r.password)
			h.allowHTTP(r.host)
			h.noneSees(r)
			h.dockerLogin(r).ok("Login Succeeded").quiet()
			h.allSee(r)
			h.run("docker", "logout", r.host).ok()
			h.login(r, r.password).ok("Login Succeeded").quiet()
			h.allSee(r)

			byPodman, bySkopeo := r.host+"/"+image+":by-podman", r.host+"/other/name:by-skopeo"
			h.podman("tag", r.ref(), byPodman).ok()
			h.podman("push", "--quiet", byPodman).ok().quiet()
			h.run("skopeo", "copy", "--quiet", "docker://"+byPodman, "docker://"+bySkopeo).ok().quiet()
			h.podman("pull", "--quiet", bySkopeo).ok().quiet()
			h.run("docker", "manifest", "inspect", "--insecure", bySkopeo).ok("schemaVersion")
		})
	}
}
