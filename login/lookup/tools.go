package lookup

import (
	"errors"
	"io/fs"
	"slices"

	"regshape/login/app"
	"regshape/login/authfile"
)

// The states of a tool's settings: whether it uses regshape.
const (
	Configured    = "configured"
	NotConfigured = "not-configured"
	Absent        = "absent"
	Broken        = "broken"
)

// DockerState is docker's.
func DockerState(e *app.Env) string {
	d, err := authfile.Read(authfile.DockerConfig(e.Where()), authfile.Docker)
	switch {
	case errors.Is(err, fs.ErrNotExist) && Installed("docker") == "":
		return Absent
	case errors.Is(err, fs.ErrNotExist):
		return NotConfigured
	case err != nil:
		return Broken
	case IsOwn(d.CredsStore()), slices.ContainsFunc(d.CredHelpers(), func(h authfile.CredHelper) bool { return IsOwn(h.Helper) }):
		return Configured
	}
	return NotConfigured
}

// PodmanState is that of podman, skopeo and buildah.
func PodmanState(e *app.Env) string {
	names, _, err := PodmanHelpers(e)
	switch {
	case err != nil:
		return Broken
	case slices.ContainsFunc(names, IsOwn):
		return Configured
	case Installed("podman", "skopeo", "buildah") == "":
		return Absent
	}
	return NotConfigured
}

// NoneUses reports whether docker or podman is there, and neither uses regshape: setup has
// not been run.
func NoneUses(e *app.Env) bool {
	states := []string{DockerState(e), PodmanState(e)}
	return slices.Contains(states, NotConfigured) && !slices.Contains(states, Configured)
}
