//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// foreignHelpers are the helpers that documents name and that are installed where they do.
// Others they name are absent, as on a machine that a file was copied to.
var foreignHelpers = []string{"pass", "secretservice", "desktop", "ecr-login", "gcloud", "gcr"}

// tokenMakers make a token at every call for the hosts with their part in the name, and keep
// nothing.
var tokenMakers = map[string]string{"ecr-login": "ecr.", "gcloud": "gcr.example", "gcr": "pkg.example"}

// ofHelper is what the user names of all these helpers begin with.
const ofHelper = "of-"

// helperSecret is what a helper holds for an address.
func helperSecret(helper, address string) string {
	return "invented-" + helper + "-" + address
}

// heldBy is a helper's file below the home, once it was asked to change something.
func heldBy(helper string) string { return filepath.Join("tmp", "held-by-"+helper+".json") }

// heldKeys are what a helper has logins for.
var heldKeys = []string{"registry.example", "helped.example", "https://index.docker.io/v1/"}

// foreignHelper plays another tool's helper, by the name that this program was started as.
func foreignHelper(name string, args []string, in io.Reader, out io.Writer) int {
	if err := answerAs(name, args, in, out); err != nil {
		fmt.Fprint(out, err)
		return 1
	}
	return 0
}

var errNotFound = errors.New("credentials not found in native keychain")

type helperAnswer struct{ ServerURL, Username, Secret string }

func answerAs(name string, args []string, in io.Reader, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: store|get|erase|list")
	}
	input, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	address := strings.TrimSpace(string(input))
	if hosts := tokenMakers[name]; hosts != "" {
		switch {
		case args[0] != "get":
			return errors.New("it makes tokens, and keeps none")
		case !strings.Contains(address, hosts):
			return errNotFound
		}
		host, _, _ := strings.Cut(address, "/")
		return json.NewEncoder(out).Encode(helperAnswer{address, ofHelper + name, helperSecret(name, host)})
	}
	file := filepath.Join(os.Getenv("HOME"), heldBy(name))
	held := map[string]helperAnswer{}
	switch data, err := os.ReadFile(file); {
	case errors.Is(err, fs.ErrNotExist):
		for _, key := range heldKeys {
			held[key] = helperAnswer{key, ofHelper + name, helperSecret(name, key)}
		}
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(data, &held); err != nil {
			return err
		}
	}
	switch args[0] {
	case "get":
		answer, ok := held[address]
		if !ok {
			return errNotFound
		}
		return json.NewEncoder(out).Encode(answer)
	case "list":
		users := map[string]string{}
		for key, answer := range held {
			users[key] = answer.Username
		}
		return json.NewEncoder(out).Encode(users)
	case "erase":
		delete(held, address)
	case "store":
		var answer helperAnswer
		if err := json.Unmarshal(input, &answer); err != nil {
			return err
		}
		held[answer.ServerURL] = answer
	default:
		return errors.New("unknown action")
	}
	data, err := json.Marshal(held)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}
