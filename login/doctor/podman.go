package doctor

import (
	"fmt"
	"slices"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
)

// podmanCheck reads the settings of podman, skopeo and buildah as they do. They pass
// over docker's credsStore; registries.conf and credHelpers of auth.json are what counts.
type podmanCheck struct{}

func (podmanCheck) name() string { return "podman" }

func (podmanCheck) run(e *app.Env) []finding {
	tool := firstOnPath("podman", "skopeo", "buildah")
	setup := e.Own("auth", "setup", "--podman")
	helpers, from, err := authfile.CredentialHelpers(e.Where())
	if err != nil {
		return []finding{unreadable(e, "registries.conf", err)}
	}
	var found []finding
	rest := "auth.json, not encrypted"
	if helpers[0] != authfile.AuthFileHelper {
		rest = "docker-credential-" + helpers[0]
	}
	mine, missing := containersHelpers(e)
	switch {
	case slices.ContainsFunc(helpers, lookup.IsOwn):
		found = append(found, good("podman, skopeo and buildah ask regshape", from))
	case tool == "" && from == "":
		found = append(found, note("podman, skopeo and buildah are not installed", "", ""))
	case len(mine) > 0:
		found = append(found, good("podman, skopeo and buildah ask regshape for "+terminal.Some(mine), ""),
			note("their other logins go to "+rest, from, setup))
	case tool == "":
		found = append(found, note("podman, skopeo and buildah are not installed; their settings do not name regshape", from, setup))
	default:
		found = append(found, bad(tool+" does not ask regshape: its logins go to "+rest, from, setup))
	}
	switch files := filesOfPodman(e); {
	case slices.Contains(helpers, authfile.AuthFileHelper) && slices.ContainsFunc(helpers, lookup.IsOwn):
		found = append(found, note(fmt.Sprintf("credential-helpers lists %q, too: podman writes a login there, not encrypted, whenever the helper fails",
			authfile.AuthFileHelper), from, edit(from, 1)))
	case !slices.Contains(helpers, authfile.AuthFileHelper) && len(files) > 0:
		found = append(found, note("credential-helpers hides from podman the logins in "+terminal.Some(files), from, e.Own("auth", "import")))
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
			authfile.DockerConfig(e.Where()), setup))
	}
	return append(found, missing...)
}

// containersHelpers are the hosts for which an auth.json names regshape, and findings
// about helpers there that cannot be run. Broken files are plaintextCheck's.
func containersHelpers(e *app.Env) (mine []string, missing []finding) {
	for _, p := range lookup.Places(e) {
		if p.Tool != "podman" {
			continue
		}
		doc, err := authfile.Read(p.Path, p.Format)
		if err != nil {
			continue
		}
		hosts, _, absent := sortHelpers(doc, func(string) string { return edit(p.Path, 1) })
		mine, missing = append(mine, hosts...), append(missing, absent...)
	}
	return mine, missing
}

// filesOfPodman are those files with logins that podman asks where its settings let it.
func filesOfPodman(e *app.Env) []string {
	var files []string
	for _, p := range lookup.Places(e) {
		if p.Tool != "podman" && p.Tool != "docker" {
			continue
		}
		if doc, err := authfile.Read(p.Path, p.Format); err == nil && len(loginsOf(doc)) > 0 {
			files = append(files, p.Path)
		}
	}
	return files
}
