package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"regshape/scripts/testenv"
)

// Twenty concurrent logins, some into the store and some into an auth.json, in an empty home:
// none is lost.
func TestLogin_parallel(t *testing.T) {
	t.Parallel()
	const logins = 20
	rounds := 4
	if testenv.Whole() {
		rounds = 20
	}
	for round := range rounds {
		s := newHome(t)
		file := s.path("auth.json")
		var wg sync.WaitGroup
		for i := range logins {
			wg.Go(func() {
				server, secret := fmt.Sprintf("r%d.example", i), fmt.Sprintf("s%d", i)
				input, words := secret, []string{"regshape", "auth", "login", server, "-u", "u", "--password-stdin", "--skip-verify"}
				switch i % 3 {
				case 0:
					input, words = payload(server, "u", secret), []string{"docker-credential-regshape", "store"}
				case 2:
					words = append(words, "--authfile", file)
				}
				if out, err := s.command(t.Context(), input, words...).CombinedOutput(); err != nil {
					t.Errorf("round %d, login %d: %v: %s", round, i, err, out)
				}
			})
		}
		wg.Wait()
		var kept struct {
			Auths map[string]struct{ Auth string }
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &kept); err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		for i := range logins {
			server := fmt.Sprintf("r%d.example", i)
			if i%3 == 2 {
				if kept.Auths[server].Auth == "" {
					t.Errorf("round %d: %s is not in auth.json", round, server)
				}
				continue
			}
			o := s.run(server, "docker-credential-regshape", "get")
			if want := fmt.Sprintf(`"Secret":"s%d"`, i); o.code != 0 || !strings.Contains(o.out, want) {
				t.Errorf("round %d, get %d: exit code %d, want %s: %s", round, i, o.code, want, o.text())
			}
		}
		files := 0
		for _, pattern := range []string{".local/share/regshape/v1/g-*/*", ".local/state/regshape/*", ".config/regshape/*"} {
			found, err := filepath.Glob(s.path(pattern))
			if err != nil {
				t.Fatal(err)
			}
			files += len(found)
		}
		if files != 17 && filepath.Separator == '/' {
			t.Errorf("round %d: %d files, want 17: 14 entries, key, names and config", round, files)
		}
	}
}
