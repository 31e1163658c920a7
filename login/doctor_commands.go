package login

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"regshape/login/authfile"
	"regshape/login/registry"
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
	return commandLine(append(line, words...))
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

// commandLine joins words so that a shell takes them apart again.
func commandLine(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = shellWord(w)
	}
	return strings.Join(quoted, " ")
}

// shellWord quotes a word where that is needed. What a terminal would not show as it
// is, two blanks in a row included, is escaped (bash, zsh, ksh): a command that is copied
// must not mean another file.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-:=@%+,"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	if registry.Printable(s, len(s)+1) == s {
		return quote(s)
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, c := range []byte(s) {
		if c > ' ' && c < 0x7f && c != '\'' && c != '\\' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	b.WriteString("'")
	return b.String()
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
			commandLine([]string{"sudo", "chown", "-R", fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()), closed}))
	}
	return bad("the file cannot be read: "+err.Error(), path, "")
}

// edit opens a file that only its owner can mend, at a line. vi, nano and emacs take the
// line so.
func edit(path string, line int) string {
	return fmt.Sprintf(`"${EDITOR:-vi}" +%d %s`, line, shellWord(path))
}

// some lists up to ten names.
func some(names []string) string {
	const limit = 10
	if len(names) <= limit {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], ", "), len(names)-limit)
}
