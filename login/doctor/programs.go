package doctor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"regshape/login/app"
	"regshape/login/lookup"
	"regshape/store/printable"
)

// ownHelperProgram is the program that docker and podman run.
const ownHelperProgram = "docker-credential-" + lookup.OwnHelper

// programsCheck looks whether a shell, and so docker, finds both names, and finds this
// build of them.
type programsCheck struct{}

func (programsCheck) name() string { return "programs" }

func (programsCheck) run(e *app.Env) []finding {
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
func onPath(e *app.Env, folder string) string {
	line, file := app.PathLine(e.Getenv("SHELL"), e.Where().Home, folder)
	return line + " # put this line into " + file
}

// judge finds a program as a shell does and asks it for its version. The finding that it
// returns still lacks the fix.
func judge(e *app.Env, name, self, want string) (path string, problem *finding) {
	path, err := exec.LookPath(name)
	if err != nil {
		// An ErrDot, too: docker runs nothing from the present folder.
		f := bad(fmt.Sprintf("%s is not on PATH", name), "", "")
		return "", &f
	}
	says, err := app.VersionOf(e.Ctx, path)
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
func beside(e *app.Env, folder, name string) string {
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
	if lookup.IsOwn(name) {
		self, err := exec.LookPath("regshape")
		if err != nil || name == lookup.OwnHelper {
			return nil // programsCheck says so
		}
		fix = printable.Shell("ln", "-sf", "regshape", filepath.Join(filepath.Dir(self), program))
	}
	f := bad(fmt.Sprintf("%s names %s, which is not on PATH", namedBy, program), where, fix)
	return &f
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
