package account

import (
	"net/url"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/term"

	"regshape/login/app"
	"regshape/store/process"
)

// openBrowser shows a page where there is somebody to see it. That it fails is no error:
// the link stands on the terminal.
func openBrowser(e *app.Env, link string) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return // it is handed to a program that opens files and starts programs, too
	}
	command := browserCommand(runtime.GOOS, e.Getenv)
	if len(command) == 0 || !term.IsTerminal(int(e.In.Fd())) {
		return
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return
	}
	cmd := exec.Command(path, append(command[1:], u.String())...) //nolint:gosec // a fixed program; the URL is one argument, and no shell reads it
	cmd.Env = process.ChildEnvironment(os.Environ())
	detach(cmd)
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }() // whatever became of it
	}
}

// browserCommand is the program that opens a URL, or nil where nobody would see it.
func browserCommand(goos string, getenv func(string) string) []string {
	switch {
	case getenv("SSH_CONNECTION") != "":
		return nil // it would open at the far end
	case goos == "darwin":
		return []string{"open"}
	case goos == "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	case getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != "":
		return []string{"xdg-open"}
	}
	return nil
}
