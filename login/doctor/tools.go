package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store/printable"
)

// checkDocker reads docker's configuration like docker, and says where its logins go.
func checkDocker(e *app.Env, _ *storeState) []finding {
	path := authfile.DockerConfig(e.Where())
	if path == "" {
		return []finding{note("docker has no configuration without a home directory", "", "")}
	}
	// These all use docker's file.
	tool := lookup.Installed("docker", "nerdctl", "crane", "oras", "regctl")
	doc, err := authfile.Read(path, authfile.Docker)
	switch {
	case errors.Is(err, fs.ErrNotExist) && tool == "":
		return []finding{note("docker is not installed and has no configuration", path, "")}
	case errors.Is(err, fs.ErrNotExist):
		return []finding{bad(tool+" does not use regshape: it has no configuration", path, e.Own("auth", "setup", "--docker"))}
	case err != nil:
		return []finding{unreadable(e, path, err)}
	}
	mine, elsewhere, missing := sortHelpers(doc, func(host string) string {
		return e.Own("auth", "setup", "--docker", "--host", host, "--keep")
	})
	found := credsStoreFindings(e, "docker", doc, mine, elsewhere)
	for _, h := range doc.CredHelpers() {
		if lookup.MakesTokens(h.Helper) {
			found = append(found, note(fmt.Sprintf("docker-credential-%s makes a new token for %s at every call; regshape keeps one until it ends",
				h.Helper, printable.Address(h.Host)), path,
				e.Own("auth", "setup", "--docker", "--host", h.Host, "--keep")+" && "+e.Own("auth", "login", h.Host, "--helper", h.Helper)))
		}
	}
	return append(found, missing...)
}

// checkHelm reads helm's own file, where its login and logout go whatever docker's says.
func checkHelm(e *app.Env, _ *storeState) []finding {
	path := authfile.HelmConfig(e.Where())
	if path == "" || lookup.Installed("helm") == "" {
		return nil
	}
	doc, err := lookup.Read(path, authfile.Docker)
	if err != nil {
		return nil // reported by checkPlaintext
	}
	return credsStoreFindings(e, "helm", doc, nil, nil)
}

// sortHelpers lists the hosts whose credHelpers entry names regshape and the others, and
// reports the entries with a missing helper; fix returns the command for one.
func sortHelpers(doc *authfile.Document, fix func(host string) string) (mine, elsewhere []string, missing []finding) {
	for _, h := range doc.CredHelpers() {
		switch {
		case lookup.IsOwn(h.Helper):
			mine = append(mine, printable.Address(h.Host))
		case h.Helper == "":
			elsewhere = append(elsewhere, printable.Address(h.Host)+" (this file, unencrypted)")
			continue
		default:
			elsewhere = append(elsewhere, fmt.Sprintf("%s (docker-credential-%s)", printable.Address(h.Host), h.Helper))
		}
		missing = append(missing, missingHelper(h.Helper, "credHelpers of "+printable.Address(h.Host), doc.Name(), fix(h.Host))...)
	}
	return mine, elsewhere, missing
}

// credsStoreFindings is about the helper for all other hosts.
func credsStoreFindings(e *app.Env, tool string, doc *authfile.Document, mine, elsewhere []string) []finding {
	var found []finding
	creds, path := lookup.DockerStore(doc), doc.Name()
	setup := e.Own("auth", "setup", "--"+tool)
	rest := "this file, unencrypted"
	if creds != "" {
		rest = "docker-credential-" + creds
	}
	switch {
	case lookup.IsOwn(creds):
		found = append(found, good(tool+" uses regshape", path))
	case len(mine) > 0:
		found = append(found,
			good(tool+" uses regshape for "+terminal.Some(mine), path),
			note(tool+" stores all other logins in "+rest, path, setup))
	case creds == "":
		found = append(found, bad(tool+" does not use regshape: its logins go to "+rest, path, setup))
	}
	if len(elsewhere) > 0 {
		found = append(found, note(tool+" uses others for "+terminal.Some(elsewhere), path, ""))
	}
	if creds == "" {
		return found
	}
	// Logins cannot be imported from a helper that does not run: hence --keep.
	missing := missingHelper(creds, "credsStore", path, e.Own("auth", "setup", "--"+tool, "--keep"))
	if len(missing) == 0 && !lookup.IsOwn(creds) && len(mine) == 0 {
		found = append(found, bad(tool+" does not use regshape: its logins go to "+rest, path, setup))
	}
	return append(found, missing...)
}

// unreadable is the finding about a settings file that cannot be read.
func unreadable(e *app.Env, path string, err error) finding {
	if broken, ok := errors.AsType[*authfile.SyntaxError](err); ok {
		return bad(fmt.Sprintf("%s:%d:%d: %s", broken.Name, broken.Line, broken.Column, broken.Reason), broken.Name,
			edit(broken.Name, broken.Line))
	}
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		path = at.Path
	}
	home := e.Where().Home
	switch denied := errors.Is(err, fs.ErrPermission); {
	case denied && (home == "" || !strings.HasPrefix(path, home+string(filepath.Separator))):
		return note("the file cannot be accessed: permission denied", path, "") // nor by the tool that owns it
	case denied:
		return badError(e, "the file cannot be read: permission denied", err, path)
	}
	return badError(e, "the file cannot be read: "+err.Error(), err, path)
}

// edit is the command to edit a file at a line; vi, nano and emacs accept it.
func edit(path string, line int) string { return editOn(runtime.GOOS, path, line) }

func editOn(goos, path string, line int) string {
	if goos == "windows" {
		return printable.Shell("notepad", path) // which takes no line
	}
	return fmt.Sprintf(`"${EDITOR:-vi}" +%d %s`, line, printable.Shell(printable.File(path)))
}
