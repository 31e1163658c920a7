package doctor

import (
	"errors"
	"fmt"
	"io/fs"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store/printable"
)

// dockerCheck reads docker's configuration as docker does, and says whom docker asks.
type dockerCheck struct{}

func (dockerCheck) name() string { return "docker" }

func (dockerCheck) run(e *app.Env) []finding {
	path := authfile.DockerConfig(e.Where())
	if path == "" {
		return []finding{note("without a home folder docker has no configuration", "", "")}
	}
	// All of these use docker's file.
	tool := firstOnPath("docker", "nerdctl", "crane", "oras", "regctl", "helm")
	doc, err := authfile.Read(path, authfile.Docker)
	switch {
	case errors.Is(err, fs.ErrNotExist) && tool == "":
		return []finding{note("docker is not installed and has no configuration", path, "")}
	case errors.Is(err, fs.ErrNotExist):
		return []finding{bad(tool+" does not ask regshape: there is no configuration", path, e.Own("auth", "setup", "--docker"))}
	case err != nil:
		return []finding{unreadable(e, path, err)}
	}
	mine, elsewhere, missing := sortHelpers(doc, func(host string) string {
		return e.Own("auth", "setup", "--docker", "--host", host, "--keep")
	})
	found := judgeCredsStore(e, doc, mine, elsewhere)
	return append(found, missing...)
}

// sortHelpers tells the hosts whose credHelpers entry names regshape from the others,
// and finds the entries whose helper is not there; mend is the command for one.
func sortHelpers(doc *authfile.Document, mend func(host string) string) (mine, elsewhere []string, missing []finding) {
	for _, h := range doc.CredHelpers() {
		switch {
		case lookup.IsOwn(h.Helper):
			mine = append(mine, printable.Address(h.Host))
		case h.Helper == "":
			elsewhere = append(elsewhere, printable.Address(h.Host)+" (this file, not encrypted)")
			continue
		default:
			elsewhere = append(elsewhere, fmt.Sprintf("%s (docker-credential-%s)", printable.Address(h.Host), h.Helper))
		}
		if f := missingHelper(h.Helper, "credHelpers of "+printable.Address(h.Host), doc.Name(), mend(h.Host)); f != nil {
			missing = append(missing, *f)
		}
	}
	return mine, elsewhere, missing
}

// judgeCredsStore is about the helper for all other hosts.
func judgeCredsStore(e *app.Env, doc *authfile.Document, mine, elsewhere []string) []finding {
	var found []finding
	creds, path := doc.CredsStore(), doc.Name()
	setup := e.Own("auth", "setup", "--docker")
	rest := "this file, not encrypted"
	if creds != "" {
		rest = "docker-credential-" + creds
	}
	switch {
	case lookup.IsOwn(creds):
		found = append(found, good("docker asks regshape", path))
	case len(mine) > 0:
		found = append(found,
			good("docker asks regshape for "+terminal.Some(mine), path),
			note("docker keeps all other logins in "+rest, path, setup))
	case creds == "":
		found = append(found, bad("docker does not ask regshape: its logins go to "+rest, path, setup))
	}
	if len(elsewhere) > 0 {
		found = append(found, note("docker asks others for "+terminal.Some(elsewhere), path, ""))
	}
	if creds == "" {
		return found
	}
	// A helper that cannot be run cannot hand its logins over, either: hence --keep.
	if f := missingHelper(creds, "credsStore", path, e.Own("auth", "setup", "--docker", "--keep")); f != nil {
		return append(found, *f)
	}
	if !lookup.IsOwn(creds) && len(mine) == 0 {
		found = append(found, bad("docker does not ask regshape: its logins go to "+rest, path, setup))
	}
	return found
}
