package login

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"regshape/store"
	"regshape/store/printable"
)

// ownHelperProgram is the program that docker and podman run.
const ownHelperProgram = "docker-credential-" + ownHelper

// programsCheck looks whether a shell, and so docker, finds both names, and finds this
// build of them.
type programsCheck struct{}

func (programsCheck) name() string { return "programs" }

func (programsCheck) run(e *env) []finding {
	self, err := os.Executable()
	if err != nil {
		return []finding{bad("the system does not say where this program is: "+err.Error(), "", "")}
	}
	here := filepath.Dir(self)
	front, problem := judge(e, "regshape", self, e.Build.String())
	var found []finding
	if problem == nil {
		// self may be behind a link; a second link belongs beside the first.
		here = filepath.Dir(front)
	} else {
		problem.Fix = onPath(e, here)
		found = append(found, *problem)
	}
	helper, problem := judge(e, ownHelperProgram, self, fmt.Sprintf("%s (regshape) %s", ownHelperProgram, e.Build.Version))
	if problem != nil {
		problem.Fix = beside(e, here, ownHelperProgram)
		found = append(found, *problem)
	}
	if len(found) == 0 {
		found = append(found, good("both names are on PATH, same build: "+front+", "+helper, ""))
	}
	return found
}

// onPath is the line that puts a folder on PATH, and where it belongs.
func onPath(e *env, folder string) string {
	line, file := pathLine(e.Getenv("SHELL"), e.where().Home, folder)
	return line + " # put this line into " + file
}

// judge finds a program as a shell does and asks it for its version. The finding that it
// returns still lacks the fix.
func judge(e *env, name, self, want string) (path string, problem *finding) {
	path, err := exec.LookPath(name)
	if err != nil {
		// An ErrDot, too: docker runs nothing from the present folder.
		f := bad(fmt.Sprintf("%s is not on PATH", name), "", "")
		return "", &f
	}
	says, err := versionOf(e.ctx, path)
	switch {
	case err != nil:
		f := bad(fmt.Sprintf("%s is found first and does not run: %v", path, err), path, "")
		return path, &f
	case says != want:
		f := bad(fmt.Sprintf("%s is found first and is another build: it says %q, and this program, %s, is %q",
			path, printable.Line(says, 120), self, want), path, "")
		return path, &f
	}
	return path, nil
}

// beside is the command that makes a second name of regshape's found on PATH.
func beside(e *env, folder, name string) string {
	path := filepath.Join(folder, name)
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 == 0 && runtime.GOOS != "windows":
		return printable.Shell("chmod", "755", path)
	case err == nil:
		return onPath(e, folder)
	}
	// -f: a link that leads nowhere may be in the way.
	link := printable.Shell("ln", "-sf", "regshape", path)
	if runtime.GOOS == "windows" {
		link = printable.Shell("copy", filepath.Join(folder, "regshape.exe"), path+".exe")
	}
	if found, err := exec.LookPath("regshape"); err == nil && filepath.Dir(found) == folder {
		return link
	}
	return link + " && " + onPath(e, folder)
}

// missingHelper is the finding about a helper that another tool's settings name and
// that is not on PATH; nil where it is there.
func missingHelper(name, namedBy, where, fix string) *finding {
	program := "docker-credential-" + name
	if _, err := exec.LookPath(program); err == nil {
		return nil
	}
	if isOwn(name) {
		self, err := exec.LookPath("regshape")
		if err != nil || name == ownHelper {
			return nil // programsCheck says so
		}
		fix = printable.Shell("ln", "-sf", "regshape", filepath.Join(filepath.Dir(self), program))
	}
	f := bad(fmt.Sprintf("%s names %s, which is not on PATH", namedBy, program), where, fix)
	return &f
}

// versionOf runs a program with the one word version.
func versionOf(ctx context.Context, path string) (string, error) {
	const limit = 10 * time.Second // a cold start from a network drive takes seconds
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Env = store.ChildEnvironment(os.Environ())
	cmd.WaitDelay = time.Second // for children of its that hold the output open
	out := &head{limit: 1 << 10}
	cmd.Stdout = out
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("it did not answer within %v", limit)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return "", err
	}
	return strings.TrimSpace(string(out.data)), nil
}

// head keeps the beginning of what is written.
type head struct {
	data  []byte
	limit int
}

func (h *head) Write(p []byte) (int, error) {
	h.data = append(h.data, p[:min(len(p), h.limit-len(h.data))]...)
	return len(p), nil
}

// firstOnPath is the first of these programs that is installed, or "".
func firstOnPath(names ...string) string {
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return name
		}
	}
	return ""
}
