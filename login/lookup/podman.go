package lookup

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

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

// PodmanLogins lists the registries and the namespaces for which podman's files have a login.
// Files that cannot be read are left out.
func PodmanLogins(e *app.Env) (whole, namespaces []store.Address) {
	for _, p := range PodmanPlaces(e) {
		d, err := authfile.Read(p.Path, p.Format)
		if err != nil {
			continue
		}
		for _, entry := range Entries(d) {
			switch {
			case !IsLogin(entry) || !entry.Used():
			case entry.Address.Scope() == "":
				whole = append(whole, entry.Address)
			default:
				namespaces = append(namespaces, entry.Address)
			}
		}
	}
	return whole, namespaces
}

// HeldBy reports for which registries regshape's store has a login, or more lists them.
func HeldBy(e *app.Env, more func() []store.Address) func(store.Address) bool {
	listed := sync.OnceValue(more)
	s, openErr := e.OpenStore()
	return func(a store.Address) bool {
		if openErr == nil {
			// A locked store knows what it does not have.
			if _, err := s.Get(e.Ctx, a); !errors.Is(err, store.ErrNotFound) {
				return true
			}
		}
		return slices.ContainsFunc(listed(), func(b store.Address) bool { return a.String() == b.String() })
	}
}

// Hidden lists the namespaces that podman does not find in its files if it asks regshape
// first, since that has a login for their registry: podman asks a helper for no more.
func Hidden(namespaces []store.Address, held func(store.Address) bool) []string {
	var names []string
	for _, a := range namespaces {
		if !slices.Contains(names, a.Name()) && held(a.Registry()) {
			names = append(names, a.Name())
		}
	}
	return names
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
	if dir := e.Getenv("XDG_CONFIG_HOME"); g == authfile.Podman6 && dir != "" {
		return "XDG_CONFIG_HOME is not an absolute path", "set it to one", ""
	}
	dir := filepath.Join(e.Where().Home, ".config", "containers", "registries.conf.d")
	return dir + " is a symbolic link, which is followed only from podman 6 on", "replace it with a directory", ""
}
