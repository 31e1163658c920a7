package login

import (
	"os"
	"runtime"
	"slices"
	"strings"

	"regshape/login/authfile"
	"regshape/store"
)

// ownHelper is the name under which docker's and podman's settings know regshape.
const ownHelper = "regshape"

// place is a file in which another tool keeps logins. It need not exist.
type place struct {
	tool   string // "docker", "podman", "singularity" or "microagent"
	path   string
	format authfile.Format
}

// where is what the places of other tools depend on.
func (e *env) where() authfile.Env {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // nothing below it exists then
	}
	return authfile.Env{Getenv: e.Getenv, Home: home, GOOS: runtime.GOOS, UID: os.Getuid(), DockerConfig: e.DockerConfig}
}

// places lists the files of other tools in the order in which their logins count.
func (e *env) places() []place {
	w := e.where()
	places := []place{{"docker", authfile.DockerConfig(w), authfile.Docker}}
	for _, path := range authfile.ContainersAuth(w) {
		places = append(places, place{"podman", path, authfile.Containers})
	}
	places = append(places, place{"docker", authfile.Dockercfg(w), authfile.DockercfgFormat})
	for _, path := range authfile.Singularity(w) {
		places = append(places, place{"singularity", path, authfile.Docker})
	}
	places = append(places, place{"microagent", authfile.Microagent(w), authfile.Containers})
	seen := map[string]bool{"": true} // without a home there are no paths
	return slices.DeleteFunc(places, func(p place) bool {
		known := seen[p.path]
		seen[p.path] = true
		return known
	})
}

// authfile is the file that --authfile or an environment variable names in place of
// everything else, and what named it; both "" where nothing does.
func (e *env) authfile() (path, namedBy string) {
	if e.Authfile != "" {
		return e.Authfile, "--authfile"
	}
	return authfile.AuthfileVariable(e.where())
}

// foreign is another tool's credential helper. What it says beside its answers is shown.
func (e *env) foreign(name string) authfile.Helper {
	return authfile.Helper{Name: name, Warn: func(text string) { e.warn("%s", text) }}
}

// ownProfile recognizes regshape's names among helpers': "regshape" is the present
// profile, "regshape-NAME" another one.
func ownProfile(helper, present string) (profile string, own bool) {
	if helper == ownHelper {
		return present, true
	}
	profile, own = strings.CutPrefix(helper, ownHelper+"-")
	return profile, own && store.CheckProfile(profile) == nil
}

// isOwn reports whether a helper's name in settings means regshape or a profile of it.
func isOwn(helper string) bool {
	_, own := ownProfile(helper, "")
	return own
}
