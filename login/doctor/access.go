package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store"
	"regshape/store/durable"
)

// closedTo returns why nothing can be written to a directory, or be made where it is to be, as
// an error that names what would be made.
func closedTo(dir string) error {
	made := filepath.Join(dir, "x")
	for _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir; _, err = os.Stat(dir) {
		made, dir = dir, filepath.Dir(dir)
	}
	if err := durable.Writable(dir); err != nil {
		return &fs.PathError{Op: "mkdir", Path: made, Err: err}
	}
	return nil
}

// checkAccess reports a home, a read-only mount or another directory that the next login could
// not be written to: by regshape, or by docker, which notes in its file who is logged in.
func checkAccess(e *app.Env, state *storeState) []finding {
	var found []finding
	report := func(err error, whose string) {
		at, ok := errors.AsType[*fs.PathError](err)
		if !ok || !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) { // else reported
			return
		}
		dir := filepath.Dir(at.Path)
		found = append(found, badError(e, fmt.Sprintf("%s cannot be written to, and %s is there: %v", dir, whose, at.Err), err, dir))
	}
	if state.err == nil && !slices.ContainsFunc(state.files, func(p store.Problem) bool { return !p.Harmless }) {
		report(state.closed, "regshape's store")
	}
	path := authfile.DockerConfig(e.Where())
	if _, err := os.Stat(path); path != "" && (err == nil || lookup.Installed("docker") != "") {
		report(closedTo(filepath.Dir(lookup.ThroughLinks(path))), "docker's configuration")
	}
	return lookup.Unique(found, func(f finding) string { return f.Where })
}
