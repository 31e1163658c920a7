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

// Problem is something about a store's files that should be mended.
type Problem struct {
	What     string
	Path     string   // of the file or directory, or of the directory that holds several
	Fix      []string // the words of a command, for a shell to quote; nil where there is none
	Err      error    // where a front end may know more than What: the error of a lookup, say
	Harmless bool     // only worth knowing
	// Unfinished says that a rotation has to be finished or taken back.
	Unfinished bool
}

// abandoned is how old a temporary file must be to be nobody's: a write takes
// milliseconds, and a clock may be off by minutes.
const abandoned = time.Hour

// maxNamed is how many files a problem names; of more it gives the number.
const maxNamed = 10

// Check looks at who has access to the store's files and directories, and for what is left
// over among them. It opens no file and changes nothing. What does not exist is fine.
func (l Location) Check(now time.Time) []Problem {
	c := checker{now: now}
	if err := l.checkWritable(); err != nil {
		c.add(Problem{What: err.Error(), Path: l.home, Err: err})
	}
	tops, below := l.dirs()
	own := slices.Compact([]string{l.Data, l.State, l.Config})
	if c.foreignTops(each(slices.Concat(own, tops)), l.home) {
		return c.problems // what is below is no news
	}
	for _, dir := range tops {
		c.dir(dir, durable.Sealed, durable.CheckTopDir) // others may look: what is secret in them is closed itself
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
		ids, _ := os.ReadDir(slots) // what cannot be listed, nothing opens either
		for _, id := range ids {
			c.dir(filepath.Join(slots, id.Name()), durable.Secret, durable.CheckDir)
		}
	}
	generations, err := l.generations()
	if err != nil {
		c.add(Problem{What: err.Error(), Path: l.v1()})
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

// foreignTops reports the directories that hold all others and belong to another user. Root's
// in a user's own place are what a run under sudo left, and can be taken over; any other
// store is its owner's, and taking it over would take it from them.
func (c *checker) foreignTops(dirs []string, home string) bool {
	found := false
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		for errors.Is(err, fs.ErrPermission) && filepath.Dir(dir) != dir { // a directory above is the closed one
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
			p.Fix = takeOver(dir)
		} else {
			p.Err = &durable.OwnerError{Path: dir, UID: owner}
		}
		c.add(p)
	}
	return found
}

// directory reports one that the store refuses, or that is open to others by any of these
// bits, and says whether to look into it.
func (c *checker) dir(path string, bits durable.Secrecy, check func(path string) error) bool {
	refused := check(path)
	if errors.Is(refused, fs.ErrNotExist) {
		return false
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		c.add(Problem{What: err.Error(), Path: path})
	case !info.IsDir():
		c.add(Problem{What: path + " is no directory", Path: path, Fix: []string{"mv", path, path + ".aside"}})
	case durable.Foreign(info):
		c.add(Problem{What: path + " belongs to another user", Path: path, Fix: takeOver(path)})
		return false // the command is for all below, too
	case durable.ModesMatter && info.Mode().Perm()&fs.FileMode(bits) != 0:
		c.add(Problem{
			What: fmt.Sprintf("other users have access to %s (mode %04o)", path, info.Mode().Perm()),
			Path: path, Fix: []string{"chmod", "700", path},
		})
	case refused != nil: // a link
		c.add(Problem{What: refused.Error(), Path: path})
		return false
	}
	return err == nil && info.IsDir()
}

// file reports one of the three single files.
func (c *checker) file(path string) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		c.add(Problem{What: err.Error(), Path: path})
		return
	}
	switch judge(info) {
	case irregular:
		c.add(Problem{What: path + " is no regular file of a sensible size", Path: path, Fix: []string{"mv", path, path + ".aside"}})
	case notOurs:
		c.add(Problem{What: path + " belongs to another user", Path: path, Fix: takeOver(path)})
	case exposed:
		c.add(Problem{
			What: fmt.Sprintf("%s should have mode 0600, not %04o", path, info.Mode().Perm()),
			Path: path, Fix: []string{"chmod", "600", path},
		})
	}
}

// entries reports the sealed files of a generation, each kind of problem once.
func (c *checker) entries(l Location, dir string) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return // directory has said why
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
		if info, err := f.Info(); err == nil { // else erased meanwhile
			s := judge(info)
			found[s] = append(found[s], filepath.Join(dir, f.Name()))
		}
	}
	for _, kind := range []struct {
		state fileState
		what  string
		fix   func(paths []string) []string
	}{
		{irregular, "in the place of entries stands what is no regular file of a sensible size", func(paths []string) []string { return l.MoveAway(paths...) }},
		{notOurs, "entries belong to another user", func(paths []string) []string { return takeOver(paths...) }},
		{exposed, "entries should have mode 0600", words("chmod", "600")},
	} {
		if paths := found[kind.state]; len(paths) > 0 {
			c.several(kind.what, dir, paths, kind.fix, false)
		}
	}
	if len(strays) > 0 {
		c.several(ErrStray.Error()+"; it harms nothing, and can be moved away", dir, strays, func([]string) []string { return nil }, true)
	}
}

// leftovers reports temporary files of runs that were killed, and what a reset moved aside.
func (c *checker) leftovers(dir string) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return // directory has said why, or there is none
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
		c.several("a change of the key has left entries under the old key", dir, retired, words("rm", "-r"), false)
	}
	if len(forgotten) > 0 {
		c.several("a reset moved these aside; delete them if the lost key will not turn up", dir, forgotten, words("rm", "-r"), true)
	}
}

// staged reports what a change of the key made that was neither committed nor taken back.
func (c *checker) staged(l Location) {
	for _, prefix := range []string{l.stagedConfig(""), l.StagedKeyFile("")} {
		files, err := os.ReadDir(filepath.Dir(prefix))
		if err != nil {
			continue // directory has said why, or there is none
		}
		for _, f := range files {
			info, err := f.Info()
			if err != nil || !strings.HasPrefix(f.Name(), filepath.Base(prefix)) || c.now.Sub(info.ModTime()) <= abandoned {
				continue
			}
			c.add(Problem{
				What: "a change of the key was cut short: " + filepath.Join(filepath.Dir(prefix), f.Name()),
				Path: filepath.Dir(prefix), Unfinished: true,
			})
			return // the command mends all of it
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

// judge says whether the store would read the file, and nobody else.
func judge(info fs.FileInfo) fileState {
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

// takeOver makes files this user's, as after a run under sudo.
func takeOver(paths ...string) []string {
	owner := strconv.Itoa(os.Geteuid()) + ":" + strconv.Itoa(os.Getegid())
	return append([]string{"sudo", "chown", "-R", owner}, paths...)
}

// MoveAway is the command that takes what cannot be opened from among the entries to where
// nothing reads it. It deletes nothing: another key may open it.
func (l Location) MoveAway(entries ...string) []string {
	return append(append([]string{"mv", "-n"}, entries...), l.v1())
}

func words(command ...string) func([]string) []string {
	return func(paths []string) []string { return append(slices.Clone(command), paths...) }
}
