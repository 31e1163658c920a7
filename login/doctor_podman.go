package login

import (
	"fmt"
	"slices"

	"regshape/login/authfile"
)

// podmanCheck reads the settings of podman, skopeo and buildah as they do. They pass
// over docker's credsStore; registries.conf and credHelpers of auth.json are what counts.
type podmanCheck struct{}

func (podmanCheck) name() string { return "podman" }

func (podmanCheck) run(e *env) []finding {
	tool := firstOnPath("podman", "skopeo", "buildah")
	setup := e.own("auth", "setup", "--podman")
	helpers, from, err := authfile.CredentialHelpers(e.where())
	if err != nil {
		return []finding{e.unreadable("registries.conf", err)}
	}
	var found []finding
	rest := "auth.json, not encrypted"
	if helpers[0] != authfile.AuthFileHelper {
		rest = "docker-credential-" + helpers[0]
	}
	mine, missing := e.containersHelpers()
	switch {
	case slices.ContainsFunc(helpers, isOwn):
		found = append(found, good("podman, skopeo and buildah ask regshape", from))
	case tool == "" && from == "":
		found = append(found, note("podman, skopeo and buildah are not installed", "", ""))
	case len(mine) > 0:
		found = append(found, good("podman, skopeo and buildah ask regshape for "+some(mine), ""),
			note("their other logins go to "+rest, from, setup))
	case tool == "":
		found = append(found, note("podman, skopeo and buildah are not installed; their settings do not name regshape", from, setup))
	default:
		found = append(found, bad(tool+" does not ask regshape: its logins go to "+rest, from, setup))
	}
	switch files := e.filesOfPodman(); {
	case slices.Contains(helpers, authfile.AuthFileHelper) && slices.ContainsFunc(helpers, isOwn):
		found = append(found, note(fmt.Sprintf("credential-helpers lists %q, too: podman writes a login there, not encrypted, whenever the helper fails",
			authfile.AuthFileHelper), from, edit(from, 1)))
	case !slices.Contains(helpers, authfile.AuthFileHelper) && len(files) > 0:
		found = append(found, note("credential-helpers hides from podman the logins in "+some(files), from, e.own("auth", "import")))
	}
	for _, h := range helpers {
		if h == authfile.AuthFileHelper {
			continue
		}
		if f := missingHelper(h, "credential-helpers", from, edit(from, 1)); f != nil {
			found = append(found, *f)
		}
	}
	if dir := e.Getenv("DOCKER_CONFIG"); dir != "" && from == "" && tool != "" {
		found = append(found, note("DOCKER_CONFIG is set, so skopeo login writes into docker's file, not encrypted",
			authfile.DockerConfig(e.where()), setup))
	}
	return append(found, missing...)
}

// containersHelpers are the hosts for which an auth.json names regshape, and findings
// about helpers there that cannot be run. Broken files are plaintextCheck's.
func (e *env) containersHelpers() (mine []string, missing []finding) {
	for _, p := range e.places() {
		if p.tool != "podman" {
			continue
		}
		doc, err := authfile.Read(p.path, p.format)
		if err != nil {
			continue
		}
		hosts, _, absent := sortHelpers(doc, func(string) string { return edit(p.path, 1) })
		mine, missing = append(mine, hosts...), append(missing, absent...)
	}
	return mine, missing
}

// filesOfPodman are those files with logins that podman asks where its settings let it.
func (e *env) filesOfPodman() []string {
	var files []string
	for _, p := range e.places() {
		if p.tool != "podman" && p.tool != "docker" {
			continue
		}
		if doc, err := authfile.Read(p.path, p.format); err == nil && len(loginsOf(doc)) > 0 {
			files = append(files, p.path)
		}
	}
	return files
}
