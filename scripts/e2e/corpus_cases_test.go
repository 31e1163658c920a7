//go:build e2e

package e2e

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// The places of documents below a home, in the order in which podman reads them.
const (
	runtimeAuth  = "run/containers/auth.json"
	configAuth   = ".config/containers/auth.json"
	dockerConfig = ".docker/config.json"
	dockercfg    = ".dockercfg"
	helmConfig   = ".config/helm/registry/config.json" // helm's alone
)

var placeNames = map[string]string{
	runtimeAuth: "podman", configAuth: "podman-config", dockerConfig: "docker", dockercfg: "dockercfg", helmConfig: "helm",
}

// corpusCase is a home as users have it.
type corpusCase struct {
	files   map[string]string // place -> document
	conf    string            // of registries.conf
	helpers []string          // installed beside those that the documents name
	setup   []string          // "setup" and its flags; nil: import alone
}

func (c corpusCase) String() string {
	var parts []string
	for place, document := range c.files {
		parts = append(parts, placeNames[place]+"="+document)
	}
	slices.Sort(parts)
	parts = append(parts, c.helpers...)
	if c.conf != "" {
		parts = append(parts, "own helpers")
	}
	switch {
	case c.setup == nil:
		parts = append(parts, "import alone")
	case len(c.setup) > 1:
		parts = append(parts, strings.Join(c.setup, " "))
	}
	return strings.Join(parts, ",")
}

// ownHelpers is a list of helpers that a user of podman may have made.
const ownHelpers = "credential-helpers = [\"containers-auth.json\", \"secretservice\"]\n"

// corpusCases are all there are: each document in each place, some two by two, and some in
// homes with settings of their own.
func corpusCases(texts map[string]string) []corpusCase {
	var cases []corpusCase
	all := []string{"setup"}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		places := []string{dockerConfig, runtimeAuth}
		switch class, _, _ := strings.Cut(name, "-"); class {
		case "dockercfg":
			places = []string{dockercfg}
		case "namespace", "podman":
			places = []string{runtimeAuth, dockerConfig, configAuth}
		}
		for _, place := range places {
			cases = append(cases, corpusCase{files: map[string]string{place: name}, setup: all})
		}
	}
	for _, name := range []string{"docker", "scheme-path", "hub-both", "helper-to-file", "helper-beside-auths", "store-pass-beside-auths"} {
		cases = append(cases, corpusCase{files: map[string]string{helmConfig: name}, setup: all})
	}
	pairs := []string{
		"namespace-alone", "namespace-and-host", "scheme-path", "scheme-beside-other", "hub-both", "helper-to-file", "key-empty", "dockercfg-v1-users",
	}
	for _, first := range pairs {
		for _, second := range pairs {
			a, b := dockerConfig, runtimeAuth
			if strings.HasPrefix(first, "dockercfg") {
				a = dockercfg
			}
			if strings.HasPrefix(second, "dockercfg") {
				b = dockercfg
			}
			if a != b {
				cases = append(cases, corpusCase{files: map[string]string{a: first, b: second}, setup: all})
			}
		}
	}
	for _, name := range []string{"namespace-alone", "namespace-and-host", "scheme-path", "hub-short", "podman-auth", "helper-beside-auths"} {
		for _, place := range []string{runtimeAuth, dockerConfig} {
			files := map[string]string{place: name}
			cases = append(cases, corpusCase{files: files, conf: ownHelpers, helpers: []string{"secretservice"}, setup: all})
			for _, setup := range [][]string{{"setup", "--docker"}, {"setup", "--podman"}, nil} {
				cases = append(cases, corpusCase{files: files, setup: setup})
			}
		}
	}
	// Without any login in their files, docker and helm use a helper that they find.
	return append(cases, corpusCase{files: map[string]string{dockerConfig: "no-members"}, helpers: []string{"secretservice"}, setup: all})
}

// anyOf are documents in which docker or podman take one of several keys, any one: the first
// in the order of a map in memory.
var anyOf = []string{"scheme-http-and-https", "scheme-two-paths-other", "hub-tokens", "hub-registry"}

// ambiguous reports whether a client takes any one of several keys. To docker a namespace is
// its host.
func (c corpusCase) ambiguous() bool {
	return c.has(anyOf) || c.files[dockerConfig] == "namespace-nested"
}

// refused are documents that setup may refuse: the store cannot hold all there is in them, or
// they name a helper that is not there, or for another spelling of a host.
var refused = []string{
	"docker-identity-token", "token-and-password", "token-of-registry", "token-user", "entry-no-user", "entry-not-base64", "duplicates",
	"crlf", "devcontainer", "store-absent", "helper-hub-short", "helper-other-case",
	"port-443-beside", "host-uppercase-beside",
}

// whole reports whether docker and podman are set up.
func (c corpusCase) whole() bool { return len(c.setup) == 1 }

// has reports whether a file of the case is one of the documents.
func (c corpusCase) has(documents []string) bool {
	for _, document := range c.files {
		if slices.Contains(documents, document) {
			return true
		}
	}
	return false
}

var (
	hostNames = regexp.MustCompile(`(?i)[a-z0-9-]+(\.[a-z0-9-]+)*\.example|my-server`)
	fileKeys  = regexp.MustCompile(`"(https?://)?(\[::1\]|[A-Za-z0-9.-]+)(:[0-9]+)?(/[a-z0-9/-]+)?[^"]*"\s*:\s*[{"]`)
)

// images are what clients are asked for: one of each host, and where a file has a namespace
// one beside it, too.
func images(texts []string) []string {
	var hosts []string
	namespaces := false
	for _, text := range texts {
		for _, key := range fileKeys.FindAllStringSubmatch(text, -1) {
			host := key[2] + key[3]
			switch {
			case strings.HasSuffix(host, "docker.io"):
				host = "docker.io"
			case !hostNames.MatchString(host) && !strings.HasPrefix(host, "[") && !strings.HasPrefix(host, "127."):
				continue
			}
			if !slices.Contains(hosts, host) {
				hosts = append(hosts, host)
			}
			namespaces = namespaces || key[1] == "" && key[4] != ""
		}
	}
	if hosts == nil {
		hosts = []string{"registry.example", "docker.io"}
	}
	var list []string
	for _, host := range hosts {
		list = append(list, host+"/team/app")
		if namespaces {
			list = append(list, beside(host+"/team/app"))
		}
	}
	return list
}

// beside is an image of the same host in no namespace that a file has.
func beside(image string) string {
	host, _, _ := strings.Cut(image, "/")
	return host + "/other/app"
}
