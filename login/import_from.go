package login

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"regshape/login/authfile"
	"regshape/store/printable"
)

// importGroup is what one --from stands for, in the order in which its logins count.
type importGroup struct {
	named   string // as the user wrote it; "" where nothing was named, and nothing has to exist
	sources []importSource
}

// importTools are the tools whose places are known.
var importTools = []string{"docker", "podman", "singularity", "microagent"}

// tokenMakers are helpers that make a token at every call, which is of no use some hours
// later: they are not moved unless named.
var tokenMakers = map[string]bool{"ecr-login": true, "gcloud": true, "gcr": true, "acr-env": true}

// importGroups finds what --from names, or everything there is. Helpers come before files:
// docker and podman ask them first.
func (e *env) importGroups(from []string) ([]importGroup, error) {
	path, namedBy := e.authfile()
	if len(from) > 0 && e.Authfile != "" {
		return nil, &usageError{"--authfile and --from both say where the logins are", "give one of them"}
	}
	if len(from) == 0 && path != "" {
		g := importGroup{sources: []importSource{fileSource(place{"", path, authfile.Containers})}}
		if e.Authfile != "" {
			g.named = namedBy
		}
		return []importGroup{g}, nil
	}
	places := e.places()
	if len(from) == 0 {
		g := importGroup{}
		for _, p := range places {
			g.sources = append(g.sources, e.helpersOf(p)...)
		}
		return []importGroup{e.onceEach(g, places)}, nil
	}
	var groups []importGroup
	for _, name := range slices.Compact(from) {
		g := importGroup{named: name}
		own := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return p.tool != name })
		helper, isHelper := strings.CutPrefix(name, "helper:")
		switch {
		case isHelper && isOwn(helper):
			return nil, &usageError{"regshape is where logins are moved to", "name another helper"}
		case isHelper:
			g.sources = []importSource{e.helperSource(helper)}
		case slices.Contains(importTools, name):
			for _, p := range own {
				g.sources = append(g.sources, e.helpersOf(p)...)
			}
			g = e.onceEach(g, own)
		default:
			p, err := importFile(name, places)
			if err != nil {
				return nil, err
			}
			g.sources = []importSource{fileSource(p)}
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// onceEach drops helpers named twice and puts the files after them.
func (e *env) onceEach(g importGroup, places []place) importGroup {
	seen := map[string]bool{}
	g.sources = slices.DeleteFunc(g.sources, func(s importSource) bool {
		known := seen[s.name]
		seen[s.name] = true
		return known
	})
	for _, p := range places {
		g.sources = append(g.sources, fileSource(p))
	}
	return g
}

// helpersOf lists the helpers that a file sends its tool to. A file that cannot be read
// has none: moving its logins will tell.
func (e *env) helpersOf(p place) []importSource {
	d, err := authfile.Read(p.path, p.format)
	if err != nil {
		return nil
	}
	var names []string
	for _, h := range d.CredHelpers() {
		names = append(names, h.Helper)
	}
	if p.format == authfile.Docker {
		names = append(names, d.CredsStore())
	}
	var sources []importSource
	for _, name := range names {
		switch {
		case name == "", isOwn(name):
		case tokenMakers[name]:
			e.warn("docker-credential-%s makes its logins when it is asked: left as it is.", name)
		default:
			s := e.helperSource(name)
			s.tool = p.tool
			sources = append(sources, s)
		}
	}
	return sources
}

// importFile is a file that the user names. Its format is that of the place it is, else
// its name tells.
func importFile(path string, places []place) (place, error) {
	if !strings.ContainsAny(path, `./\`) {
		return place{}, &usageError{
			fmt.Sprintf("%q is no tool that logins can be imported from", printable.Line(path, 60)),
			"give docker, podman, singularity, microagent, helper:NAME, or a file as ./FILE",
		}
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return place{}, fmt.Errorf("find the file: %w", err)
	}
	if i := slices.IndexFunc(places, func(p place) bool { return p.path == absolute }); i >= 0 {
		return places[i], nil
	}
	format := authfile.Docker
	switch filepath.Base(absolute) {
	case ".dockercfg", "dockercfg":
		format = authfile.DockercfgFormat
	case "auth.json":
		format = authfile.Containers
	}
	return place{"", absolute, format}, nil
}
