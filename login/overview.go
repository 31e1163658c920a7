package login

import (
	"errors"
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

// Run prints the current state in less than ten lines.
func (overviewCmd) Run(e *app.Env) error {
	o := overview{Status: "success", Version: e.Build.Version, Docker: lookup.DockerState(e), Podman: lookup.PodmanState(e), Plaintext: []string{}}
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

func (o *overview) next(e *app.Env) string {
	switch {
	case o.Docker == lookup.Broken, o.Podman == lookup.Broken, o.Problem != "":
		return e.Own("auth", "doctor")
	case o.Docker == lookup.NotConfigured, o.Podman == lookup.NotConfigured:
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
