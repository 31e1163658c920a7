package login

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"

	"regshape/login/authfile"
	"regshape/store/printable"
)

// dockerAuthVariable holds a whole document of logins, for docker and its kin.
const dockerAuthVariable = "DOCKER_AUTH_CONFIG"

// plaintextCheck looks for logins that other tools keep where anybody who gets at the
// file can read them.
type plaintextCheck struct{}

func (plaintextCheck) name() string { return "plaintext" }

func (plaintextCheck) run(e *env) []finding {
	var found []finding
	places := e.places()
	for _, p := range places {
		broken := p.path == authfile.DockerConfig(e.where()) // dockerCheck says so
		found = append(found, e.plaintextIn(p, broken, e.own("auth", "import", "--remove"))...)
	}
	if path, namedBy := e.authfile(); path != "" && !slices.ContainsFunc(places, func(p place) bool { return p.path == path }) {
		p := place{namedBy, path, authfile.Containers}
		found = append(found, e.plaintextIn(p, false, e.own("auth", "import", "--remove", "--from", path))...)
	}
	if text := e.Getenv(dockerAuthVariable); text != "" {
		found = append(found, e.plaintextVariable(text)...)
	}
	if len(found) == 0 {
		found = append(found, good(fmt.Sprintf("no plaintext logins in the %d files where other tools keep them", len(places)), ""))
	}
	return found
}

// plaintextIn reads one file. Its logins are named by registry only.
func (e *env) plaintextIn(p place, brokenIsTold bool, fix string) []finding {
	doc, err := authfile.Read(p.path, p.format)
	switch {
	case errors.Is(err, fs.ErrNotExist), err != nil && brokenIsTold:
		return nil
	case err != nil:
		return []finding{e.unreadable(p.path, err)}
	}
	hosts := loginsOf(doc)
	if len(hosts) == 0 {
		return nil
	}
	found := []finding{bad("logins that are not encrypted: "+some(hosts), p.path, fix)}
	info, err := os.Stat(p.path)
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		found = append(found, bad(fmt.Sprintf("other users have access to the logins in it (mode %04o)", info.Mode().Perm()),
			p.path, printable.Shell("chmod", "600", p.path)))
	}
	return found
}

func (e *env) plaintextVariable(text string) []finding {
	where, fix := "$"+dockerAuthVariable, "unset "+dockerAuthVariable
	doc, err := authfile.Parse(where, []byte(text), authfile.Docker)
	if err != nil {
		f := e.unreadable(where, err)
		f.Fix = fix
		return []finding{f}
	}
	hosts := loginsOf(doc)
	if len(hosts) == 0 {
		return nil
	}
	return []finding{bad("logins that are not encrypted and that every child process can read: "+some(hosts), where, fix)}
}

// loginsOf lists the registries that a document holds something secret for.
func loginsOf(doc *authfile.Document) []string {
	var hosts []string
	for _, entry := range doc.Entries() {
		switch host := printable.Address(entry.Key); {
		case entry.Marker:
		case errors.Is(entry.Err, authfile.ErrRegistryToken):
			hosts = append(hosts, host+" (a registry token, which import cannot move)")
		case entry.Err != nil:
			hosts = append(hosts, host+" (damaged)")
		default:
			hosts = append(hosts, host)
		}
	}
	return hosts
}
