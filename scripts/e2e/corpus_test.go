//go:build e2e

package e2e

import (
	"encoding/base64"
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
	for _, c := range corpusCases(texts) {
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

// corpusHome is the home of a case, with a registry that sees who comes, and an engine.
type corpusHome struct {
	*home
	witness *witness
	engine  *standIn
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
	if c.files[dockerConfig] != "no-members" { // else helm would take a helper that it finds
		h.write(helmConfig, `{"auths": {"unrelated.example": {}}}`)
	}
	for place, document := range c.files {
		h.write(place, texts[document])
	}
	socket := filepath.Join(h.dir, "run", "engine.sock")
	h.engine = startStandIn(t, socket)
	h.env = append(h.env, "DOCKER_HOST=unix://"+socket, "DOCKER_BUILDKIT=0")
	return h
}

// play is a case with what was seen before setup.
type play struct {
	*corpusHome
	c      corpusCase
	asked  []string // images
	before answers
	files  map[string]string
	said   []result // of regshape
}

// playCorpus plays one case: setup, its undoing, setup again, import.
func playCorpus(t *testing.T, w *witness, c corpusCase, texts map[string]string) {
	var own []string
	for _, document := range c.files {
		own = append(own, texts[document])
	}
	slices.Sort(own)
	p := &play{corpusHome: newCorpusHome(t, w, c, texts), c: c, asked: images(own)}
	t.Cleanup(func() {
		for _, said := range p.said {
			if t.Failed() {
				t.Log(said)
			}
		}
	})
	p.files, p.before = p.corpusHome.files(), p.ask(p.asked, false)
	p.agrees("before", p.before)
	if c.setup != nil {
		setup := append([]string{"auth"}, c.setup...)
		if said := p.regshape(setup...); said.code != 0 {
			if !c.has(refused) && !c.ambiguous() && !p.before.conflict() {
				t.Error("setup refuses what the store could hold")
			}
			p.unchanged("setup, which refused")
			p.same("setup, which refused")
			return
		}
		p.same("setup")
		p.regshape(append(setup, "--undo")...).ok()
		p.unchanged("setup --undo")
		p.regshape(setup...).ok()
	}
	p.regshape("auth", "import", "--remove")
	p.same("import --remove")
	p.kept(own)
	if !c.whole() {
		return
	}
	p.logsOut("after import --remove", p.asked)
	p.run("regshape", "auth", "setup", "--undo").ok()
	newCorpusHome(t, w, c, texts).logsOut("before setup", p.asked)
}

// regshape runs it, and shows what it says should the test fail.
func (p *play) regshape(args ...string) result {
	p.t.Helper()
	said := p.run("regshape", args...)
	p.said = append(p.said, said)
	return said
}

// same fails the test unless all come as who they were.
func (p *play) same(step string) {
	p.t.Helper()
	now := p.ask(p.asked, false)
	if lost := p.c.lost(p.before, now, p.said[len(p.said)-1].stderr); len(lost) > 0 {
		p.t.Errorf("after %s:\n  %s", step, strings.Join(lost, "\n  "))
	}
	if n := gained(p.before, now); n > 0 {
		p.t.Logf("after %s: %d that were anonymous have a login", step, n)
	}
	if p.c.whole() { // else clients do not ask the store, and get does
		p.agrees("after "+step, now)
	}
	p.lists("after " + step)
}

// unchanged fails the test unless all files are as they were.
func (p *play) unchanged(step string) {
	p.t.Helper()
	now := p.corpusHome.files()
	for name := range maps.Keys(now) {
		if _, there := p.files[name]; !there {
			p.t.Errorf("after %s: %s is new", step, name)
		}
	}
	for name, content := range p.files {
		if now[name] != content {
			p.t.Errorf("after %s: %s is another one:\n%s\nbefore:\n%s", step, name, now[name], content)
		}
	}
}

var fileSecrets = regexp.MustCompile(`"auth"\s*:\s*"([^"]+)"|"(?:password|identitytoken|registrytoken)"\s*:\s*"([^"]+)"`)

// kept fails the test when a secret of the documents, or of a helper, is neither where it was
// nor in the store.
func (p *play) kept(texts []string) {
	p.t.Helper()
	var left strings.Builder
	for _, content := range p.corpusHome.files() {
		left.WriteString(content)
	}
	for address := range p.stored() {
		left.WriteString(p.runIn(address, "docker-credential-regshape", "get").ok().stdout)
	}
	var secrets []string
	for _, text := range texts {
		for _, match := range fileSecrets.FindAllStringSubmatch(text, -1) {
			secrets = append(secrets, match[2])
			if user, password, ok := strings.Cut(decoded(match[1]), ":"); ok && user != "" {
				secrets = append(secrets, password)
			}
		}
	}
	for _, name := range foreignHelpers {
		held, err := os.ReadFile(filepath.Join(p.dir, heldBy(name)))
		if err != nil {
			continue // it still has all, if it is there
		}
		left.Write(held)
		for _, key := range heldKeys {
			secrets = append(secrets, helperSecret(name, key))
		}
	}
	for _, secret := range secrets {
		if secret != "" && canary.Find([]byte(left.String()), secret) == "" {
			p.t.Errorf("%q is gone, and not in the store", secret)
		}
	}
}

// decoded is the user name and password in an entry's auth.
func decoded(auth string) string {
	text, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(auth, "=")) // a broken one has none
	return string(text)
}
