//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
	"regshape/scripts/testregistry/canary"
)

// newSharedToken is a real registry with two accounts at its token server, which gives the
// reader no token to push with.
func newSharedToken(t *testing.T) *shared {
	t.Helper()
	r, err := startBearer(t.TempDir())
	if r != nil {
		t.Cleanup(r.stop)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &shared{writer: r, reader: &registry{name: "reader", host: r.host, user: "rita", password: rand.Text()}}
	tokens := r.realm.Config.Handler
	r.realm.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, password, sent := req.BasicAuth()
		s.mu.Lock()
		defer s.mu.Unlock()
		if sent {
			s.users = append(s.users, user)
		}
		if user == s.reader.user && password == s.reader.password {
			req.SetBasicAuth(r.user, r.password)
			query := req.URL.Query()
			for i, scope := range query["scope"] {
				query["scope"][i] = strings.NewReplacer("push,", "", ",push", "").Replace(scope)
			}
			req.URL.RawQuery = query.Encode()
		}
		tokens.ServeHTTP(w, req)
	})
	return s
}

// buildx makes it a command of docker's.
func (h *home) buildx() {
	h.t.Helper()
	plugins := filepath.Join(h.dir, ".docker", "cli-plugins")
	h.must(os.MkdirAll(plugins, 0o700))
	h.must(os.Symlink(h.lookPath("buildx"), filepath.Join(plugins, "docker-buildx")))
}

// buildxHome is a home with the reader's login, the writer's in profile work, and the name of
// the directory where buildx looks for the registry's account.
func buildxHome(t *testing.T, s *shared) (h *home, dir string) {
	t.Helper()
	h = accountsHome(t, s)
	h.buildx()
	h.login(s.reader, s.reader.password).ok("Login Succeeded").quiet()
	h.work(s.writer.password, "auth", "login", s.writer.host, "-u", s.writer.user, "--password-stdin").ok("Login Succeeded").quiet()
	return h, filepath.Join(".docker", "buildx", "config", s.writer.host)
}

// buildx takes an account by registry, repository and action from files of its own, which
// name the helper of a profile.
func TestTwoAccountsWithBuildx(t *testing.T) {
	s := newSharedToken(t)
	h, dir := buildxHome(t, s)
	create := func(tag string) result {
		t.Helper()
		s.forget()
		return h.run("docker", "buildx", "imagetools", "create", "--tag", s.writer.host+"/"+image+":"+tag, s.writer.ref()).quiet()
	}
	create("by-reader").refused("authorization failed")
	s.asked(t, s.reader)
	h.script(s.writer, recipe(t, "Two accounts at one registry", "bash")[0]).ok().quiet()
	s.asked(t, s.reader, s.writer)
	h.run("docker", "buildx", "imagetools", "inspect", s.writer.host+"/"+image+":stable").ok().quiet()

	// A repository's file, for all that is done there.
	h.must(os.MkdirAll(filepath.Join(h.dir, dir, "team"), 0o700))
	h.must(os.Rename(filepath.Join(h.dir, dir+"@push"), filepath.Join(h.dir, dir, image)))
	create("by-writer").ok()
	s.asked(t, s.writer)
	// Nobody else is asked for a login that the profile does not have.
	h.work("", "auth", "logout", s.writer.host).ok().quiet()
	create("by-nobody").refused("401 Unauthorized")
	s.asked(t)

	// With Basic a request says nothing of what is to be done.
	s = newShared(t)
	h.login(s.reader, s.reader.password).ok("Login Succeeded").quiet()
	h.write(filepath.Join(filepath.Dir(dir), s.reader.host, "config.json"), `{"credsStore": "regshape-work"}`)
	s.forget()
	h.run("docker", "buildx", "imagetools", "inspect", s.reader.ref()).ok().quiet()
	s.asked(t, s.reader)
}

// A build asks as buildx does, and the engine's own builder has docker push.
func buildsWithTwo(t *testing.T, e *engine) {
	s := newSharedToken(t)
	h, dir := buildxHome(t, s)
	h.env = append(h.env, "DOCKER_HOST=unix://"+e.socket, "BUILDKIT_PROGRESS=plain")
	h.write(filepath.Join(dir, image, "config.json"), `{"credsStore": "regshape-work"}`)
	build := func(args ...string) result {
		t.Helper()
		s.forget()
		return h.runIn("FROM "+s.writer.ref()+"\nLABEL built=twice\n", "docker", append([]string{"buildx", "build", "--pull"}, append(args, "-")...)...).quiet()
	}
	build().ok()
	s.asked(t, s.writer)
	build("--push", "--tag", s.writer.host+"/"+image+":built").refused("pushing "+s.writer.host+"/"+image+":built with docker", "denied")
	s.asked(t, s.reader)
}

// BuildKit asks again what it was told almost five minutes ago, and then gets what has
// replaced the login meanwhile.
func asksAgain(t *testing.T, h *home) {
	if !testenv.Whole() {
		t.Skip("takes five minutes: TESTENV_WHOLE=1 runs it")
	}
	const builds = 3
	s := newSharedToken(t)
	h.secrets = append(h.secrets, s.writer.password, s.writer.core, s.reader.password)
	held, release := make(chan bool, builds), make(chan struct{})
	proxy := inFrontOf(s.writer)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			select {
			case held <- true:
			default:
			}
			<-release
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	host := front.Listener.Addr().String()
	h.buildx()
	login := func(as *registry) {
		h.runIn(as.password+"\n", "regshape", "auth", "login", host, "-u", as.user, "--password-stdin").ok().quiet()
	}
	login(s.writer)
	calls := h.recordCalls()
	var running []*exec.Cmd
	outputs := make([]strings.Builder, builds)
	for i := range builds {
		name := fmt.Sprintf("build/%d", i)
		made, err := testregistry.NewImage(name)
		h.must(err)
		h.must(s.writer.client().Push(context.Background(), name, "latest", made))
		command := testenv.Command(append(h.env, "DOCKER_BUILDKIT=1", "BUILDKIT_PROGRESS=plain"), h.lookPath("docker"), "build", "--pull", "-")
		command.Dir, command.Stdin = h.dir, strings.NewReader("FROM "+host+"/"+name+"\nLABEL built=again\n")
		command.Stdout, command.Stderr = &outputs[i], &outputs[i]
		h.must(command.Start())
		running = append(running, command)
	}
	for range builds {
		<-held // the tests' time is up if one never comes
	}
	if got, want := calls(), slices.Repeat([]string{"get " + host}, builds); !slices.Equal(got, want) {
		t.Errorf("asked the helper: %q, want %q", got, want)
	}
	time.Sleep(4*time.Minute + 55*time.Second)
	login(s.reader)
	s.forget()
	close(release)
	for i, command := range running {
		if err := command.Wait(); err != nil {
			t.Errorf("build %d: %v\n%s", i, err, canary.Redact(outputs[i].String(), h.secrets...))
		}
	}
	s.asked(t, s.reader)
	if got, want := calls(), slices.Repeat([]string{"get " + host}, builds); !slices.Equal(got, want) {
		t.Errorf("asked the helper again: %q, want %q", got, want)
	}
}
