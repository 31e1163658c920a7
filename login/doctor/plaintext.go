package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store/durable"
	"regshape/store/printable"
)

// dockerAuthVariable contains a whole auth file, for docker and similar tools.
const dockerAuthVariable = "DOCKER_AUTH_CONFIG"

// checkPlaintext looks for unencrypted logins of other tools.
func checkPlaintext(e *app.Env, _ *storeState) []finding {
	var found []finding
	places := lookup.Places(e)
	for _, p := range places {
		reported := p.Path == authfile.DockerConfig(e.Where()) // by checkDocker, if broken
		found = append(found, plaintextIn(e, p, reported, e.Own("auth", "import", "--remove"))...)
	}
	if only, ok := lookup.Only(e); ok && !slices.Contains(places, only.Place) {
		found = append(found, plaintextIn(e, only.Place, false, e.Own("auth", "import", "--remove", "--from", only.Path))...)
	}
	if text := e.Getenv(dockerAuthVariable); text != "" {
		found = append(found, plaintextVariable(e, text)...)
	}
	if len(found) == 0 {
		found = append(found, good(fmt.Sprintf("no plaintext logins in the %d files where other tools store them", len(places)), ""))
	}
	return found
}

// plaintextIn reads one file. Findings name the registries only.
func plaintextIn(e *app.Env, p lookup.Place, reported bool, fix string) []finding {
	doc, err := authfile.Read(p.Path, p.Format)
	switch {
	case errors.Is(err, fs.ErrNotExist), err != nil && reported:
		return nil
	case err != nil:
		return []finding{unreadable(e, p.Path, err)}
	}
	hosts, movable := loginsOf(doc)
	if len(hosts) == 0 {
		return nil
	}
	if !movable {
		fix = edit(p.Path, 1)
	}
	found := []finding{bad("unencrypted logins: "+terminal.Some(hosts), p.Path, fix)}
	if info, err := os.Stat(p.Path); err == nil {
		if how, fix, _ := durable.Exposed(p.Path, info, durable.Secret); how != "" { // a list that cannot be read is not judged
			found = append(found, bad("other users have access to the logins in it ("+how+")", p.Path, printable.Shell(fix...)))
		}
	}
	return found
}

func plaintextVariable(e *app.Env, text string) []finding {
	where, fix := "$"+dockerAuthVariable, printable.Shell("unset", dockerAuthVariable)
	doc, err := authfile.Parse(where, []byte(text), authfile.Docker)
	if err != nil {
		f := unreadable(e, where, err)
		f.Fix = fix
		return []finding{f}
	}
	hosts, _ := loginsOf(doc)
	if len(hosts) == 0 {
		return nil
	}
	return []finding{bad("unencrypted logins that every child process can read: "+terminal.Some(hosts), where, fix)}
}

// loginsOf lists the registries for which a document has a secret. Movable means that
// import can move one of them.
func loginsOf(doc *authfile.Document) (hosts []string, movable bool) {
	for _, entry := range lookup.Entries(doc) {
		switch host := printable.Address(entry.Key); {
		case entry.Marker:
		case errors.Is(entry.Err, authfile.ErrRegistryToken):
			hosts = append(hosts, host+" (a registry token, which import cannot move)")
		case entry.Err != nil:
			hosts = append(hosts, host+" (damaged)")
		default:
			hosts, movable = append(hosts, host), true
		}
	}
	return hosts, movable
}
