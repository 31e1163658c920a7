//go:build e2e

package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
)

// documents is the corpus of package authfile.
const documents = "../../login/authfile/testdata/documents"

// The places of documents below a home, in the order in which podman reads them.
const (
	runtimeAuth  = "run/containers/auth.json"
	configAuth   = ".config/containers/auth.json"
	dockerConfig = ".docker/config.json"
	dockercfg    = ".dockercfg"
)

var placeNames = map[string]string{
	runtimeAuth: "podman", configAuth: "podman-config", dockerConfig: "docker", dockercfg: "dockercfg",
}

// corpusHome is such a home, with a registry that sees who comes, and an engine.
type corpusHome struct {
	*home
	witness *witness
	engine  *standIn
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
func corpusCases(t *testing.T, texts map[string]string) []corpusCase {
	t.Helper()
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
	// Without any login in its file, docker uses a helper that it finds.
	return append(cases, corpusCase{files: map[string]string{dockerConfig: "no-members"}, helpers: []string{"secretservice"}, setup: all})
}

// anyOf are documents in which docker or podman take one of several keys, any one: the first
// in the order of a map in memory.
var anyOf = []string{"scheme-http-and-https", "scheme-two-paths-other", "hub-tokens", "hub-registry"}

// refused are documents that setup may refuse: the store cannot hold all there is in them, or
// they name a helper that is not there.
var refused = []string{
	"docker-identity-token", "token-and-password", "token-of-registry", "token-user", "entry-no-user", "entry-not-base64", "duplicates",
	"crlf", "devcontainer", "store-absent",
}

// has reports whether a file of the case is one of the documents.
func (c corpusCase) has(documents []string) bool {
	for _, document := range c.files {
		if slices.Contains(documents, document) {
			return true
		}
	}
	return false
}

// What docker, podman, skopeo, buildah, crane and helm could use before setup and before
// import --remove they can use after, with the same account, whatever their files hold.
func TestCorpus(t *testing.T) {
	if !inside() {
		if os.Geteuid() != 0 {
			t.Skip("needs root, for namespaces of its own")
		}
		if err := reexec(t, subtests("TestCorpus")); err != nil {
			t.Fatalf("the corpus, run by unshare(1), whose output stands above: %v", err)
		}
		return
	}
	texts := map[string]string{}
	paths, err := filepath.Glob(filepath.Join(documents, "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d documents, %v", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimSuffix(filepath.Base(path), ".json")] = string(text)
	}
	names := map[string]bool{"registry.example": true, "other.example": true}
	for _, text := range texts {
		for _, name := range hostNames.FindAllString(text, -1) {
			names[strings.ToLower(name)] = true
		}
	}
	w := startWitness(t, slices.Sorted(maps.Keys(names)))
	var sample *testenv.Sample
	if !strings.Contains(subtests("TestCorpus"), "/") {
		sample = testenv.NewSample(t, 12)
	}
	for _, c := range corpusCases(t, texts) {
		parts := []any{c.conf, strings.Join(c.setup, " ")}
		for _, place := range slices.Sorted(maps.Keys(c.files)) {
			class, _, _ := strings.Cut(c.files[place], "-")
			parts = append(parts, placeNames[place], class)
		}
		if !sample.Take(parts...) {
			continue
		}
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			playCorpus(t, w, c, texts)
		})
	}
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

func newCorpusHome(t *testing.T, w *witness, c corpusCase, texts map[string]string) *corpusHome {
	t.Helper()
	h := &corpusHome{home: newHome(t), witness: w}
	h.must(os.RemoveAll(filepath.Join(h.dir, ".docker")))
	h.write(registriesConf, c.conf)
	bin := filepath.Join(h.dir, "tmp", "bin")
	h.must(os.MkdirAll(bin, 0o700))
	self, err := os.Executable()
	h.must(err)
	for _, name := range foreignHelpers {
		wanted := slices.Contains(c.helpers, name)
		for _, document := range c.files {
			wanted = wanted || strings.Contains(texts[document], `"`+name+`"`)
		}
		if wanted {
			h.must(os.Symlink(self, filepath.Join(bin, "docker-credential-"+name)))
		}
	}
	h.prependPath(bin)
	for place, document := range c.files {
		h.write(place, texts[document])
	}
	socket := filepath.Join(h.dir, "run", "engine.sock")
	h.engine = startStandIn(t, socket)
	h.env = append(h.env, "DOCKER_HOST=unix://"+socket, "DOCKER_BUILDKIT=0")
	return h
}

// playCorpus plays one case: setup, its undoing, setup again, import.
func playCorpus(t *testing.T, w *witness, c corpusCase, texts map[string]string) {
	h := newCorpusHome(t, w, c, texts)
	var own []string
	for _, document := range c.files {
		own = append(own, texts[document])
	}
	slices.Sort(own)
	asked := images(own)
	files, before := h.files(), h.ask(asked, false)
	h.agrees("before", before)
	var said []result
	check := func(step string) {
		t.Helper()
		now := h.ask(asked, false)
		lost := c.lost(before, now)
		if len(c.setup) != 1 && strings.Contains(said[len(said)-1].stderr, "does not ask regshape, and no longer finds") {
			return // it was told, with the command that helps
		}
		if len(lost) > 0 {
			t.Errorf("after %s:\n  %s", step, strings.Join(lost, "\n  "))
		}
		if n := gained(before, now); n > 0 {
			t.Logf("after %s: %d that were anonymous have a login", step, n)
		}
		h.agrees("after "+step, now)
		if said[0].code == 0 {
			h.lists("after "+step, now)
		}
	}
	same := func(step string) {
		t.Helper()
		for name, now := range h.files() {
			if old, there := files[name]; old != now || !there {
				t.Errorf("%s: %s is another one:\n%s\nbefore:\n%s", step, name, now, old)
			}
		}
	}
	t.Cleanup(func() {
		for _, r := range said {
			t.Log(r.String())
		}
	})
	if c.setup != nil {
		setup := append([]string{"auth"}, c.setup...)
		said = append(said, h.run("regshape", setup...))
		if said[0].code != 0 {
			if !c.has(refused) && !c.has(anyOf) && !before.conflict() {
				t.Errorf("setup refuses what the store could hold")
			}
			same("setup refused")
			check("setup, which refused")
			return
		}
		check("setup")
		said = append(said, h.run("regshape", append(setup, "--undo")...).ok())
		same("setup --undo")
		said = append(said, h.run("regshape", setup...).ok())
	}
	said = append(said, h.run("regshape", "auth", "import", "--remove"))
	check("import --remove")
	h.kept(own)
	if len(c.setup) != 1 {
		return
	}
	h.logsOut("after import --remove", asked)
	h.run("regshape", "auth", "setup", "--undo").ok()
	newCorpusHome(t, w, c, texts).logsOut("before setup", asked)
}

// kept fails the test when a secret of a document is neither in a file nor in the store.
func (h *corpusHome) kept(texts []string) {
	h.t.Helper()
	var files strings.Builder
	for _, content := range h.files() {
		files.WriteString(content)
	}
	var stored strings.Builder
	for address := range h.stored() {
		get := h.runIn(address, "docker-credential-regshape", "get").ok()
		stored.WriteString(get.stdout)
	}
	secret := regexp.MustCompile(`"auth"\s*:\s*"([^"]+)"|"(?:identity|registry)token"\s*:\s*"([^"]+)"`)
	for _, text := range texts {
		for _, match := range secret.FindAllStringSubmatch(text, -1) {
			what := match[2]
			if match[1] != "" {
				if canary.Find([]byte(files.String()), match[1]) != "" {
					continue
				}
				what = decodedPassword(match[1])
			}
			if what != "" && canary.Find([]byte(files.String()), what) == "" && canary.Find([]byte(stored.String()), what) == "" {
				h.t.Errorf("%q is gone from the files and not in the store", what)
			}
		}
	}
}

func decodedPassword(auth string) string {
	var c struct{ Auth []byte }
	if json.Unmarshal([]byte(`{"Auth":"`+auth+`"}`), &c) != nil {
		return ""
	}
	_, password, _ := strings.Cut(string(c.Auth), ":")
	return password
}
