package lookup

import (
	"fmt"
	"path/filepath"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store/printable"
)

// Update edits a file of another tool, and warns of the names under which its old content
// stays.
func Update(e *app.Env, path string, f authfile.Format, edit func(*authfile.Document) error) error {
	names := authfile.NamesOf(path)
	changed, err := authfile.Update(path, f, 0o600, edit)
	if text := FurtherName(e, path, names); changed && text != "" {
		e.Warn("%s: %s.", Tilde(e, path), text)
	}
	return err
}

// FurtherName says that a file's old content is still there under another name, and what
// finds it; "" where there is none. It cannot be found by the name that was replaced.
func FurtherName(e *app.Env, path string, n authfile.Names) string {
	if n.Others == 0 {
		return ""
	}
	where := "/"
	if home := e.Where().Home; home != "" && strings.HasPrefix(ThroughLinks(path), home+"/") {
		where = "~ -xdev" // other file systems have other files of that number
	}
	what := "another name of the file (a hard link) still has its old content"
	if n.Others > 1 {
		what = fmt.Sprintf("%d other names of the file (hard links) still have its old content", n.Others)
	}
	return fmt.Sprintf("%s, with the logins that were in it; 'find %s -inum %d' finds it", what, where, n.Inode)
}

// Tilde is how messages name a file: below the home it begins with "~/".
func Tilde(e *app.Env, path string) string {
	home := e.Where().Home
	if rest, ok := strings.CutPrefix(path, home+"/"); ok && home != "" {
		path = "~/" + rest
	}
	return printable.Line(path, 300)
}

// ThroughLinks is the file behind a symbolic link: the link of a user who keeps such
// files elsewhere stays.
func ThroughLinks(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
