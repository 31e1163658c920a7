//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
	"regshape/scripts/testregistry/canary"
)

// Gitea refuses to run as root, and the cache may be root's alone. So it runs from places that
// the namespaces have for themselves, as they have its port. All in /run is searched for leaks.
const (
	giteaDir     = "/run/gitea"
	giteaProgram = "/mnt"
	giteaHost    = "localhost:3000"
)

const giteaSettings = `
RUN_MODE = prod
WORK_PATH = ` + giteaDir + `
[server]
HTTP_ADDR = 127.0.0.1
ROOT_URL = http://` + giteaHost + `/
STATIC_ROOT_PATH = ` + giteaProgram + `
OFFLINE_MODE = true
DISABLE_SSH = true
[database]
DB_TYPE = sqlite3
[security]
INSTALL_LOCK = true
[service]
DISABLE_REGISTRATION = true
DEFAULT_USER_VISIBILITY = private
`

// gitea is a forge, whose registry has a token server of its own.
type gitea struct {
	*registry
	t        *testing.T
	operator string // its password
}

// noGitea says why Gitea cannot be run, or nothing.
func noGitea() string {
	if _, err := os.Stat(filepath.Join(clientsDir, "gitea")); err != nil {
		return "Gitea is not built: make e2e builds it, in minutes"
	}
	if !inside() {
		return "Gitea needs root, for namespaces of its own"
	}
	return ""
}

// newGitea runs Gitea with the account that every registry has, alice, and private
// organizations of hers. Where it cannot be run, the test is skipped.
func newGitea(t *testing.T) *gitea {
	t.Helper()
	if why := noGitea(); why != "" {
		fmt.Printf("e2e: %s: skipped: %s\n", t.Name(), why) // also without -v
		t.Skip(why)
	}
	g := &gitea{t: t, registry: &registry{name: "gitea", program: "gitea", host: giteaHost, log: filepath.Join(giteaDir, "log.txt")}}
	g.newAccount()
	built, err := filepath.EvalSymlinks(filepath.Join(clientsDir, g.program))
	g.must(err)
	config := filepath.Join(giteaDir, "app.ini")
	g.must(errors.Join(os.Mkdir(giteaDir, 0o700), os.WriteFile(config, []byte(giteaSettings), 0o600),
		os.Chown(giteaDir, nobody, nobody), os.Chown(config, nobody, nobody)))
	if out, err := testenv.Command(testenv.Environ(giteaDir), "mount", "--bind", filepath.Dir(built), giteaProgram).CombinedOutput(); err != nil {
		t.Fatalf("mount %s: %v: %s", giteaProgram, err, out)
	}
	log, err := os.Create(g.log)
	g.must(err)
	defer log.Close()
	command := func(args ...string) *exec.Cmd {
		c := testenv.Command(testenv.Environ(giteaDir), filepath.Join(giteaProgram, g.program), append(args, "--config", config)...)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return c
	}
	g.process = command("web")
	g.process.Stdout, g.process.Stderr = log, log
	g.must(g.process.Start())
	t.Cleanup(g.stop)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		answer, err := http.Get("http://" + giteaHost + "/v2/")
		if err == nil {
			answer.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Gitea does not answer: %v\n%s", err, g.logTail())
		}
	}
	// All other accounts are made by its API: the command would take their passwords as arguments.
	said, err := command("admin", "user", "create", "--admin", "--username", "operator", "--email", "operator@example.com",
		"--random-password", "--must-change-password=false").CombinedOutput()
	found := regexp.MustCompile(`generated random password is '(.+)'`).FindSubmatch(said)
	if err != nil || found == nil {
		t.Fatalf("gitea admin user create: %v: %s", err, said)
	}
	g.operator = string(found[1])
	g.addUser(g.user, g.password, nil)
	for _, owner := range []string{"team", "matrix"} {
		g.ask(g.user, g.password, "/orgs", map[string]any{"username": owner, "visibility": "private"}, nil)
	}
	g.push(g.client(), image)
	return g
}

func (g *gitea) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// push puts an image of its own into a repository.
func (g *gitea) push(by *testregistry.Client, repository string) {
	g.t.Helper()
	made, err := testregistry.NewImage("private to " + repository + "\n")
	g.must(err)
	g.must(by.Push(context.Background(), repository, "latest", made))
}

func (g *gitea) addUser(name, password string, more map[string]any) {
	g.t.Helper()
	body := map[string]any{"username": name, "email": name + "@example.com", "password": password, "must_change_password": false}
	maps.Copy(body, more)
	g.ask("operator", g.operator, "/admin/users", body, nil)
}

// addToken makes an access token of alice's.
func (g *gitea) addToken(scope string) string {
	g.t.Helper()
	var made struct{ Sha1 string }
	g.ask(g.user, g.password, "/users/"+g.user+"/tokens", map[string]any{"name": rand.Text(), "scopes": []string{scope}}, &made)
	return made.Sha1
}

// ask makes something by Gitea's API, and reads the answer into made.
func (g *gitea) ask(user, password, path string, body, made any) {
	g.t.Helper()
	data, err := json.Marshal(body)
	g.must(err)
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+giteaHost+"/api/v1"+path, bytes.NewReader(data))
	g.must(err)
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth(user, password)
	answer, err := http.DefaultClient.Do(r)
	g.must(err)
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	g.must(err)
	if answer.StatusCode != http.StatusCreated {
		g.t.Fatalf("POST %s: %s: %s", path, answer.Status, canary.Redact(string(said), g.operator, g.password))
	}
	if made != nil {
		g.must(json.Unmarshal(said, made))
	}
}

// Access tokens of two owners serve clients as far as each reaches, and an identity token is
// none that a client could use here.
func TestGitea(t *testing.T) {
	if !inside() && os.Geteuid() == 0 {
		if err := reexec(t, "^TestGitea$"); err != nil {
			t.Fatal(err)
		}
		return
	}
	g := newGitea(t)
	h := newHome(t)
	h.allowHTTP(g.host)
	bob := g.client()
	bob.User, bob.Password = "bob", rand.Text()
	g.addUser(bob.User, bob.Password, nil)
	const bobs = "bob/app"
	g.push(bob, bobs)
	write, read := g.addToken("write:package"), g.addToken("read:package")
	h.secrets = append(h.secrets, g.password, g.core, bob.Password, write, read)
	login := func(name, user, secret string) result {
		return h.runIn(secret, "regshape", "auth", "login", name, "-u", user, "--password-stdin").ok("Login Succeeded").quiet()
	}

	h.crane("manifest", g.ref()).refused("401 Unauthorized").quiet()
	login(g.host, g.user, read)
	h.allSee(g.registry)
	h.run("regshape", "auth", "token", g.host, "--scope", image).ok("eyJ")
	h.crane("tag", g.ref(), "again").refused("401 Unauthorized").quiet()
	login(g.host, g.user, write)
	h.crane("tag", g.ref(), "again").ok().quiet()
	h.crane("manifest", g.host+"/"+bobs).refused("401 Unauthorized").quiet()

	// A client that asks for the namespace first sees the packages of both.
	login(g.host+"/bob", bob.User, bob.Password).ok("Warning: docker and podman ask for " + g.host + " alone")
	h.crane("manifest", g.host+"/"+bobs).ok("schemaVersion").quiet()
	h.crane("manifest", g.ref()).ok("schemaVersion").quiet()
	h.run("regshape", "auth", "logout", g.host+"/bob").ok().quiet()

	// As an identity token that another program has stored.
	h.storeRaw(g.host, "<token>", write)
	for _, tool := range tools {
		tool.look(h, g.registry).refused().quiet()
	}
	h.run("regshape", "auth", "status").refused("protocol", "does not accept identity tokens").quiet()
}
