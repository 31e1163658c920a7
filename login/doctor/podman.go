package doctor

import (
	"fmt"
	"slices"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store"
)

// podmanUse is whom installed tools ask for logins.
type podmanUse struct {
	tools   []string
	rules   authfile.Generation
	helpers []string
	from    string // the file that names them, "" for none
	last    string // the last file with a list, also an empty one
	err     error  // the tools stop with it
}

// asks reports whether the tools ask regshape for every registry.
func (u podmanUse) asks() bool { return u.err == nil && slices.ContainsFunc(u.helpers, lookup.IsOwn) }

// podmanUses looks at each installed tool, and puts those together that do the same. Of the
// rules that a tool may follow, those count by which it does not ask regshape.
func podmanUses(e *app.Env) []podmanUse {
	tools := lookup.PodmanTools(e.Ctx)
	if len(tools) == 0 {
		tools = []lookup.PodmanTool{{Rules: authfile.Generations}} // whichever will be installed
	}
	var uses []podmanUse
	for _, tool := range tools {
		var use podmanUse
		for i, g := range tool.Rules {
			lists, err := authfile.HelperLists(e.Where(), g)
			u := podmanUse{rules: g, err: err}
			if u.helpers, u.from = authfile.LastOf(lists); len(lists) > 0 {
				u.last = lists[len(lists)-1].File
			}
			if i == 0 || use.asks() && !u.asks() {
				use = u
			}
		}
		same := slices.IndexFunc(uses, func(u podmanUse) bool {
			return u.from == use.from && slices.Equal(u.helpers, use.helpers) && (u.err == nil) == (use.err == nil)
		})
		if same < 0 {
			same, uses = len(uses), append(uses, use)
		}
		if tool.Name != "" {
			uses[same].tools = append(uses[same].tools, tool.Name)
		}
	}
	return uses
}

// checkPodman reads the settings of podman, skopeo and buildah like the installed ones do:
// registries.conf and credHelpers of auth.json, not docker's credsStore.
func checkPodman(e *app.Env, state *storeState) []finding {
	mine, missing := containersHelpers(e)
	uses := podmanUses(e)
	var found []finding
	for _, use := range uses {
		if use.err != nil {
			found = append(found, unreadable(e, "registries.conf", use.err))
			continue
		}
		found = append(found, podmanAsks(e, use, mine, len(uses) == 1)...)
		found = append(found, podmanFiles(e, use)...)
		found = append(found, podmanRemote(e, e.Where().GOOS, use, state.found)...)
		for _, h := range use.helpers {
			if h != authfile.AuthFileHelper {
				found = append(found, missingHelper(h, "credential-helpers", use.from, edit(use.from, 1))...)
			}
		}
		if dir := e.Getenv("DOCKER_CONFIG"); dir != "" && use.from == "" && len(use.tools) > 0 {
			found = append(found, note("DOCKER_CONFIG is set, so skopeo login writes to docker's file, unencrypted",
				authfile.DockerConfig(e.Where()), e.Own("auth", "setup", "--podman")))
		}
	}
	return lookup.Unique(append(found, missing...), func(f finding) string { return f.What + f.Where })
}

// podmanAsks is about whom tools ask; mine are the hosts for which an auth.json names
// regshape, and all means that no other tool is installed.
func podmanAsks(e *app.Env, use podmanUse, mine []string, all bool) []finding {
	setup := e.Own("auth", "setup", "--podman")
	tools, verb := "podman, skopeo and buildah", "use"
	if !all {
		tools = terminal.Enumerate(use.tools, "and")
	}
	if !all && len(use.tools) == 1 {
		verb = "uses"
	}
	rest := "auth.json, unencrypted"
	if use.helpers[0] != authfile.AuthFileHelper {
		rest = "docker-credential-" + use.helpers[0]
	}
	switch {
	case use.asks():
		return []finding{good(fmt.Sprintf("%s %s regshape", tools, verb), use.from)}
	case len(use.tools) == 0 && use.from == "":
		return []finding{note("podman, skopeo and buildah are not installed", "", "")}
	case len(mine) > 0:
		return []finding{
			good(fmt.Sprintf("%s %s regshape for %s", tools, verb, terminal.Some(mine)), ""),
			note("their other logins go to "+rest, use.from, setup),
		}
	case len(use.tools) == 0:
		return []finding{note("podman, skopeo and buildah are not installed; their settings do not name regshape", use.from, setup)}
	}
	f := bad(use.tools[0]+" does not use regshape: its logins go to "+rest, use.from, setup)
	if len(use.tools) > 1 {
		f.What = terminal.Enumerate(use.tools, "and") + " do not use regshape: their logins go to " + rest
	}
	if authfile.RegistriesDropIn(e.Where(), use.rules, use.last) == "" {
		why, advice, file := lookup.HelpersElsewhere(e, use.rules, use.last, lookup.OwnHelper)
		f.What, f.Fix = f.What+"; "+why+": "+advice, ""
		if file != "" {
			f.Fix = edit(file, 1)
		}
	}
	return []finding{f}
}

// podmanFiles is about the files with logins that podman reads beside its helpers, or not.
func podmanFiles(e *app.Env, use podmanUse) []finding {
	setup := e.Own("auth", "setup", "--podman")
	_, namespaces := lookup.PodmanLogins(e)
	switch files := filesOfPodman(e); {
	case !slices.Contains(use.helpers, authfile.AuthFileHelper) && len(namespaces) > 0:
		fix := edit(use.from, 1)
		if strings.HasSuffix(use.from, "-regshape.conf") {
			fix = setup
		}
		var all []string
		for _, ns := range namespaces {
			all = append(all, ns.Address.Name())
		}
		return []finding{bad(fmt.Sprintf("podman does not find its logins for %s: credential-helpers does not list %q", terminal.Some(slices.Compact(all)), authfile.AuthFileHelper), use.from, fix)}
	case !slices.Contains(use.helpers, authfile.AuthFileHelper) && len(files) > 0:
		return []finding{note("because of credential-helpers podman does not read the logins in "+terminal.Some(files), use.from, e.Own("auth", "import"))}
	case !use.asks() || !slices.Contains(use.helpers, authfile.AuthFileHelper):
		return nil
	case lookup.FilesFirst(use.helpers):
		return []finding{note("podman looks into its files before it asks regshape: podman login writes passwords to auth.json, unencrypted", use.from, "")}
	}
	found := []finding{note("podman login writes passwords to auth.json, unencrypted, for a namespace, and for any registry while the store is locked", use.from, "")}
	if hidden := lookup.Hidden(e, namespaces, func() []lookup.Entry { return nil }); len(hidden) > 0 {
		found = append(found, bad("podman uses the login for the whole registry in place of its own for "+terminal.Some(hidden), use.from, setup))
	}
	return found
}

// podmanRemote is about podman where it asks for all logins at once.
func podmanRemote(e *app.Env, goos string, use podmanUse, logins []store.Credential) []finding {
	if !lookup.PodmanIsRemote(goos) || !use.asks() || !slices.Contains(use.tools, "podman") {
		return nil
	}
	var stops []string
	for _, c := range logins {
		if c.Address().Hub() || strings.Contains(c.ServerURL, "://") {
			stops = append(stops, c.Address().Name())
		}
	}
	if len(stops) == 0 {
		return []finding{note("podman asks for all logins at every pull: it fails while the store is locked", use.from, "")}
	}
	return []finding{bad("podman asks for all logins at every pull, and fails at the address of "+terminal.Some(stops), use.from, e.Own("auth", "setup", "--podman", "--undo"))}
}

// containersHelpers returns the hosts for which an auth.json names regshape, and findings
// about missing helpers there. Broken files are reported by checkPlaintext.
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

// filesOfPodman lists the files with logins that podman reads if its settings allow it.
func filesOfPodman(e *app.Env) []string {
	var files []string
	for _, p := range lookup.Places(e) {
		if p.Tool != "podman" && p.Tool != "docker" {
			continue
		}
		if doc, err := authfile.Read(p.Path, p.Format); err == nil {
			if hosts, _ := loginsOf(doc); len(hosts) > 0 {
				files = append(files, p.Path)
			}
		}
	}
	return files
}
