package app

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"regshape/login/authfile"
	"regshape/store"
	"regshape/store/durable"
	"regshape/store/printable"
)

// fileAdvice is for a file or directory that cannot be used. REGSHAPE_STORE moves those of the
// store, and no other.
func fileAdvice(err error, ofStore bool) string {
	if at, ok := errors.AsType[*durable.ShapeError](err); ok {
		return shapeAdvice(at)
	}
	if at, ok := errors.AsType[*durable.OwnerError](err); ok {
		if at.Named {
			return "name a copy of your own"
		}
		return "run as that user, or use a store of your own with --store or REGSHAPE_STORE"
	}
	path, changes := accessed(err)
	is := func(kinds ...error) bool {
		return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
	}
	switch {
	case is(durable.ErrUnsafe, authfile.ErrMounted, authfile.ErrContended): // the text has the command
		return ""
	case path == "": // not about a file
		return ""
	case is(authfile.ErrIrregular, authfile.ErrTooLarge):
		return moveAway(path) + ", or name another file"
	case is(syscall.ENOSPC, syscall.EDQUOT):
		return "free some space" + elsewhere(path, ofStore)
	case isLinkError(err): // FAT says so in a different way on each system
		return "with REGSHAPE_STORE name a directory on a file system that has hard links"
	case is(syscall.EROFS):
		return "make the mount writable" + elsewhere(path, ofStore)
	case is(fs.ErrPermission):
		return openUp(path, changes) + elsewhere(path, ofStore)
	case is(syscall.ENOTDIR):
		return notDirectory(path)
	case is(syscall.EISDIR) && !changes:
		return "name a file"
	case is(syscall.EISDIR, fs.ErrExist, syscall.ENOTEMPTY):
		return moveAway(path)
	case is(syscall.ELOOP):
		return "put what the link should lead to in its place"
	case is(syscall.ENAMETOOLONG):
		return "use a shorter path"
	case is(syscall.EMFILE, syscall.ENFILE):
		return "raise the limit of open files ('ulimit -n 4096'), or end other programs"
	case is(syscall.ENXIO, syscall.ENODEV):
		return "name a regular file"
	case is(syscall.EBUSY, syscall.ETXTBSY):
		return "end the program that uses it, then try again"
	case is(fs.ErrNotExist):
		return "check the path"
	}
	return "check the disk or the mount, then try again"
}

// accessed is the path that an error of the operating system is about, or "", and whether the
// name was to be changed there, for which the directory counts.
func accessed(err error) (path string, changes bool) {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Path, slices.Contains([]string{"mkdir", "remove", "replace"}, at.Op)
	}
	if at, ok := errors.AsType[*os.LinkError](err); ok {
		return at.New, true
	}
	return "", false
}

// isLinkError reports that a hard link could not be made.
func isLinkError(err error) bool {
	link, ok := errors.AsType[*os.LinkError](err)
	return ok && link.Op == "link" && !errors.Is(err, syscall.EROFS) && !errors.Is(err, syscall.EACCES)
}

// elsewhere is the variable that names another place than path, as the end of a sentence.
func elsewhere(path string, ofStore bool) string {
	for _, name := range []string{"REGSHAPE_KEY_FILE", "REGISTRY_AUTH_FILE", "SINGULARITY_AUTHFILE", "SINGULARITY_AUTH_FILE", "APPTAINER_AUTHFILE", "APPTAINER_AUTH_FILE"} {
		if value := os.Getenv(name); value != "" && absolute(value) == path {
			return ", or name another file with " + name
		}
	}
	switch docker := cmp.Or(os.Getenv("DOCKER_CONFIG"), filepath.Join(store.Home(), ".docker")); {
	case within(path, docker):
		return ", or name another directory with DOCKER_CONFIG"
	case ofStore:
		return ", or name another directory with REGSHAPE_STORE"
	}
	return ""
}

func moveAway(path string) string { return "move it away: '" + printable.Shell(aside(path)...) + "'" }

func aside(path string) []string { return []string{"mv", "-n", path, path + ".aside"} }

// DeleteAside is the command that deletes what a reset moved aside.
func DeleteAside(aside []string) string {
	return printable.Shell(append([]string{"rm", "-r", "--"}, aside...)...)
}

func shapeAdvice(at *durable.ShapeError) string {
	switch {
	case at.Named:
		return "name a regular file"
	case at.Is == durable.Link:
		return "put what it leads to in its place; only the store's top directory may be a link"
	case at.Is == durable.NoDir:
		return notDirectory(at.Path)
	}
	return moveAway(at.Path)
}

// notDirectory is for a file where a directory belongs, at path or above it.
func notDirectory(path string) string {
	info, err := os.Stat(path)
	for ; err != nil && filepath.Dir(path) != path; info, err = os.Stat(path) {
		path = filepath.Dir(path)
	}
	if err != nil || info.IsDir() {
		return "check the path"
	}
	for _, name := range []string{"REGSHAPE_STORE", "DOCKER_CONFIG", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "HOME", "TMPDIR", "USERPROFILE", "LOCALAPPDATA"} {
		if filepath.Clean(os.Getenv(name)) == path {
			return fmt.Sprintf("set %s to a directory: %s is a file", name, path)
		}
	}
	return fmt.Sprintf("name a directory, or move the file %s away", path)
}

// FileFix is the command that helps against an error about a file or directory, or nil.
func FileFix(err error) []string {
	path, changes := accessed(err)
	shape, odd := errors.AsType[*durable.ShapeError](err)
	switch {
	case odd && !shape.Named && (shape.Is == durable.Irregular || shape.Is == durable.Large):
		return aside(shape.Path)
	case path == "":
	case errors.Is(err, authfile.ErrIrregular), errors.Is(err, authfile.ErrTooLarge):
		return aside(path)
	case errors.Is(err, fs.ErrPermission):
		_, command := closedAt(path, changes)
		return command
	}
	return nil
}

// openUp says how the user gets access to a path.
func openUp(path string, changes bool) string {
	closed, command := closedAt(path, changes)
	switch {
	case command != nil:
		return "run '" + printable.Shell(command...) + "'"
	case within(store.Home(), closed):
		return "set " + store.HomeVariable(runtime.GOOS) + " to a directory of your own"
	}
	return "ask for access to " + closed
}

// closedAt returns the file or directory that keeps the user from a path, or from changing a name
// there, and the command that opens it up: it is their own, or root's in their home, as after
// 'sudo docker login'. Without such a command it is nil.
func closedAt(path string, changes bool) (closed string, command []string) {
	if changes {
		path = filepath.Dir(path)
	}
	info, err := os.Lstat(path)
	for ; err != nil && filepath.Dir(path) != path; info, err = os.Lstat(path) {
		path = filepath.Dir(path)
	}
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if real, linkErr := filepath.EvalSymlinks(path); linkErr == nil {
			path = real
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return path, nil
	}
	need := fs.FileMode(0o600)
	if info.IsDir() {
		need = 0o700
	}
	home := store.Home()
	change := []string{"sudo", "chown", "-R", fmt.Sprintf("%d:%d", os.Geteuid(), os.Getegid()), path}
	switch owner, known := durable.OwnerOf(info); {
	case known && owner == os.Geteuid() && info.Mode().Perm()&need != need:
		return path, []string{"chmod", "u+rwX", path}
	case !known || owner != 0 || os.Geteuid() == 0 || !within(path, home) || !ownHome(home):
		return path, nil
	case path == home: // what is in it has its own owners
		return path, slices.Delete(change, 2, 3)
	}
	return path, change
}

// ownHome reports whether a directory is the user's home, and not that of somebody whose
// environment this run has got.
func ownHome(dir string) bool {
	me, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err == nil && filepath.Clean(me.HomeDir) == dir {
		return true
	}
	info, err := os.Stat(dir)
	return err == nil && !durable.Foreign(info)
}

// ofStore reports whether a path is one of the store's, or a directory above them.
func ofStore(e *Env, path string) bool {
	loc, err := e.Locate()
	if err != nil {
		return true
	}
	path = filepath.Clean(path)
	for _, dir := range []string{loc.Data, loc.State, loc.Config} {
		if within(path, dir) || within(dir, path) {
			return true
		}
	}
	return false
}

// within reports whether a path is a directory or below it.
func within(path, dir string) bool {
	rest, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rest)
}
