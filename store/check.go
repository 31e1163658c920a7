package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"regshape/store/durable"
	"regshape/store/printable"
)

// Problem is something about a store's files that should be fixed.
type Problem struct {
	What     string
	Path     string   // of the file or directory, or of the directory that holds several
	Fix      []string // the words of a command, for a shell to quote; nil if there is none
	Err      error    // if a front end may know more than What: the error of a lookup, say
	Harmless bool     // worth knowing, nothing to fix
	// Unfinished means that a rotation has to be resumed or aborted.
	Unfinished bool
}

// abandoned is how old a temporary file must be to count as left over: a write takes
// milliseconds, and a clock may be off by minutes.
const abandoned = time.Hour

// maxNamed is how many files a problem names; the rest it counts.
const maxNamed = 10

// Check reports who else has access to the store's files and directories, and leftovers among
// them. It opens no file and changes nothing. What does not exist is fine.
func (l Location) Check(now time.Time) []Problem {
	c := checker{now: now}
	if err := l.checkWritable(); err != nil {
		c.add(Problem{What: err.Error(), Path: l.home, Err: err})
	}
	tops, below := l.dirs()
	own := slices.Compact([]string{l.Data, l.State, l.Config})
	if c.foreignTops(each(slices.Concat(own, tops)), l.home) {
		return c.problems // what is below belongs to them, too
	}
	if c.unreachable(own) {
		return c.problems
	}
	for _, dir := range tops {
		c.dir(dir, durable.Sealed, durable.CheckTopDir) // others may list them: secrets below are private themselves
	}
	for _, dir := range below {
		if dir != l.v1() {
			c.dir(dir, durable.Sealed, durable.CheckDir)
		}
	}
	for _, dir := range own {
		c.leftovers(dir)
	}
	for _, path := range []string{l.KeyFile(), l.namesFile(), l.configFile()} {
		c.file(path)
	}
	c.staged(l)
	if !c.dir(l.v1(), durable.Secret, durable.CheckDir) {
		return c.problems
	}
	c.leftovers(l.v1())
	if slots := filepath.Dir(l.SlotsDir("")); c.dir(slots, durable.Secret, durable.CheckDir) {
		ids, _ := durable.ReadDir(slots) // nothing can be opened in an unreadable directory
		for _, id := range ids {
			c.dir(filepath.Join(slots, id.Name()), durable.Secret, durable.CheckDir)
		}
	}
	generations, err := l.generations()
	if err != nil {
		c.add(Problem{What: err.Error(), Path: l.v1(), Err: err})
	}
	for _, kid := range generations {
		if dir := l.Generation(kid); c.dir(dir, durable.Secret, durable.CheckDir) {
			c.leftovers(dir)
			c.entries(l, dir)
		}
	}
	return c.problems
}

type checker struct {
	now      time.Time
	problems []Problem
}

func (c *checker) add(p Problem) { c.problems = append(c.problems, p) }

// foreignTops reports top directories that belong to another user. Root's in a user's home
// were left by a run under sudo, and can be given to the user; any other store belongs to its
// owner.
func (c *checker) foreignTops(dirs []string, home string) bool {
	found := false
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		for errors.Is(err, fs.ErrPermission) && filepath.Dir(dir) != dir { // a parent is the unreadable one
			dir = filepath.Dir(dir)
			info, err = os.Stat(dir)
		}
		if err != nil || !durable.Foreign(info) {
			continue
		}
		found = true
		owner, _ := durable.OwnerOf(info)
		p := Problem{What: fmt.Sprintf("%s belongs to uid %d and you are uid %d", dir, owner, os.Geteuid()), Path: dir}
		if owner == 0 && home != "" && strings.HasPrefix(dir, home+string(filepath.Separator)) {
			p.Fix = chownToUser(dir)
		} else {
			p.Err = &durable.OwnerError{Path: dir, UID: owner}
		}
		c.add(p)
	}
	return found
}

// unreachable reports directories that nothing can be in: a file stands there or above, or the
// path is too long.
func (c *checker) unreachable(dirs []string) bool {
	before := len(c.problems)
	for _, dir := range dirs {
		switch info, err := os.Stat(dir); {
		case err == nil && !info.IsDir():
			c.notDir(dir)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			c.add(Problem{What: err.Error(), Path: dir, Err: err})
		}
	}
	return len(c.problems) > before
}

// dir reports a directory that the store refuses, or that any of these bits opens to others,
// and returns whether to look into it.
func (c *checker) dir(path string, bits durable.Secrecy, check func(path string) error) bool {
	refused := check(path)
	if errors.Is(refused, fs.ErrNotExist) {
		return false
	}
	info, err := os.Stat(path)
	shape, odd := errors.AsType[*durable.ShapeError](refused)
	switch {
	case odd && shape.Is == durable.Link:
		c.add(Problem{What: refused.Error(), Path: path, Err: refused})
		return false
	case err != nil:
		c.add(Problem{What: err.Error(), Path: path, Err: err})
	case !info.IsDir():
		c.notDir(path)
	case durable.Foreign(info):
		c.add(Problem{What: path + " belongs to another user", Path: path, Fix: chownToUser(path)})
		return false // the command is for all below, too
	default:
		c.exposed(path, info, bits)
	}
	return err == nil && info.IsDir()
}

// exposed reports a file or directory that others have access to.
func (c *checker) exposed(path string, info fs.FileInfo, bits durable.Secrecy) {
	switch how, fix, err := durable.Exposed(path, info, bits); {
	case err != nil:
		c.add(Problem{What: err.Error(), Path: path, Err: err})
	case how != "":
		c.add(Problem{What: fmt.Sprintf("other users have access to %s (%s)", path, how), Path: path, Fix: fix})
	}
}

func (c *checker) notDir(path string) {
	c.add(Problem{What: path + " is not a directory", Path: path, Fix: []string{"mv", path, path + ".aside"}})
}

// file reports one of the three single files.
func (c *checker) file(path string) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		c.add(Problem{What: err.Error(), Path: path, Err: err})
		return
	}
	switch classify(info) {
	case irregular:
		c.add(Problem{What: path + " is not a regular file of a sensible size", Path: path, Fix: []string{"mv", path, path + ".aside"}})
	case notOurs:
		c.add(Problem{What: path + " belongs to another user", Path: path, Fix: chownToUser(path)})
	case exposed:
		c.add(Problem{
			What: fmt.Sprintf("%s should have mode 0600, not %04o", path, info.Mode().Perm()),
			Path: path, Fix: []string{"chmod", "600", path},
		})
	case sound:
		c.exposed(path, info, durable.Secret)
	}
}

// entries reports the sealed files of a generation, each kind of problem once.
func (c *checker) entries(l Location, dir string) {
	files, err := durable.ReadDir(dir)
	if err != nil {
		return // dir has reported it
	}
	found := map[fileState][]string{}
	var strays []string
	for _, f := range files {
		switch path := filepath.Join(dir, f.Name()); {
		case isHidden(f.Name()):
			continue
		case !isEntryName(f.Name()):
			strays = append(strays, path)
			continue
		}
		if info, err := f.Info(); err == nil { // else it was erased meanwhile
			s := classify(info)
			found[s] = append(found[s], filepath.Join(dir, f.Name()))
		}
	}
	for _, kind := range []struct {
		state fileState
		what  string
		fix   func(paths []string) []string
	}{
		{irregular, "entries are not regular files of a sensible size", func(paths []string) []string { return l.MoveAway(paths...) }},
		{notOurs, "entries belong to another user", func(paths []string) []string { return chownToUser(paths...) }},
		{exposed, "entries should have mode 0600", words("chmod", "600")},
	} {
		if paths := found[kind.state]; len(paths) > 0 {
			c.several(kind.what, dir, paths, kind.fix, false)
		}
	}
	if len(strays) > 0 {
		c.several(ErrStray.Error()+"; it does no harm, and can be moved away", dir, strays, func([]string) []string { return nil }, true)
	}
}

// leftovers reports temporary files of runs that were killed, and what a reset moved aside.
func (c *checker) leftovers(dir string) {
	files, err := durable.ReadDir(dir)
	if err != nil {
		return // dir has reported it, or it does not exist
	}
	var temporary, retired, forgotten []string
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		info, err := f.Info()
		switch {
		case err != nil: // removed meanwhile
		case strings.HasPrefix(f.Name(), ".tmp-") && info.Mode().IsRegular() && c.now.Sub(info.ModTime()) > abandoned:
			temporary = append(temporary, path)
		case strings.HasPrefix(f.Name(), retiredPrefix) && f.IsDir() && c.now.Sub(info.ModTime()) > abandoned:
			retired = append(retired, path)
		case isAside(f.Name()):
			forgotten = append(forgotten, path)
		}
	}
	if len(temporary) > 0 {
		c.several("temporary files of interrupted runs are left", dir, temporary, words("rm"), false)
	}
	if len(retired) > 0 {
		c.several("a key change left entries under the old key", dir, retired, words("rm", "-r"), false)
	}
	if len(forgotten) > 0 {
		c.several("a reset moved these aside; delete them if the lost key will not turn up", dir, forgotten, words("rm", "-r"), true)
	}
}

// staged reports what a key change made that was neither committed nor aborted.
func (c *checker) staged(l Location) {
	for _, prefix := range []string{l.stagedConfig(""), l.StagedKeyFile("")} {
		files, err := durable.ReadDir(filepath.Dir(prefix))
		if err != nil {
			continue // dir has reported it, or it does not exist
		}
		for _, f := range files {
			info, err := f.Info()
			if err != nil || !strings.HasPrefix(f.Name(), filepath.Base(prefix)) || c.now.Sub(info.ModTime()) <= abandoned {
				continue
			}
			c.add(Problem{
				What: "a key change was interrupted: " + filepath.Join(filepath.Dir(prefix), f.Name()),
				Path: filepath.Dir(prefix), Unfinished: true,
			})
			return // one command fixes all of it
		}
	}
}

func (c *checker) several(what, dir string, paths []string, fix func([]string) []string, harmless bool) {
	if more := len(paths) - maxNamed; more > 0 {
		paths = paths[:maxNamed]
		what += fmt.Sprintf(" (these %d and %d more)", maxNamed, more)
	}
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = printable.Name(path)
	}
	c.add(Problem{What: what + ": " + strings.Join(names, ", "), Path: dir, Fix: fix(paths), Harmless: harmless})
}

// fileState is what can be wrong with a file.
type fileState int

const (
	sound fileState = iota
	irregular
	notOurs
	exposed
)

// classify checks that the store can read a file, and nobody else.
func classify(info fs.FileInfo) fileState {
	mode := info.Mode()
	switch {
	case !mode.IsRegular() || info.Size() > durable.MaxFile:
		return irregular
	case durable.Foreign(info):
		return notOurs
	case durable.ModesMatter && (mode.Perm()&fs.FileMode(durable.Secret) != 0 || mode.Perm()&0o400 == 0):
		return exposed
	}
	return sound
}

// chownToUser is the command that gives files to this user, as after a run under sudo.
func chownToUser(paths ...string) []string {
	owner := strconv.Itoa(os.Geteuid()) + ":" + strconv.Itoa(os.Getegid())
	return append([]string{"sudo", "chown", "-R", owner}, paths...)
}

// MoveAway is the command that moves unreadable entries to where nothing reads them. It
// deletes nothing: another key may open them.
func (l Location) MoveAway(entries ...string) []string {
	return append(append([]string{"mv", "-n"}, entries...), l.v1())
}

func words(command ...string) func([]string) []string {
	return func(paths []string) []string { return append(slices.Clone(command), paths...) }
}
