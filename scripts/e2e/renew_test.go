//go:build e2e

package e2e

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
)

const (
	shortLife = 3 * time.Second
	// grace is for a secret on its way: from the helper's answer to the token server, on a
	// machine where everything else runs at the same time.
	grace = 2 * time.Second
)

// Clients pull at the same time through a login whose secrets end every few seconds, and none
// is ever refused.
func pullsThroughRenewals(t *testing.T, h *home) {
	span := 10 * time.Second
	if testenv.Whole() {
		span = time.Minute
	}
	r, err := startBearer(t.TempDir())
	if r != nil {
		t.Cleanup(r.stop)
	}
	h.must(err)
	// A secret ends with when it was made. The token server takes it in place of the password.
	stem := rand.Text()
	tokens := r.realm.Config.Handler
	var mu sync.Mutex
	pulls, taken, refused, oldest := 0, 0, 0, time.Duration(0)
	r.realm.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, password, _ := req.BasicAuth()
		if made, is := strings.CutPrefix(password, stem+"-"); is {
			nanoseconds, err := strconv.ParseInt(made, 10, 64)
			age := time.Since(time.Unix(0, nanoseconds))
			mu.Lock()
			if err == nil && age < shortLife+grace {
				taken, oldest = taken+1, max(oldest, age)
				req.SetBasicAuth(r.user, r.password)
			} else {
				refused++
			}
			mu.Unlock()
		}
		tokens.ServeHTTP(w, req)
	})
	h.secrets = append(h.secrets, stem, r.password, r.core)
	h.env = append(h.env, "STEM="+stem, "BUILDKIT_PROGRESS=plain")
	h.allowHTTP(r.host)
	h.buildx()
	h.program("maker", fmt.Sprintf(`#!/bin/sh
now=$(date +%%s%%N)
echo "$now" >>"$HOME/starts"
printf '{"Username":"%s","Secret":"%%s","ExpiresAt":"%%s"}\n' "$STEM-$now" "$(date -u -d "@$((${now%%?????????} + %.0f))" +%%FT%%TZ)"
`, r.user, shortLife.Seconds()))
	begun := time.Now()
	h.run("regshape", "auth", "login", r.host, "--command", filepath.Join(h.dir, "bin", "maker")).ok("Login Succeeded").quiet()
	t.Run("at once", func(t *testing.T) {
		for name, pull := range map[string]func(h *home, ref string) result{
			"docker": func(h *home, ref string) result { return h.run("docker", "pull", "--quiet", ref) },
			"podman": func(h *home, ref string) result { return h.podman("pull", "--quiet", ref) },
			"skopeo": func(h *home, ref string) result {
				return h.run("skopeo", "copy", "--quiet", "docker://"+ref, "dir:"+filepath.Join(h.dir, "copied"))
			},
			"buildx": func(h *home, ref string) result {
				return h.runIn("FROM "+ref+"\n", "docker", "buildx", "build", "--pull", "-")
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				own, count := *h, 0
				for own.t = t; time.Since(begun) < span; count++ {
					// BuildKit keeps what it was given for a repository, so each time it is another.
					repository := fmt.Sprintf("%s/%d", name, count)
					made, err := testregistry.NewImage(repository)
					own.must(err)
					own.must(r.client().Push(t.Context(), repository, "latest", made))
					pull(&own, r.host+"/"+repository+":latest").ok().quiet()
				}
				t.Logf("%d pulls", count)
				mu.Lock()
				pulls += count
				mu.Unlock()
			})
		}
	})
	lasted := time.Since(begun)
	log, err := os.ReadFile(filepath.Join(h.dir, "starts"))
	h.must(err)
	starts := strings.Count(string(log), "\n")
	fmt.Printf("e2e: %d pulls in %.0f s, %d secrets made; they were used %d times, after at most %.1f s, and refused %d times\n",
		pulls, lasted.Seconds(), starts, taken, oldest.Seconds(), refused)
	// A store keeps whole seconds, so a secret lives for one less at least.
	if limit := int(lasted/(shortLife-time.Second)) + 1; starts < 2 || starts > limit {
		t.Errorf("the program was started %d times, want 2 to %d", starts, limit)
	}
	if refused > 0 {
		t.Errorf("%d ended secrets were used", refused)
	}
}
