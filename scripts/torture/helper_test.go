//go:build torture && linux && amd64

package torture

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"regshape/scripts/testenv"
)

func storeInput(key, value string) string {
	input, _ := json.Marshal(map[string]string{"ServerURL": key, "Username": value, "Secret": value}) // strings always marshal
	return string(input)
}

// helperGet asks the helper for an address; "" is nothing.
func helperGet(dir, key string) (string, error) {
	out, err := runHelper(dir, "get", key)
	if err != nil {
		if strings.TrimSpace(out) == "credentials not found in native keychain" {
			return "", nil
		}
		return "", err
	}
	var c struct{ Username, Secret string }
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		return "", err
	}
	if c.Username != c.Secret {
		return "", errors.New("the user name is another entry's")
	}
	return c.Secret, nil
}

// runHelper runs one action of the credential helper.
func runHelper(dir, action, input string) (string, error) {
	path := helper
	if path == "" {
		path = os.Getenv("TORTURE_HELPER")
	}
	cmd := testenv.Command(storeEnviron(dir), path, action)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return string(out), err
}
