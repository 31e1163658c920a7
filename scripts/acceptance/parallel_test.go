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

// program runs one of the two programs with a home of its own.
func program(home, input, name string, args ...string) (string, error) {
	cmd := testenv.Command(testenv.Environ(home), name, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Twenty logins at once, some into the store and some into an auth.json, the first of
// them into a home with nothing in it: nothing is lost, in twenty rounds.
func TestParallelLogins(t *testing.T) {
	const logins, rounds = 20, 20
	for round := range rounds {
		home := t.TempDir()
		file := filepath.Join(home, "auth.json")
		var wg sync.WaitGroup
		for i := range logins {
			wg.Go(func() {
				server, secret := fmt.Sprintf("r%d.example", i), fmt.Sprintf("s%d", i)
				var out string
				var err error
				switch i % 3 {
				case 0:
					payload := fmt.Sprintf(`{"ServerURL":%q,"Username":"u","Secret":%q}`, server, secret)
					out, err = program(home, payload, "docker-credential-regshape", "store")
				case 1:
					out, err = program(home, secret, "regshape", "auth", "login", server, "-u", "u", "--password-stdin", "--skip-verify")
				default:
					out, err = program(home, secret, "regshape", "auth", "login", server, "-u", "u", "--password-stdin", "--skip-verify", "--authfile", file)
				}
				if err != nil {
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
					t.Errorf("round %d: %s is lost from auth.json", round, server)
				}
				continue
			}
			out, err := program(home, server, "docker-credential-regshape", "get")
			if want := fmt.Sprintf(`"Secret":"s%d"`, i); err != nil || !strings.Contains(out, want) {
				t.Errorf("round %d, get %d: %v: %s", round, i, err, out)
			}
		}
		files := 0
		for _, pattern := range []string{".local/share/regshape/v1/g-*/*", ".local/state/regshape/*", ".config/regshape/*"} {
			found, err := filepath.Glob(filepath.Join(home, pattern))
			if err != nil {
				t.Fatal(err)
			}
			files += len(found)
		}
		if files != 14+3 && filepath.Separator == '/' {
			t.Errorf("round %d: %d files, want 14 entries, key, names and config", round, files)
		}
	}
}
