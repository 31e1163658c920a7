package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store/printable"
)

// unreadable is the finding about a settings file that its owner cannot use, either.
func unreadable(e *app.Env, path string, err error) finding {
	if broken, ok := errors.AsType[*authfile.SyntaxError](err); ok {
		return bad(fmt.Sprintf("%s:%d:%d: %s", broken.Name, broken.Line, broken.Column, broken.Reason), broken.Name,
			edit(broken.Name, broken.Line))
	}
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		path = at.Path
	}
	home := e.Where().Home
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
