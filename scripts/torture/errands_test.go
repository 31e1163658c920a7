//go:build torture && linux && amd64

package torture

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// errand is a command of every day.
type errand struct {
	name, title string
	before      map[string]string // the logins that are there, address -> id; none: no store is there
	sets        map[string]string // what the command makes of some, "" for nothing
	imports     bool              // it takes them from docker's file
	command     func(h *home) *exec.Cmd

	// How long the secret still lives that the program of a.example made, and which the
	// command is to renew; 0 where that login has no program.
	ends time.Duration
}

// The logins that are there before, and the commands.
var (
	others = map[string]string{"b.example": "1", "c.example/team": "1"}
	all    = map[string]string{"a.example": "1", "b.example": "1", "c.example/team": "1"}

	storing  = func(h *home) *exec.Cmd { return h.helper("store", h.storeInput("a.example", "2")) }
	erasing  = func(h *home) *exec.Cmd { return h.helper("erase", "a.example") }
	removing = func(h *home) *exec.Cmd {
		return h.regshape("auth", "import", "--remove", "--from", "docker")
	}
	asking    = func(h *home) *exec.Cmd { return h.helper("get", "a.example") }
	loggingIn = func(h *home) *exec.Cmd {
		return h.regshape("auth", "login", "a.example", "--skip-verify", "--command", "cat", "--", answerFile)
	}
)

var errands = []errand{
	{"store-first", "`store`, the first of all", nil, map[string]string{"a.example": "2"}, false, storing, 0},
	{"store-new", "`store`, a new login", others, map[string]string{"a.example": "2"}, false, storing, 0},
	{"store-over", "`store` in place of a login", all, map[string]string{"a.example": "2"}, false, storing, 0},
	{"erase", "`erase`", all, map[string]string{"a.example": ""}, false, erasing, 0},
	{"import", "`import --remove`", others, map[string]string{"d.example": "2", "e.example": "2", "f.example": "2"}, true, removing, 0},
	{"import-first", "`import --remove` into no store", nil, map[string]string{"d.example": "2", "e.example": "2"}, true, removing, 0},
	{"login-program", "`login --command` in place of a login", all, map[string]string{"a.example": "2"}, false, loggingIn, 0},
	{"renew", "`get` after a secret's end", all, map[string]string{"a.example": "2"}, false, asking, -time.Second},
	{"renew-early", "`get` in the last tenth of its life", all, map[string]string{"a.example": "2"}, false, asking, 4 * time.Minute},
}

// answerFile, in the home, is what the program of a login prints.
const answerFile = "answer"

// after is what the store holds when all went well.
func (e errand) after() map[string]string {
	result := maps.Clone(e.before)
	if result == nil {
		result = map[string]string{}
	}
	for key, id := range e.sets {
		if result[key] = id; id == "" {
			delete(result, key)
		}
	}
	return result
}

// keys lists all addresses that it has to do with.
func (e errand) keys() []string {
	known := maps.Clone(e.sets)
	maps.Copy(known, e.before)
	return slices.Sorted(maps.Keys(known))
}

// A login's user name says which one it is. Its secret is another text, so that it can be
// told from the name wherever it must not be.
func secretOf(user string) string { return "S3CRET/" + user + "\\\"&" }

// secrets are all that may be met.
func (e errand) secrets() (found []string) {
	for _, key := range e.keys() {
		for _, id := range []string{"1", "2", "3"} {
			found = append(found, secretOf(value(key, id)))
		}
	}
	return found
}

// dockerFile is a docker configuration with the logins that are to be imported, and with
// others' matters.
func (e errand) dockerFile() []byte {
	var logins strings.Builder
	for _, key := range slices.Sorted(maps.Keys(e.sets)) {
		user := value(key, e.sets[key])
		pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + secretOf(user)))
		fmt.Fprintf(&logins, "\t\t%q: {\n\t\t\t\"auth\": %q\n\t\t},\n", key, pair)
	}
	return []byte("{\n\t\"HttpHeaders\": {\"X-Mine\":  \"kept\"},\n\t\"auths\": {\n" + logins.String() +
		"\t\t\"marker.example\": {}\n\t},\n\t\"credHelpers\": {\"gcr.example\": \"gcloud\"}, \"unknown\": [1, 2.50]\n}\n")
}

// inDockerFile returns the logins that a docker configuration holds, address -> user name.
func inDockerFile(data []byte) (map[string]string, error) {
	var file struct {
		Auths map[string]struct{ Auth []byte }
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for key, entry := range file.Auths {
		if user, secret, ok := strings.Cut(string(entry.Auth), ":"); ok && secret == secretOf(user) {
			found[key] = user
		}
	}
	return found, nil
}
