package lookup

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store"
)

// PodmanTool is an installed program that reads registries.conf, and whose rules it follows:
// all of them if its version is unknown.
type PodmanTool struct {
	Name  string
	Rules []authfile.Generation
}

// PodmanTools lists the installed ones of podman, skopeo and buildah. It runs them, since
// their rules depend on the version.
func PodmanTools(ctx context.Context) []PodmanTool {
	var tools []PodmanTool
	for _, name := range []string{"podman", "skopeo", "buildah"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		version, err := app.VersionOf(ctx, path, "--version")
		if err != nil {
			version = ""
		}
		tools = append(tools, PodmanTool{name, rulesOf(name, version)})
	}
	return tools
}

// PodmanIsRemote reports whether podman is a client of its machine here, on Windows and macOS.
// For each pull and push it lists a helper's logins, gets every one, and stops at the first
// error, such as an address with a scheme, as Docker Hub's is. Source: podman 5.7, pkg/auth;
// go.podman.io/image 5.42, pkg/docker/config (GetAllCredentials, validateKey), seen with that.
func PodmanIsRemote(goos string) bool { return goos == "windows" || goos == "darwin" }

// rulesOf reads what a program answers, such as "podman version 5.8.2".
func rulesOf(name, answer string) []authfile.Generation {
	var major, minor int
	_, version, _ := strings.Cut(answer, " version ")
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return authfile.Generations
	}
	before := map[string][]authfile.Generation{
		"podman":  {authfile.Podman4},
		"skopeo":  {authfile.Skopeo1},
		"buildah": {authfile.Podman4, authfile.Skopeo1},
	}
	first := map[string][2]int{"podman": {6, 0}, "skopeo": {1, 23}, "buildah": {1, 44}}[name]
	if slices.Compare([]int{major, minor}, first[:]) < 0 {
		return before[name]
	}
	return []authfile.Generation{authfile.Podman6}
}

// PodmanHelpers is the list of helpers that the installed podman (else skopeo, else buildah)
// asks, and the file that names them. A program is run only where its version matters.
func PodmanHelpers(e *app.Env) (helpers []string, from string, err error) {
	helpers, from, err = authfile.CredentialHelpers(e.Where(), authfile.Podman4)
	later, laterFrom, laterErr := authfile.CredentialHelpers(e.Where(), authfile.Podman6)
	if slices.Equal(helpers, later) && (err == nil) == (laterErr == nil) {
		return helpers, from, err
	}
	if tools := PodmanTools(e.Ctx); len(tools) > 0 && slices.Contains(tools[0].Rules, authfile.Podman6) {
		return later, laterFrom, laterErr
	}
	return helpers, from, err
}

// PodmanLogins are the logins for whole registries and for namespaces that podman uses from
// its files: a file that has any for a registry keeps it from those after it. Files that
// cannot be read are left out.
func PodmanLogins(e *app.Env) (whole, namespaces []Entry) {
	for _, p := range PodmanPlaces(e) {
		d, err := authfile.Read(p.Path, p.Format)
		if err != nil {
			continue
		}
		before := whole
		for _, entry := range Entries(d) {
			switch {
			case !IsLogin(entry) || !entry.Used():
			case slices.ContainsFunc(before, func(w Entry) bool { return w.Address.String() == entry.Address.Registry().String() }):
			case entry.Address.Scope() == "":
				whole = append(whole, entry)
			default:
				namespaces = append(namespaces, entry)
			}
		}
	}
	return whole, namespaces
}

// Hidden lists the namespaces for which podman would use another login if it asked regshape
// first: it asks for the registry alone, and gets that of the store, or one of those that are
// about to go there.
func Hidden(e *app.Env, namespaces []Entry, coming func() []Entry) []string {
	var names []string
	for _, ns := range namespaces {
		registry := ns.Address.Registry()
		other := slices.ContainsFunc(coming(), func(c Entry) bool {
			return c.Address.String() == registry.String() && !c.Same(ns)
		})
		if c, err := Stored(e, registry); err == nil && !ns.Matches(c) || err != nil && !errors.Is(err, store.ErrNotFound) {
			other = true
		}
		if other && !slices.Contains(names, ns.Address.Name()) {
			names = append(names, ns.Address.Name())
		}
	}
	return names
}

// Stored is the login of a registry in regshape's store. A locked store knows what it does
// not have.
func Stored(e *app.Env, registry store.Address) (store.Credential, error) {
	s, err := e.OpenStore()
	if err != nil {
		return store.Credential{}, store.ErrNotFound // so nobody gets anything from it
	}
	return s.Get(e.Ctx, registry)
}

// FilesFirst reports whether podman looks into its files before it asks a helper of ours.
func FilesFirst(helpers []string) bool {
	files := slices.Index(helpers, authfile.AuthFileHelper)
	own := slices.IndexFunc(helpers, IsOwn)
	return files >= 0 && (own < 0 || files < own)
}

// HelpersElsewhere says why no drop-in makes podman ask a helper, what to do about it, and in
// which file, if it is one to edit. last is the last file with a list of helpers, "" for none.
func HelpersElsewhere(e *app.Env, g authfile.Generation, last, helper string) (why, advice, file string) {
	named := e.Getenv("CONTAINERS_REGISTRIES_CONF")
	switch {
	case last != "":
		return last + " names other credential-helpers, and no drop-in is read after it",
			fmt.Sprintf("add %q to the credential-helpers in that file", helper), last
	case g == authfile.Podman6 && named != "":
		return "CONTAINERS_REGISTRIES_CONF names " + named + ", and then no drop-in is read",
			fmt.Sprintf("put credential-helpers = %s into that file, before any table", authfile.HelpersText([]string{helper, authfile.AuthFileHelper})), named
	}
	variable := "XDG_CONFIG_HOME"
	if e.Where().GOOS == "windows" {
		variable = "APPDATA"
	}
	if g == authfile.Podman6 && (e.Getenv(variable) != "" || variable == "APPDATA") {
		return variable + " is not an absolute path", "set it to one", ""
	}
	if e.Where().Home == "" {
		return "there is no home directory for podman's file", "set " + store.HomeVariable(e.Where().GOOS), ""
	}
	dir := filepath.Join(e.Where().Home, ".config", "containers", "registries.conf.d")
	return dir + " is a symbolic link, which is followed only from podman 6 on", "replace it with a directory", ""
}
