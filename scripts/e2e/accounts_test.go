//go:build e2e

package e2e

import (
	"crypto/rand"
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"regshape/scripts/testregistry"
)

// shared is one registry with two accounts: both may pull, the writer alone may push.
type shared struct {
	writer, reader *registry // the same host

	mu    sync.Mutex
	users []string // who sent something since the last look, sorted
}

func newShared(t *testing.T) *shared {
	t.Helper()
	s := &shared{
		writer: &registry{name: "writer", user: "walter", password: rand.Text()},
		reader: &registry{name: "reader", user: "rita", password: rand.Text()},
	}
	own := testregistry.New(testregistry.Options{
		Auth:   testregistry.Basic,
		Users:  map[string]string{s.writer.user: s.writer.password, s.reader.user: s.reader.password},
		Before: s.before,
	})
	if _, err := own.Seed(image, "latest"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(own)
	t.Cleanup(server.Close)
	s.writer.host = server.Listener.Addr().String()
	s.reader.host = s.writer.host
	return s
}

// before notes who asks, and denies the reader's writes as a registry would.
func (s *shared) before(w http.ResponseWriter, r *http.Request) bool {
	user, _, sent := r.BasicAuth()
	if !sent {
		return false
	}
	s.mu.Lock()
	s.users = append(s.users, user)
	s.mu.Unlock()
	if user != s.reader.user || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return false
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write([]byte(`{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`))
	return true
}

// asked fails the test unless the requests since the last look were of these accounts.
func (s *shared) asked(t *testing.T, as ...*registry) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var want []string
	for _, r := range as {
		want = append(want, r.user)
	}
	slices.Sort(want)
	slices.Sort(s.users)
	if got := slices.Compact(s.users); !slices.Equal(got, want) {
		t.Errorf("the registry was asked by %v, want %v", got, want)
	}
	s.users = nil
}

// forget drops what was seen so far.
func (s *shared) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = nil
}

// accountsHome is a home that knows the registry, and has the helper of profile work.
func accountsHome(t *testing.T, s *shared) *home {
	t.Helper()
	h := newHome(t)
	h.secrets = append(h.secrets, s.writer.password, s.reader.password)
	h.allowHTTP(s.writer.host)
	bin := filepath.Join(h.dir, "bin")
	h.must(os.Mkdir(bin, 0o700))
	h.must(os.Symlink(filepath.Join(binDir, "docker-credential-regshape"), filepath.Join(bin, "docker-credential-regshape-work")))
	h.prependPath(bin)
	return h
}

// prependPath lets the tools of this home find programs in one more folder.
func (h *home) prependPath(dir string) {
	for i, variable := range h.env {
		if path, is := strings.CutPrefix(variable, "PATH="); is {
			h.env[i] = "PATH=" + dir + string(os.PathListSeparator) + path
		}
	}
}

// work runs regshape for profile work.
func (h *home) work(stdin string, args ...string) result {
	h.t.Helper()
	return h.runIn(stdin, "regshape", append([]string{"--profile", "work"}, args...)...)
}

// dockerPush pushes with a docker that has no engine: a list of one image.
func (h *home) dockerPush(r *registry, tag string) result {
	h.t.Helper()
	list := r.host + "/" + image + ":" + tag
	h.must(os.RemoveAll(filepath.Join(h.dir, ".docker", "manifests")))
	h.run("docker", "manifest", "create", "--insecure", list, r.ref()).ok().quiet()
	return h.run("docker", "manifest", "push", "--insecure", list)
}

func (h *home) writeJSON(name string, value any) {
	h.t.Helper()
	data, err := json.Marshal(value)
	h.must(err)
	h.write(name, string(data))
}

// Docker takes one registry from a profile, named in credHelpers, and everything else
// from the default store, which has another account for the same registry.
func TestTwoAccountsWithDocker(t *testing.T) {
	s := newShared(t)
	h := accountsHome(t, s)
	h.login(s.reader, s.reader.password).ok("Login Succeeded").quiet()
	h.work(s.writer.password, "auth", "login", s.writer.host, "-u", s.writer.user, "--password-stdin").
		ok("Login Succeeded", "profiles/work").quiet()
	s.forget()

	look := tools[0].look
	look(h, s.reader).ok().quiet()
	s.asked(t, s.reader)
	h.dockerPush(s.reader, "by-reader").refused("denied").quiet()
	s.asked(t, s.reader)

	h.writeJSON(".docker/config.json", map[string]any{
		"credsStore": "regshape", "credHelpers": map[string]string{s.writer.host: "regshape-work"},
	})
	look(h, s.writer).ok().quiet()
	h.dockerPush(s.writer, "by-writer").ok("sha256:").quiet()
	s.asked(t, s.writer)
	look(h, registries[0]).refused().quiet() // the default store has no login there
	h.login(registries[0], registries[0].password).ok("Login Succeeded")
	look(h, registries[0]).ok().quiet()

	// Docker's own logout and login are the profile's, too. Its logout also erases
	// https://HOST, and asks credHelpers by that spelling: without a second entry it is the
	// default store's login that goes.
	rest := map[string]string{registries[0].host: registries[0].user}
	both := map[string]string{s.reader.host: s.reader.user, registries[0].host: registries[0].user}
	h.run("docker", "logout", s.writer.host).ok().quiet()
	look(h, s.writer).refused().quiet()
	h.stores(rest)
	h.dockerLogin(s.writer).ok("Login Succeeded").quiet()
	h.stores(rest)
	s.forget()
	h.dockerPush(s.writer, "by-writer-again").ok("sha256:").quiet()
	s.asked(t, s.writer)

	h.write(".docker/config.json", strings.ReplaceAll(recipe(t, "Two accounts at one registry", "json")[0], exampleHost, s.writer.host))
	h.storeRaw(s.reader.host, s.reader.user, s.reader.password)
	h.stores(both)
	h.run("docker", "logout", s.writer.host).ok().quiet()
	look(h, s.writer).refused().quiet()
	h.stores(both)
}

// Podman and skopeo take it from credHelpers in containers' auth.json, and the account for
// one command from REGSHAPE_PROFILE.
func TestTwoAccountsWithPodman(t *testing.T) {
	s := newShared(t)
	h := accountsHome(t, s)
	h.login(s.reader, s.reader.password).ok("Login Succeeded").quiet()
	look := func(as *registry) {
		t.Helper()
		s.forget()
		h.run("skopeo", "inspect", "docker://"+as.ref()).ok().quiet()
		h.podman("login", "--get-login", as.host).ok(as.user).quiet()
		h.podman("pull", "--quiet", as.ref()).ok().quiet()
		s.asked(t, as)
	}
	push := func(tag string) result {
		t.Helper()
		pushed := s.writer.host + "/" + image + ":" + tag
		h.podman("tag", s.writer.ref(), pushed).ok()
		return h.podman("push", "--quiet", pushed)
	}
	look(s.reader)
	push("by-reader").refused("denied").quiet()

	// Where registries.conf names helpers, auth.json is one of them, or is not read.
	h.writeJSON("run/containers/auth.json", map[string]any{"credHelpers": map[string]string{s.writer.host: "regshape-work"}})
	look(s.reader)
	conf, err := os.ReadFile(filepath.Join(h.dir, registriesConf))
	h.must(err)
	h.write(registriesConf, strings.Replace(string(conf), helperLine, "", 1))

	flags := append(h.podmanFlags(), "login", "-u", s.writer.user, "--password-stdin", s.writer.host)
	h.runIn(s.writer.password, "podman", flags...).ok("Login Succeeded").quiet()
	h.noAuthFile()
	h.stores(map[string]string{s.reader.host: s.reader.user})
	h.work("", "auth", "list").ok(s.writer.user).quiet()
	look(s.writer)
	push("by-writer").ok().quiet()
	h.podman("logout", s.writer.host).ok().quiet()
	h.run("skopeo", "inspect", "docker://"+s.writer.ref()).refused().quiet()
	h.stores(map[string]string{s.reader.host: s.reader.user})

	// The helper of registries.conf, for one command with another profile.
	h.write(registriesConf, string(conf))
	h.work(s.writer.password, "auth", "login", s.writer.host, "-u", s.writer.user, "--password-stdin").ok("Login Succeeded")
	look(s.reader)
	h.env = append(h.env, "REGSHAPE_PROFILE=work")
	look(s.writer)
	push("by-profile").ok().quiet()
}

// A batch job has a store of its own. Its logins, and what its tools do, leave that of
// the home as it was.
func TestBatchStore(t *testing.T) {
	s := newShared(t)
	h := accountsHome(t, s)
	h.login(s.reader, s.reader.password).ok("Login Succeeded").quiet()
	own := h.ownFiles()
	look := func(as *registry) {
		t.Helper()
		s.forget()
		for _, tool := range tools {
			tool.look(h, as).ok().quiet()
		}
		h.crane("manifest", as.ref()).ok("schemaVersion").quiet()
		s.asked(t, as)
	}
	look(s.reader)

	login := []string{"auth", "login", s.writer.host, "-u", s.writer.user, "--password-stdin"}
	batch := filepath.Join(h.dir, "batch")
	h.runIn(s.writer.password, "regshape", append([]string{"--store", batch}, login...)...).ok("Login Succeeded", batch).quiet()
	h.stores(map[string]string{s.reader.host: s.reader.user})
	look(s.reader) // --store is for one command

	outside := h.env
	h.env = append(slices.Clone(outside), "REGSHAPE_STORE="+batch)
	h.stores(map[string]string{s.writer.host: s.writer.user})
	look(s.writer)
	h.dockerPush(s.writer, "by-batch").ok("sha256:").quiet()
	h.dockerLogin(s.reader).ok("Login Succeeded").quiet()
	h.stores(map[string]string{s.reader.host: s.reader.user})
	h.runIn(s.writer.password, "regshape", login...).ok("Login Succeeded").quiet()
	h.run("regshape", "auth", "logout", "--all").ok().quiet()
	h.stores(map[string]string{})
	h.run("skopeo", "inspect", "docker://"+s.writer.ref()).refused().quiet()

	h.env = outside
	look(s.reader)
	if now := h.ownFiles(); !slices.Equal(now, own) {
		t.Errorf("the home's store has changed:\n%q\nbefore:\n%q", now, own)
	}
}

// ownFiles are the files of the home's store, each with what it holds.
func (h *home) ownFiles() []string {
	h.t.Helper()
	var files []string
	for _, dir := range []string{".local/share/regshape", ".local/state/regshape", ".config/regshape"} {
		h.must(filepath.WalkDir(filepath.Join(h.dir, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			files = append(files, path+"\n"+string(data))
			return err
		}))
	}
	return files
}

// A locked profile keeps nobody from the default store and from what is public, and the
// line that every client shows names the profile.
func TestLockedProfile(t *testing.T) {
	const (
		line       = "store is locked: run 'regshape --profile work auth unlock'"
		passphrase = "a passphrase for work"
	)
	s := newShared(t)
	h := accountsHome(t, s)
	h.secrets = append(h.secrets, passphrase)
	private := registries[0]
	open := startPublic(t)
	h.allowHTTP(open.host)

	h.login(private, private.password).ok("Login Succeeded").quiet()
	h.work(s.writer.password, "auth", "login", s.writer.host, "-u", s.writer.user, "--password-stdin").ok("Login Succeeded")
	helpers := map[string]string{s.writer.host: "regshape-work", open.host: "regshape-work"}
	h.writeJSON(".docker/config.json", map[string]any{"credsStore": "regshape", "credHelpers": helpers})
	helpers = maps.Clone(helpers)
	helpers[private.host] = "regshape"
	h.writeJSON("run/containers/auth.json", map[string]any{"credHelpers": helpers})
	conf, err := os.ReadFile(filepath.Join(h.dir, registriesConf))
	h.must(err)
	h.write(registriesConf, strings.Replace(string(conf), helperLine, "", 1))

	h.work(passphrase+"\n", "auth", "key", "protect", "--passphrase-file", "-").ok().quiet()
	t.Cleanup(func() { h.work("", "auth", "lock") })
	h.allSee(s.writer)
	h.work("", "auth", "lock").ok().quiet()
	for _, tool := range tools {
		tool.look(h, s.writer).refused(line).quiet()
		tool.look(h, open).ok().quiet()
		tool.look(h, private).ok().quiet()
	}
	h.crane("manifest", s.writer.ref()).refused(line).quiet()
	h.crane("manifest", open.ref()).ok("schemaVersion").quiet()
	h.crane("manifest", private.ref()).ok("schemaVersion").quiet()

	// What the line says, with a passphrase from standard input.
	command := strings.Fields(line[strings.Index(line, "'")+1 : len(line)-1])
	h.runIn(passphrase+"\n", command[0], append(command[1:], "--passphrase-file", "-")...).ok().quiet()
	h.allSee(s.writer)
	h.crane("manifest", s.writer.ref()).ok("schemaVersion").quiet()
}

// noAuthFile fails the test when podman's own file holds more than markers.
func (h *home) noAuthFile() {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dir, "run", "containers", "auth.json"))
	if os.IsNotExist(err) {
		return
	}
	h.must(err)
	var file struct {
		Auths map[string]map[string]any `json:"auths"`
	}
	h.must(json.Unmarshal(data, &file))
	for address, entry := range file.Auths {
		if len(entry) != 0 {
			h.t.Errorf("auth.json holds a login for %s", address)
		}
	}
}
