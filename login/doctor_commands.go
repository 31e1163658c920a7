package login

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"regshape/login/authfile"
	"regshape/store/printable"
)

// own is a command line of regshape's that works on the same store and the same files
// as this run: flags are repeated, variables need not be.
func (e *env) own(words ...string) string {
	line := []string{"regshape"}
	if e.Store != "" && e.Store != absolute(e.Getenv("REGSHAPE_STORE")) {
		line = append(line, "--store", e.Store)
	}
	if e.Profile != "" && e.Profile != e.Getenv("REGSHAPE_PROFILE") {
		line = append(line, "--profile", e.Profile)
	}
	if e.DockerConfig != "" {
		line = append(line, "--docker-config", e.DockerConfig)
	}
	return printable.Shell(append(line, words...)...)
}

func absolute(path string) string {
	if path == "" {
		return ""
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}

// unreadable is the finding about a settings file that its owner cannot use, either.
func (e *env) unreadable(path string, err error) finding {
	if broken, ok := errors.AsType[*authfile.SyntaxError](err); ok {
		return bad(fmt.Sprintf("%s:%d:%d: %s", broken.Name, broken.Line, broken.Column, broken.Reason), broken.Name,
			edit(broken.Name, broken.Line))
	}
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		path = at.Path
	}
	home := e.where().Home
	switch {
	case !errors.Is(err, fs.ErrPermission):
	case home == "" || !strings.HasPrefix(path, home+string(filepath.Separator)):
		return note("the file cannot be looked at: permission denied", path, "") // nor can the tool whose it is
	default:
		// What `sudo docker login` leaves behind.
		closed := path
		if _, err := os.Lstat(path); err != nil {
			closed = filepath.Dir(path)
		}
		return bad("the file cannot be read: permission denied", path,
			printable.Shell("sudo", "chown", "-R", fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()), closed))
	}
	return bad("the file cannot be read: "+err.Error(), path, "")
}

// edit opens a file that only its owner can mend, at a line. vi, nano and emacs take the
// line so.
func edit(path string, line int) string {
	return fmt.Sprintf(`"${EDITOR:-vi}" +%d %s`, line, printable.Shell(printable.File(path)))
}

// some lists up to ten names.
func some(names []string) string {
	const limit = 10
	if len(names) <= limit {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], ", "), len(names)-limit)
}
