package importer

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store/printable"
)

// group is what one --from stands for, in the order in which its logins count.
type group struct {
	named   string // as the user wrote it; "" where nothing was named, and nothing has to exist
	sources []Source
}

// importTools are the tools whose places are known.
var importTools = []string{"docker", "podman", "singularity", "microagent"}

// tokenMakers are helpers that make a token at every call, which is of no use some hours
// later: they are not moved unless named.
var tokenMakers = map[string]bool{"ecr-login": true, "gcloud": true, "gcr": true, "acr-env": true}

// importGroups finds what --from names, or everything there is. Helpers come before files:
// docker and podman ask them first.
func importGroups(e *app.Env, from []string) ([]group, error) {
	path, namedBy := e.OnlyFile()
	if len(from) > 0 && e.Authfile != "" {
		return nil, &app.UsageError{Message: "--authfile and --from both say where the logins are", Hint: "give one of them"}
	}
	if len(from) == 0 && path != "" {
		g := group{sources: []Source{FileSource(lookup.Place{Tool: "", Path: path, Format: authfile.Containers})}}
		if e.Authfile != "" {
			g.named = namedBy
		}
		return []group{g}, nil
	}
	places := lookup.Places(e)
	if len(from) == 0 {
		g := group{}
		for _, p := range places {
			g.sources = append(g.sources, helpersOf(e, p)...)
		}
		return []group{onceEach(g, places)}, nil
	}
	var groups []group
	for _, name := range slices.Compact(from) {
		g := group{named: name}
		own := slices.DeleteFunc(slices.Clone(places), func(p lookup.Place) bool { return p.Tool != name })
		helper, isHelper := strings.CutPrefix(name, "helper:")
		switch {
		case isHelper && lookup.IsOwn(helper):
			return nil, &app.UsageError{Message: "regshape is where logins are moved to", Hint: "name another helper"}
		case isHelper:
			g.sources = []Source{HelperSource(e, helper)}
		case slices.Contains(importTools, name):
			for _, p := range own {
				g.sources = append(g.sources, helpersOf(e, p)...)
			}
			g = onceEach(g, own)
		default:
			p, err := importFile(name, places)
			if err != nil {
				return nil, err
			}
			g.sources = []Source{FileSource(p)}
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// onceEach drops helpers named twice and puts the files after them.
func onceEach(g group, places []lookup.Place) group {
	seen := map[string]bool{}
	g.sources = slices.DeleteFunc(g.sources, func(s Source) bool {
		known := seen[s.Name]
		seen[s.Name] = true
		return known
	})
	for _, p := range places {
		g.sources = append(g.sources, FileSource(p))
	}
	return g
}

// helpersOf lists the helpers that a file sends its tool to. A file that cannot be read
// has none: moving its logins will tell.
func helpersOf(e *app.Env, p lookup.Place) []Source {
	d, err := authfile.Read(p.Path, p.Format)
	if err != nil {
		return nil
	}
	var names []string
	for _, h := range d.CredHelpers() {
		names = append(names, h.Helper)
	}
	if p.Format == authfile.Docker {
		names = append(names, d.CredsStore())
	}
	var sources []Source
	for _, name := range names {
		switch {
		case name == "", lookup.IsOwn(name):
		case tokenMakers[name]:
			e.Warn("docker-credential-%s makes its logins when it is asked: left as it is.", name)
		default:
			s := HelperSource(e, name)
			s.tool = p.Tool
			sources = append(sources, s)
		}
	}
	return sources
}

// importFile is a file that the user names. Its format is that of the place it is, else
// its name tells.
func importFile(path string, places []lookup.Place) (lookup.Place, error) {
	if !strings.ContainsAny(path, `./\`) {
		return lookup.Place{}, &app.UsageError{
			Message: fmt.Sprintf("%q is no tool that logins can be imported from", printable.Line(path, 60)),
			Hint:    "give docker, podman, singularity, microagent, helper:NAME, or a file as ./FILE",
		}
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return lookup.Place{}, fmt.Errorf("find the file: %w", err)
	}
	if i := slices.IndexFunc(places, func(p lookup.Place) bool { return p.Path == absolute }); i >= 0 {
		return places[i], nil
	}
	format := authfile.Docker
	switch filepath.Base(absolute) {
	case ".dockercfg", "dockercfg":
		format = authfile.DockercfgFormat
	case "auth.json":
		format = authfile.Containers
	}
	return lookup.Place{Tool: "", Path: absolute, Format: format}, nil
}
