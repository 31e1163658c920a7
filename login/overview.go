package login

import (
	"errors"
	"io/fs"
	"os/exec"
	"slices"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store"
)

// overviewCmd is regshape without a command.
type overviewCmd struct{}

// overview is its JSON.
type overview struct {
	Status    string   `json:"status"` // "success", also with a problem
	Version   string   `json:"version"`
	Store     string   `json:"store,omitempty"`  // the directory; absent if there is none
	Logins    *int     `json:"logins,omitempty"` // absent if the store cannot be read
	Problem   string   `json:"problem,omitempty"`
	Docker    string   `json:"docker"`    // "configured", "not-configured", "absent" or "broken"
	Podman    string   `json:"podman"`    // likewise, for skopeo and buildah too
	Plaintext []string `json:"plaintext"` // files with unencrypted logins
	Next      string   `json:"next"`      // the command to run next
}

// The states of a tool's settings.
const (
	toolConfigured    = "configured"
	toolNotConfigured = "not-configured"
	toolAbsent        = "absent"
	toolBroken        = "broken"
)

// Run prints the current state in less than ten lines.
func (overviewCmd) Run(e *app.Env) error {
	o := overview{Status: "success", Version: e.Build.Version, Docker: dockerState(e), Podman: podmanState(e), Plaintext: []string{}}
	err := o.countLogins(e)
	if err != nil {
		o.Problem = e.Problem(err)
	}
	for _, p := range lookup.Places(e) {
		if d, err := authfile.Read(p.Path, p.Format); err == nil && slices.ContainsFunc(lookup.Entries(d), lookup.IsLogin) {
			o.Plaintext = append(o.Plaintext, p.Path)
		}
	}
	if o.Next = o.next(e); errors.Is(err, store.ErrLocked) {
		o.Next = e.Own("auth", "unlock")
	}
	if e.JSON {
		return app.WriteJSON(e.Out, o)
	}
	return o.write(e)
}

func (o *overview) countLogins(e *app.Env) error {
	loc, err := e.Locate()
	if err != nil {
		return err
	}
	o.Store = loc.Data
	s, err := e.OpenStore()
	if err != nil {
		return err
	}
	found, _, err := s.List(e.Ctx)
	if err == nil {
		n := len(found)
		o.Logins = &n
	}
	return err
}

// dockerState reports whether docker uses regshape.
func dockerState(e *app.Env) string {
	d, err := authfile.Read(authfile.DockerConfig(e.Where()), authfile.Docker)
	_, missing := exec.LookPath("docker")
	switch {
	case errors.Is(err, fs.ErrNotExist) && missing != nil:
		return toolAbsent
	case errors.Is(err, fs.ErrNotExist):
		return toolNotConfigured
	case err != nil:
		return toolBroken
	case lookup.IsOwn(d.CredsStore()), slices.ContainsFunc(d.CredHelpers(), func(h authfile.CredHelper) bool { return lookup.IsOwn(h.Helper) }):
		return toolConfigured
	}
	return toolNotConfigured
}

// podmanState reports the same for podman, skopeo and buildah.
func podmanState(e *app.Env) string {
	names, _, err := lookup.PodmanHelpers(e)
	switch {
	case err != nil:
		return toolBroken
	case slices.ContainsFunc(names, lookup.IsOwn):
		return toolConfigured
	}
	for _, program := range []string{"podman", "skopeo", "buildah"} {
		if _, err := exec.LookPath(program); err == nil {
			return toolNotConfigured
		}
	}
	return toolAbsent
}

func (o *overview) next(e *app.Env) string {
	switch {
	case o.Docker == toolBroken, o.Podman == toolBroken, o.Problem != "":
		return e.Own("auth", "doctor")
	case o.Docker == toolNotConfigured, o.Podman == toolNotConfigured:
		return e.Own("auth", "setup")
	case len(o.Plaintext) > 0:
		return e.Own("auth", "import", "--remove")
	case *o.Logins == 0:
		return e.Own("auth", "login", "REGISTRY")
	}
	return e.Own("auth", "list")
}

func (o *overview) write(e *app.Env) error {
	logins := "cannot be read: " + o.Problem
	if o.Logins != nil {
		logins = terminal.Count(*o.Logins, "login")
	}
	plaintext := "none left by other tools"
	if len(o.Plaintext) > 0 {
		plaintext = strings.Join(o.Plaintext, ", ")
	}
	return e.Say(`%s
store:      %s, %s
docker:     %s
podman:     %s
plaintext:  %s
next:       %s
help:       regshape --help`, e.Build, o.Store, logins, strings.ReplaceAll(o.Docker, "-", " "), strings.ReplaceAll(o.Podman, "-", " "), plaintext, o.Next)
}
