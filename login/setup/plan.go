package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/printable"
)

// errChanged means that a file is not what the plan was made from.
var errChanged = errors.New("changed by another program; run setup again")

// plannedEdit is an edit to make.
type plannedEdit struct {
	edit
	before, after []byte
	hidesFiles    bool                  // podman asks the helper before it looks into its files, and did not before
	filesFirst    bool                  // podman looks into its files before it asks the helper
	readBy        []authfile.Generation // of podman
}

// action is the name of the edit in the JSON.
func (x plannedEdit) action() string {
	if x.Existed {
		return "edited"
	}
	return "created"
}

// hosts lists the keys of docker's credHelpers for --host.
func (s *setup) hosts() ([]string, error) {
	var keys []string
	for _, spelling := range s.Hosts {
		address, err := app.RegistryArg{Argument: spelling}.Target("setup --host")
		if err != nil {
			return nil, err
		}
		if address.Scope() != "" {
			return nil, &app.UsageError{
				Message: "docker has helpers for registries, not for a namespace",
				Hint:    fmt.Sprintf("run 'regshape auth setup --host %s'", address.Host()),
			}
		}
		// Docker looks up exactly these: Docker Hub's URL, else the host.
		if key := address.Bare().String(); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// plan lists the edits to make, without those that change nothing. It writes nothing.
func (s *setup) plan(hosts []string) ([]plannedEdit, error) {
	w := s.Where()
	docker, podman, helm := s.Docker || len(hosts) > 0, s.Podman, s.Helm
	if !docker && !podman && !helm {
		docker, podman, helm = hasDocker(w), hasPodman(w), hasHelm(w)
		if !docker && !podman {
			s.say("Neither docker nor podman is installed: configuring docker's file, which crane, helm and others read too.")
			docker = true
		}
	}
	var edits, all []plannedEdit
	if path := authfile.HelmConfig(w); helm && (!docker || path != authfile.DockerConfig(w)) {
		x, err := planDocker(w, "helm", s.helper, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	if docker {
		x, err := planDocker(w, "docker", s.helper, hosts)
		if err != nil {
			return nil, err
		}
		all = append(all, x) // last, since its logins count first
	}
	if podman {
		planned, err := s.planPodman(func() []lookup.Entry { return s.importedBy(all, hosts) })
		if err != nil {
			return nil, err
		}
		all = append(planned, all...) // first, since a drop-in may turn out to have no effect
	}
	for _, x := range all {
		if bytes.Equal(x.before, x.after) {
			continue
		}
		if config := authfile.DockerConfig(w); x.Tool == "helm" && x.File != config { // it asks docker's helpers after its own
			dockers := lookup.Place{Tool: "docker", Path: config, Format: authfile.Docker}
			coming := sync.OnceValue(func() []lookup.Entry { return s.importedBy(all, hosts) })
			if err := s.hidesHelpers("helm", []lookup.Place{dockers}, coming); err != nil {
				return nil, err
			}
		}
		x.splice(x.before, x.after)
		x.Dirs = missingDirs(x.File)
		edits = append(edits, x)
	}
	return edits, nil
}

// importedBy lists the logins of registries that edits move into the store. What cannot be
// read is reported by the import.
func (s *setup) importedBy(edits []plannedEdit, hosts []string) (found []lookup.Entry) {
	for _, x := range edits {
		if bytes.Equal(x.before, x.after) {
			continue
		}
		sources, _ := s.hiddenBy(x, hosts)
		for _, src := range sources {
			logins, _ := src.List(s.Ctx)
			for _, l := range logins {
				if lookup.IsLogin(l.Entry) && l.Address.Scope() == "" {
					found = append(found, l.Entry)
				}
			}
		}
	}
	return found
}

func hasDocker(w authfile.Env) bool {
	config := authfile.DockerConfig(w)
	return lookup.Installed("docker") != "" || exists(config) || config != "" && exists(filepath.Dir(config))
}

// hasPodman looks for every tool that reads registries.conf.
func hasPodman(w authfile.Env) bool {
	return lookup.Installed("podman", "skopeo", "buildah") != "" || slices.ContainsFunc(authfile.Generations, func(g authfile.Generation) bool {
		dropIn := authfile.RegistriesDropIn(w, g, "")
		return dropIn != "" && exists(filepath.Dir(filepath.Dir(dropIn)))
	})
}

func hasHelm(w authfile.Env) bool {
	config := authfile.HelmConfig(w)
	return config != "" && (lookup.Installed("helm") != "" || exists(config))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return path != "" && err == nil
}

// planDocker plans the edit of docker's config.json, or of helm's file, which is like it: the
// helper for all registries or only for hosts.
func planDocker(w authfile.Env, tool, helper string, hosts []string) (plannedEdit, error) {
	path, other := authfile.DockerConfig(w), "give --docker-config"
	if tool == "helm" {
		path, other = authfile.HelmConfig(w), "set HELM_REGISTRY_CONFIG"
	}
	if path == "" {
		return plannedEdit{}, fmt.Errorf("no home directory for %s's file: set %s, or %s", tool, store.HomeVariable(w.GOOS), other)
	}
	x := plannedEdit{edit: edit{Tool: tool, File: path, Existed: true, Helper: helper}}
	d, err := authfile.Read(path, authfile.Docker)
	if errors.Is(err, fs.ErrNotExist) {
		x.Existed = false
		d, err = authfile.Parse(path, nil, authfile.Docker)
	}
	if err != nil {
		return plannedEdit{}, fmt.Errorf("edit %s's file: %w", tool, err)
	}
	x.before = d.Bytes()
	x.after = x.before
	if !x.Existed && tool == "docker" && len(hosts) == 0 {
		copyCredHelpers(d, authfile.CraneAuth(w))
	}
	previous := d.CredsStore()
	if len(hosts) == 0 && previous == helper {
		return x, nil
	}
	if len(hosts) == 0 {
		x.Store = &previous
		d.SetCredsStore(helper)
	} else {
		x.Hosts = map[string]string{}
		for _, host := range hosts {
			own, ok := hostHelper(d, host)
			if ok && own == helper || !ok && previous == helper {
				continue
			}
			x.Hosts[host] = own
			d.SetCredHelper(host, helper)
		}
	}
	if err := d.Err(); err != nil {
		return plannedEdit{}, fmt.Errorf("edit %s's file: %w", tool, err)
	}
	x.after = d.Bytes()
	return x, nil
}

// copyCredHelpers takes over the helpers of single hosts from a file that is read as docker's
// until there is one. One that cannot be read named none.
func copyCredHelpers(d *authfile.Document, from string) {
	other, err := authfile.Read(from, authfile.Docker)
	if err != nil {
		return
	}
	for _, c := range other.CredHelpers() {
		if c.Helper != "" && !lookup.IsOwn(c.Helper) {
			d.SetCredHelper(c.Host, c.Helper)
		}
	}
}

// hostHelper returns the member of credHelpers for a host.
func hostHelper(d *authfile.Document, host string) (helper string, ok bool) {
	for _, c := range d.CredHelpers() {
		if c.Host == host {
			return c.Helper, true
		}
	}
	return "", false
}

// maxShownLine limits a line of a file, or a path, that setup shows.
const maxShownLine = 4096

// show prints what an edit changes.
func (s *setup) show(x plannedEdit) {
	file := printable.Line(x.File, maxShownLine)
	if !x.Existed {
		file += " (new file)"
	}
	s.say("%s:", file)
	s.sayChanges(x.Tool, x.before, x.after)
}

// sayChanges prints the members that differ between two versions of a file, and nothing else
// of it, since the rest may be secret.
func (s *setup) sayChanges(tool string, before, after []byte) {
	lines := helperChanges(before, after)
	switch tool {
	case "podman":
		lines = dropInChanges(before, after)
	case "kubelet":
		lines = providerChanges(s.providerName(), before, after)
	}
	for _, line := range lines {
		s.say("  %s", line)
	}
}

// helperChanges lists the changes in docker's file.
func helperChanges(before, after []byte) []string {
	old, err := authfile.Parse("", before, authfile.Docker)
	if err != nil {
		return nil // cannot happen: the edit was made from it
	}
	now, err := authfile.Parse("", after, authfile.Docker)
	if err != nil {
		return nil
	}
	var lines []string
	if a, b := old.CredsStore(), now.CredsStore(); a != b {
		lines = append(lines, fmt.Sprintf("credsStore: %s → %s", shownHelper(a, a != ""), shownHelper(b, b != "")))
	}
	var hosts []string
	for _, c := range slices.Concat(old.CredHelpers(), now.CredHelpers()) {
		if !slices.Contains(hosts, c.Host) {
			hosts = append(hosts, c.Host)
		}
	}
	for _, host := range hosts {
		a, had := hostHelper(old, host)
		b, has := hostHelper(now, host)
		if a != b || had != has {
			lines = append(lines, fmt.Sprintf("credHelpers[%q]: %s → %s", printable.Line(host, 200), shownHelper(a, had), shownHelper(b, has)))
		}
	}
	return lines
}

// shownHelper formats a value of docker's file. One that is not the name of a helper may be
// anything, also a secret.
func shownHelper(name string, ok bool) string {
	switch {
	case !ok:
		return "(none)"
	case name == "":
		return `""`
	case !authfile.IsHelperName(name):
		return "(hidden: not the name of a helper)"
	}
	return name
}

// dropInChanges lists the changes in podman's drop-in: all lines of a new one, else the list
// of helpers and the number of other settings that are removed.
func dropInChanges(before, after []byte) []string {
	var lines []string
	if len(before) == 0 {
		for line := range strings.Lines(string(after)) {
			lines = append(lines, printable.Line(line, maxShownLine))
		}
		return lines
	}
	old, others := dropInSettings(before)
	now, kept := dropInSettings(after)
	lines = append(lines, fmt.Sprintf("credential-helpers: %s → %s", old, now))
	others = slices.DeleteFunc(others, func(line string) bool { return slices.Contains(kept, line) })
	if n := len(others); n > 0 {
		lines = append(lines, terminal.Count(n, "other line")+" removed")
	}
	return lines
}

// dropInSettings returns the list of helpers in a drop-in, and its other settings.
func dropInSettings(text []byte) (list string, others []string) {
	list = "(none)"
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if value, ok := strings.CutPrefix(line, "credential-helpers"); ok {
			list = printable.Line(strings.TrimLeft(value, " \t="), maxShownLine)
		} else if line != "" && line[0] != '#' {
			others = append(others, line)
		}
	}
	return list, others
}
