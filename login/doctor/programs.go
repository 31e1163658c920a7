package doctor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store/durable"
	"regshape/store/printable"
)

// ownHelperProgram is the program that docker and podman run.
const ownHelperProgram = "docker-credential-" + lookup.OwnHelper

// checkPrograms checks that a shell, and so docker, finds both names of this build.
func checkPrograms(e *app.Env, _ *storeState) []finding {
	self, err := os.Executable()
	if err != nil {
		return []finding{badError(e, "the path of this program is unknown: "+err.Error(), err, "")}
	}
	here := filepath.Dir(self)
	front, problem := checkProgram(e, "regshape", self, e.Build.String())
	var found []finding
	if problem == "" {
		// self may be the target of a link; the second link belongs beside the first.
		here = filepath.Dir(front)
	} else {
		found = append(found, bad(problem, front, onPath(e, here)))
	}
	helper, problem := checkProgram(e, ownHelperProgram, self, fmt.Sprintf("%s (regshape) %s", ownHelperProgram, e.Build.Version))
	if problem != "" {
		found = append(found, bad(problem, helper, secondName(e, here, ownHelperProgram)))
	}
	if len(found) == 0 {
		found = append(found, good("both names are on PATH, same build: "+front+", "+helper, ""))
	}
	return found
}

// onPath is the line that adds a directory to PATH, and the file for it.
func onPath(e *app.Env, dir string) string {
	line, file := app.PathLine(e.Where().GOOS, e.Getenv("SHELL"), e.Where().Home, dir)
	if file == "" {
		return line
	}
	return line + " # add this line to " + file
}

// checkProgram finds a program like a shell and compares its version. Without a problem it is "".
func checkProgram(e *app.Env, name, self, want string) (path, problem string) {
	path, err := exec.LookPath(name)
	if err != nil {
		// Also for ErrDot: docker runs nothing from the current directory.
		return "", name + " is not on PATH"
	}
	version, err := app.VersionOf(e.Ctx, path, "version")
	switch {
	case err != nil:
		problem = fmt.Sprintf("%s is first on PATH and does not run: %v", path, err)
	case version != want:
		problem = fmt.Sprintf("%s is first on PATH and is another build: %q, while this program, %s, is %q",
			path, printable.Line(version, 120), self, want)
	}
	return path, problem
}

// secondName is the command that puts another name of regshape on PATH.
func secondName(e *app.Env, dir, name string) string {
	path, link := linkCommand(e.Where().GOOS, dir, name)
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 == 0 && durable.ModesMatter:
		return printable.Shell("chmod", "755", path)
	case err == nil:
		return onPath(e, dir)
	}
	if found, err := exec.LookPath("regshape"); err == nil && filepath.Dir(found) == dir {
		return link
	}
	if !durable.ModesMatter { // Windows' own PowerShell has no &&
		return link + "; " + onPath(e, dir)
	}
	return link + " && " + onPath(e, dir)
}

// linkCommand is the file of another name of regshape in a directory, and the command that
// makes it.
func linkCommand(goos, dir, name string) (path, command string) {
	path = filepath.Join(dir, name)
	if goos == "windows" {
		return path + ".exe", printable.Shell("copy", filepath.Join(dir, "regshape.exe"), path+".exe")
	}
	return path, printable.Shell("ln", "-sf", "regshape", path) // -f: there may be a broken link
}

// missingHelper reports a helper in another tool's settings that is not on PATH.
func missingHelper(name, namedBy, where, fix string) []finding {
	program := "docker-credential-" + name
	if _, err := exec.LookPath(program); err == nil {
		return nil
	}
	if lookup.IsOwn(name) {
		self, err := exec.LookPath("regshape")
		if err != nil || name == lookup.OwnHelper {
			return nil // reported by checkPrograms
		}
		_, fix = linkCommand(runtime.GOOS, filepath.Dir(self), program)
	}
	if path := authfile.NotExecutable(program); path != "" {
		return []finding{bad(fmt.Sprintf("%s names %s, which is not executable", namedBy, path), where, printable.Shell("chmod", "755", path))}
	}
	return []finding{bad(fmt.Sprintf("%s names %s, which is not on PATH", namedBy, program), where, fix)}
}
