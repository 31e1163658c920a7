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

// secondName is the name by which docker and podman run this program.
type secondName struct {
	program string // docker-credential-regshape, or that of a profile
	path    string // beside the running program, also if missing
	target  string // file name of the running program, in the same directory
	missing bool   // nothing is at path
	made    bool   // by this run
}

// findSecondName looks beside the running program. If that is a link on PATH, it looks
// beside the link, since that is where the user keeps programs. The second name links to
// that name, not to the link's target, so it stays valid when the program is updated.
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
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// create creates the second name: a link, or a copy on Windows, where links need a
// privilege.
func (n *secondName) create() error {
	if runtime.GOOS != "windows" {
		if err := os.Symlink(n.target, n.path); err != nil {
			return fmt.Errorf("create the second program name: %w", err)
		}
	} else {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(n.path), n.target))
		if err == nil {
			err = os.WriteFile(n.path, data, 0o700) //nolint:gosec // a program, for its owner
		}
		if err != nil {
			return fmt.Errorf("create the second program name: %w", err)
		}
	}
	n.made, n.missing = true, false
	return nil
}

// remove removes the second name if it is still the link or copy that setup created.
func (n secondName) remove() error {
	link, err := os.Readlink(n.path)
	linked := err == nil && link == n.target
	copied := err != nil && runtime.GOOS == "windows" && sameContent(n.path, filepath.Join(filepath.Dir(n.path), n.target))
	if !linked && !copied {
		return nil
	}
	if err := os.Remove(n.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the second program name: %w", err)
	}
	return nil
}

func sameContent(a, b string) bool {
	dataA, errA := os.ReadFile(a)
	dataB, errB := os.ReadFile(b)
	return errA == nil && errB == nil && bytes.Equal(dataA, dataB)
}

// reach checks that the second name is found on PATH and runs, and creates it if necessary.
// Otherwise it leaves nothing behind, and the refusal says what to do.
func (s *setup) reach(n *secondName) error {
	dir := filepath.Dir(n.path)
	_, err := exec.LookPath(n.program)
	found := err == nil
	if !found && !dirOnPath(dir) {
		line, file := app.PathLine(s.Where().GOOS, s.Getenv("SHELL"), s.Where().Home, dir)
		do := "add this line to " + file
		if file == "" {
			do = "run this in PowerShell"
		}
		return &refusal{
			fmt.Sprintf("docker and podman find programs through PATH, and %s is not on it; nothing was written", dir),
			fmt.Sprintf("%s, open a new terminal and run setup again:\n  %s", do, line),
		}
	}
	if n.missing {
		s.changed(n.path, "linked")
		if s.DryRun {
			if !found {
				return nil // nothing to run yet
			}
		} else if err := n.create(); err != nil && !found {
			return &refusal{err.Error(), "install regshape in a directory on PATH that you can write to"}
		} else if err != nil {
			// It is elsewhere on PATH; this is a read-only installation.
			s.result.Changed = s.result.Changed[:0]
		}
	}
	if err := s.checkHelper(*n); err != nil {
		if n.made {
			_ = n.remove() // the first error is the one to report
		}
		if s.Ctx.Err() != nil {
			return err
		}
		return &refusal{fmt.Sprintf("%v; nothing was written", err), "repair or remove that program and run setup again"}
	}
	return nil
}

// checkHelper runs the helper on PATH, as docker and podman do.
func (s *setup) checkHelper(n secondName) error {
	path, err := exec.LookPath(n.program)
	if err != nil {
		return fmt.Errorf("%s is a broken link or not executable", n.path)
	}
	version, err := app.VersionOf(s.Ctx, path, "version")
	switch {
	case s.Ctx.Err() != nil:
		return s.Ctx.Err()
	case err != nil:
		return fmt.Errorf("%s, found on PATH, does not run: %w", path, err)
	case !strings.Contains(version, "(regshape)"):
		return fmt.Errorf("%s, found on PATH, is another program", path)
	}
	return nil
}

// dirOnPath reports whether a directory is on PATH, by any of its names.
func dirOnPath(dir string) bool {
	for _, d := range filepath.SplitList(os.Getenv("PATH")) {
		if filepath.IsAbs(d) && (filepath.Clean(d) == dir || sameFile(d, dir)) {
			return true
		}
	}
	return false
}
