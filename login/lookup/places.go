package lookup

import (
	"slices"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store"
)

// OwnHelper is the name under which docker's and podman's settings know regshape.
const OwnHelper = "regshape"

// Place is a file in which another tool keeps logins. It need not exist.
type Place struct {
	Tool   string // "docker", "podman", "singularity" or "microagent"
	Path   string
	Format authfile.Format
}

// Places lists the files of other tools in the order in which their logins count.
func Places(e *app.Env) []Place {
	w := e.Where()
	places := []Place{{"docker", authfile.DockerConfig(w), authfile.Docker}}
	for _, path := range authfile.ContainersAuth(w) {
		places = append(places, Place{"podman", path, authfile.Containers})
	}
	places = append(places, Place{"docker", authfile.Dockercfg(w), authfile.DockercfgFormat})
	for _, path := range authfile.Singularity(w) {
		places = append(places, Place{"singularity", path, authfile.Docker})
	}
	places = append(places, Place{"microagent", authfile.Microagent(w), authfile.Containers})
	seen := map[string]bool{"": true} // without a home there are no paths
	return slices.DeleteFunc(places, func(p Place) bool {
		known := seen[p.Path]
		seen[p.Path] = true
		return known
	})
}

// ownProfile recognizes regshape's names among helpers': "regshape" is the present
// profile, "regshape-NAME" another one.
func ownProfile(helper, present string) (profile string, own bool) {
	if helper == OwnHelper {
		return present, true
	}
	profile, own = strings.CutPrefix(helper, OwnHelper+"-")
	return profile, own && store.CheckProfile(profile) == nil
}

// IsOwn reports whether a helper's name in settings means regshape or a profile of it.
func IsOwn(helper string) bool {
	_, own := ownProfile(helper, "")
	return own
}

// ServerURL is the spelling that clients ask for: Docker Hub's URL, else the bare host
// with its scope. That a registry speaks plain http is a field of the entry.
func ServerURL(a store.Address) string {
	switch {
	case a.Hub():
		return store.HubAddress
	case a.Scope() != "":
		return a.Host() + "/" + a.Scope()
	}
	return a.Host()
}

// IsLogin reports whether an entry holds a credential.
func IsLogin(entry authfile.Entry) bool { return !entry.Marker && entry.Err == nil }
