//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"regshape/scripts/testenv"
)

// question is an image that a client is to fetch.
type question struct{ client, image string }

func (q question) String() string { return q.client + " " + q.image }

// answers are the accounts that the clients came as.
type answers map[question]account

// ofHost is the account of a client for images in no namespace.
func (a answers) ofHost(client, image string) account {
	if who, asked := a[question{client, beside(image)}]; asked {
		return who
	}
	return a[question{client, image}]
}

// tags are unique, and versions of a chart.
var tags atomic.Int64

func newTag() string { return fmt.Sprintf("0.1.0-x%d", tags.Add(1)) }

// fetchers are the clients that ask the registry themselves. Those that are like another are
// asked for one image, unless everything is to be tried.
var fetchers = []struct {
	name  string
	like  bool
	fetch func(h *corpusHome, image, tag string) result
}{
	{"podman", false, func(h *corpusHome, image, tag string) result { return h.podman("pull", "--quiet", image+":"+tag) }},
	{"crane", false, func(h *corpusHome, image, tag string) result { return h.run("crane", "manifest", image+":"+tag) }},
	{"podman of Debian", true, func(h *corpusHome, image, tag string) result {
		return h.run(debianPodman, append(h.ownStorage("debian-podman"), "pull", "--quiet", image+":"+tag)...)
	}},
	{"skopeo", true, func(h *corpusHome, image, tag string) result {
		return h.run("skopeo", "inspect", "--raw", "docker://"+image+":"+tag)
	}},
	{"buildah", true, func(h *corpusHome, image, tag string) result {
		return h.run("buildah", append(h.ownStorage("buildah"), "pull", "--quiet", image+":"+tag)...)
	}},
	{"helm", true, func(h *corpusHome, image, tag string) result {
		return h.run("helm", "show", "chart", "oci://"+image, "--version", tag)
	}},
}

// ownStorage has a program keep its images below the home, where no other version does.
func (h *corpusHome) ownStorage(name string) []string {
	return []string{"--root", filepath.Join(h.dir, "tmp", name), "--runroot", filepath.Join(h.dir, "tmp", name+"-run"), "--storage-driver", "vfs"}
}

// dockers hand what they find to the engine.
var dockers = []struct {
	name, program string
	like          bool
}{
	{"docker", "docker", false},
	{"docker of Debian", debianDocker, true},
}

// ask has every client fetch the images, or podman and docker alone.
func (h *corpusHome) ask(images []string, twoOnly bool) answers {
	h.t.Helper()
	got := answers{}
	for i, image := range images {
		for _, f := range fetchers {
			if twoOnly && f.name != "podman" || f.like && i > 0 && !testenv.Whole() {
				continue
			}
			tag := newTag()
			said := f.fetch(h, image, tag)
			who, came := h.witness.as(tag)
			if !came {
				who = failed(said)
			}
			got[question{f.name, image}] = who
		}
	}
	for _, d := range dockers {
		if twoOnly && d.like {
			continue
		}
		built := h.dockerBuild(d.program)
		for i, image := range images {
			if image == beside(image) || d.like && i > 0 && !testenv.Whole() {
				continue
			}
			got[question{d.name + " pull", image}] = h.dockerPull(d.program, image)
			host, _, _ := strings.Cut(image, "/")
			got[question{d.name + " build", image}] = resolve(built, host)
		}
	}
	return got
}

// dockerPull is the login that docker's client hands its engine with a pull.
func (h *corpusHome) dockerPull(program, image string) account {
	h.t.Helper()
	tag := newTag()
	said := h.run(program, "pull", "--quiet", image+":"+tag)
	who, came := h.engine.pulled(tag)
	// An old one knows no such address, and gives up where a helper is missing.
	if !came && (strings.HasPrefix(image, "[") || missingHelper(said)) {
		return failed(said)
	}
	if !came {
		h.t.Errorf("the engine was not asked:\n%s", said)
	}
	return who
}

// dockerBuild is all the logins that docker's client hands its engine with a classic build.
func (h *corpusHome) dockerBuild(program string) map[string]authConfig {
	h.t.Helper()
	said := h.runIn("FROM scratch\n", program, "build", "-")
	logins := h.engine.built()
	if logins == nil && !missingHelper(said) {
		h.t.Errorf("the engine was not asked:\n%s", said)
	}
	return logins
}

// missingHelper reports whether docker said so.
func missingHelper(said result) bool {
	return strings.Contains(said.stderr, "docker-credential-") && strings.Contains(said.stderr, "executable file not found")
}

func failed(said result) account {
	lines := strings.Split(strings.TrimSpace(said.stdout+said.stderr), "\n")
	return account("error: " + lines[len(lines)-1])
}

// toolOf is whose settings a client reads.
func toolOf(client string) string {
	switch client {
	case "podman", "podman of Debian", "skopeo", "buildah":
		return "podman"
	}
	return "docker"
}

// lost lists who no longer comes as who they were. Somebody anonymous may have got a login,
// and regshape may have warned that a tool which does not ask it loses some.
func (c corpusCase) lost(before, after answers, warned string) (lines []string) {
	for _, q := range slices.SortedFunc(maps.Keys(before), func(a, b question) int { return strings.Compare(a.String(), b.String()) }) {
		was, is := before[q], after[q]
		switch {
		case !was.known(), was == is:
		case is.known() && c.ambiguous(): // so it is without regshape
		case c.conf != "" && c.files[dockerConfig] == "namespace-alone" && toolOf(q.client) == "podman" && is.known():
			// What docker takes for the whole registry is asked before the user's own helpers.
		case !is.known() && strings.Contains(warned, toolOf(q.client)+" does not ask regshape"):
		case q.client == "crane" && c.files[dockerConfig] == "" && (!c.whole() || was != before.ofHost("podman", q.image)):
			// Without docker's config.json it reads auth.json as if it were one, where a
			// namespace is a host and Docker Hub another key. That is podman's file.
		default:
			lines = append(lines, fmt.Sprintf("%s: %s, before %s", q, is, was))
		}
	}
	return lines
}

// conflict reports whether clients have different accounts for one host, which the store
// cannot have all of.
func (a answers) conflict() bool {
	for q, who := range a {
		byPodman := a.ofHost("podman", q.image)
		if toolOf(q.client) == "docker" && who.known() && byPodman.known() && a.ofHost(q.client, q.image) != byPodman {
			return true
		}
	}
	return false
}

// gained counts who was anonymous and is not any more.
func gained(before, after answers) (n int) {
	for q, was := range before {
		if was == anonymous && after[q].known() {
			n++
		}
	}
	return n
}
