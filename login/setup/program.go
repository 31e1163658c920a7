package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"regshape/login/app"
	"regshape/login/lookup"
)

// secondName is the name under which docker and podman start the running program.
type secondName struct {
	program string // docker-credential-regshape, or that of a profile
	path    string // where it stands, or would stand, beside the running program
	target  string // the file name of the running program, in the same folder
	missing bool   // nothing stands at path
	made    bool   // this run made it
}

// findSecondName looks beside the running program. Of a program that is a link on PATH,
// the folder of the link counts: that is where the user keeps programs. A link to the
// neighbour, not to where that leads, stays right when the program is updated.
func findSecondName(helper string) (secondName, error) {
	self, err := os.Executable()
	if err != nil {
		return secondName{}, fmt.Errorf("find the running program: %w", err)
	}
	if found, err := exec.LookPath(lookup.OwnHelper); err == nil && sameFile(found, self) {
		self = found
	}
	if self, err = filepath.Abs(self); err != nil {
		return secondName{}, fmt.Errorf("find the running program: %w", err)
	}
	n := secondName{program: "docker-credential-" + helper, target: filepath.Base(self)}
	n.path = filepath.Join(filepath.Dir(self), n.program)
	if runtime.GOOS == "windows" {
		n.path += ".exe"
	}
	_, err = os.Lstat(n.path)
	n.missing = errors.Is(err, fs.ErrNotExist)
	return n, nil
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a) //nolint:gosec // both paths are those of programs that the user runs
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// create puts the second name there: a link, and on Windows, where links need a privilege,
// a copy.
func (n *secondName) create() error {
	if runtime.GOOS != "windows" {
		if err := os.Symlink(n.target, n.path); err != nil {
			return fmt.Errorf("make the second program name: %w", err)
		}
	} else {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(n.path), n.target))
		if err == nil {
			err = os.WriteFile(n.path, data, 0o700) //nolint:gosec // a program, for its owner
		}
		if err != nil {
			return fmt.Errorf("make the second program name: %w", err)
		}
	}
	n.made, n.missing = true, false
	return nil
}

// remove takes the second name away if it is still the link, or the copy, that was made.
func (n secondName) remove() error {
	if link, err := os.Readlink(n.path); err == nil {
		if link != n.target {
			return nil
		}
		return os.Remove(n.path)
	}
	if runtime.GOOS != "windows" || !sameContent(n.path, filepath.Join(filepath.Dir(n.path), n.target)) {
		return nil
	}
	return os.Remove(n.path)
}

func sameContent(a, b string) bool {
	dataA, errA := os.ReadFile(a)
	dataB, errB := os.ReadFile(b)
	return errA == nil && errB == nil && bytes.Equal(dataA, dataB)
}

// reach sees to it that PATH finds the second name and that it runs, and makes it if need
// be. Otherwise nothing is left behind, and the refusal says what to do.
func (s *setup) reach(n *secondName) error {
	dir := filepath.Dir(n.path)
	_, err := exec.LookPath(n.program)
	found := err == nil
	if !found && !folderOnPath(dir) {
		line, file := app.PathLine(s.Getenv("SHELL"), s.Where().Home, dir)
		return &refusal{
			fmt.Sprintf("docker and podman find programs through PATH, and %s is not on it; nothing was written", dir),
			fmt.Sprintf("add this line to %s, open a new terminal and run setup again:\n  %s", file, line),
		}
	}
	if n.missing {
		s.changed(n.path, "linked")
		if s.DryRun {
			if !found {
				return nil // nothing to run yet
			}
		} else if err := n.create(); err != nil && !found {
			return &refusal{err.Error(), "install regshape in a folder of yours that is on PATH"}
		} else if err != nil {
			// PATH finds the program elsewhere; this is a read-only installation.
			s.result.Changed = s.result.Changed[:0]
		}
	}
	if err := s.answers(*n); err != nil {
		if n.made {
			_ = n.remove() // the first error is the one to tell
		}
		if s.Ctx.Err() != nil {
			return err
		}
		return &refusal{fmt.Sprintf("%v; nothing was written", err), "repair or remove that program and run setup again"}
	}
	return nil
}

// answers runs the helper that PATH finds, as docker and podman will.
func (s *setup) answers(n secondName) error {
	path, err := exec.LookPath(n.program)
	if err != nil {
		return fmt.Errorf("%s leads nowhere or is no program", n.path)
	}
	says, err := app.VersionOf(s.Ctx, path)
	switch {
	case s.Ctx.Err() != nil:
		return s.Ctx.Err()
	case err != nil:
		return fmt.Errorf("%s, which PATH finds, does not run: %w", path, err)
	case !strings.Contains(says, "(regshape)"):
		return fmt.Errorf("%s, which PATH finds, is another program", path)
	}
	return nil
}

// folderOnPath reports whether a folder is on PATH, under any of its names.
func folderOnPath(dir string) bool {
	for _, d := range filepath.SplitList(os.Getenv("PATH")) {
		if filepath.IsAbs(d) && (filepath.Clean(d) == dir || sameFile(d, dir)) {
			return true
		}
	}
	return false
}
