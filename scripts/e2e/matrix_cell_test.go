//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"regshape/scripts/testregistry/canary"
)

// Who logs in, in a cell.
const (
	byTool     = "tool"
	byRegshape = "regshape"
)

// pushedTag is a tag that may be a chart's version, too.
const pushedTag = "0.1.0"

// action is one thing that a client does in a cell.
type action struct {
	run func(c *cell) result // nil: the client has no such command

	// text is the command as the legend shows it, or says why there is none.
	text string
	// refusal is what the client must say, where it has the command and cannot do it.
	refusal string
	// noToken is what the client says where an identity token is due, if it has no word for it.
	noToken string
	// keeps: the command ends well or not, and the login stays in the store.
	keeps bool
	// printsSecret: the command is there to print the credential.
	printsSecret bool
}

// client is a row of the matrix.
type client struct {
	name   string
	uses   []string // programs, the client itself first
	engine bool
	// systemCA: it looks for authorities below /etc only.
	systemCA bool
	alone    bool // its cells run one by one
	// inPlace: it can only add a tag to a repository that has the image.
	inPlace bool
	// prepare sets the client up beyond what every home has.
	prepare   func(c *cell)
	login     action // with c.user and c.secret
	inspect   action
	pull      action
	push      action // to c.target()
	pushFirst bool   // it can only pull what it has pushed
	list      action
	logout    action
}

// place is a column of the matrix: a registry and how one logs in there.
type place struct {
	name     string
	title    string // of the table's column
	r        *registry
	service  string // of the token server, for an identity token
	identity bool   // logins hold an identity token
	hub      bool
	missing  string // why it cannot be played; the table has what it is known to end with

	convert sync.Once
}

// cell is one client at one place, after one kind of login.
type cell struct {
	*home
	client *client
	place  *place
	r      *registry
	by     string
	user   string // what the login is given
	secret string
	log    []string
	engine *engine
}

func newCell(t *testing.T, client *client, place *place, by string) *cell {
	t.Helper()
	c := &cell{home: newHome(t), client: client, place: place, r: place.r, by: by}
	c.user, c.secret = c.r.user, c.r.password
	c.secrets = append(c.secrets, c.r.password, c.r.core)
	c.must(os.RemoveAll(c.logDir())) // of an earlier run
	t.Cleanup(c.keepLog)
	switch {
	case place.hub:
	case c.r.caPEM == nil:
		c.allowHTTP(c.r.host)
	default:
		c.write(".config/containers/certs.d/"+c.r.host+"/ca.crt", string(c.r.caPEM))
	}
	if place.identity {
		c.takeToken()
	}
	return c
}

// dockerRef is the private image with a manifest of docker's own format, the only one that
// docker's client reads before version 23.
func (p *place) dockerRef(t *testing.T) string {
	t.Helper()
	p.convert.Do(func() {
		c := newCell(t, &client{name: "docker-format"}, p, byRegshape)
		c.regshapeLogin()
		c.run("skopeo", "copy", "--quiet", "--format", "v2s2", "docker://"+c.r.ref(), "docker://"+c.r.host+"/"+image+":docker").ok().quiet()
	})
	return p.r.host + "/" + image + ":docker"
}

// id is the cell's name as CELL and the subtests have it.
func (c *cell) id() string { return cellID(c.client, c.place, c.by) }

func cellID(client *client, place *place, by string) string {
	return client.name + "/" + place.name + "/" + by
}

// address is the key of the login in the store.
func (c *cell) address() string {
	if c.place.hub {
		return "https://index.docker.io/v1/"
	}
	return c.r.host
}

// target is a name that no other cell pushes to.
func (c *cell) target() string { return c.r.host + "/" + c.repository() + ":" + c.tag() }

func (c *cell) repository() string {
	if c.client.inPlace {
		return image
	}
	return "matrix/" + c.client.name + "-" + c.by
}

func (c *cell) tag() string {
	if c.client.inPlace {
		return c.client.name + "-" + c.by
	}
	return pushedTag
}

// caFile is the registry's authority, or "" over http and where the system trusts it.
func (c *cell) caFile() string {
	if c.place.hub || c.r.caPEM == nil {
		return ""
	}
	return filepath.Join(c.dir, ".config", "containers", "certs.d", c.r.host, "ca.crt")
}

func (c *cell) plainHTTP() bool { return c.r.caPEM == nil }

// setenv is for the commands that follow.
func (c *cell) setenv(name, value string) { c.env = append(c.env, name+"="+value) }

// file names a file below the home.
func (c *cell) file(names ...string) string {
	return filepath.Join(append([]string{c.dir}, names...)...)
}

// Commands of a cell are kept for the log of a failing one.
func (c *cell) run(name string, args ...string) result {
	c.t.Helper()
	return c.runIn("", name, args...)
}

func (c *cell) runIn(stdin, name string, args ...string) result {
	c.t.Helper()
	got := c.home.runIn(stdin, name, args...)
	c.log = append(c.log, got.String())
	return got
}

// logDir holds the logs of the cell, if it fails.
func (c *cell) logDir() string { return filepath.Join(outDir, filepath.FromSlash(c.id())) }

// keepLog writes what a failing cell's commands and its registry have said.
func (c *cell) keepLog() {
	if !c.t.Failed() {
		return
	}
	logs := map[string]string{"commands.log": strings.Join(c.log, "\n\n") + "\n", "registry.log": c.r.logTail()}
	if c.engine != nil {
		logs["engine.log"] = c.engine.logTail()
	}
	err := os.MkdirAll(c.logDir(), 0o755)
	for name, text := range logs {
		err = errors.Join(err, os.WriteFile(filepath.Join(c.logDir(), name), []byte(canary.Redact(text, c.secrets...)), 0o644))
	}
	if err != nil {
		c.t.Errorf("logs of the cell: %v", err)
		return
	}
	c.t.Logf("logs of the cell: %s", filepath.Join("bin", "e2e", filepath.FromSlash(c.id())))
}

// takeToken gets an identity token from the token server, as if its web page had shown it.
func (c *cell) takeToken() {
	c.t.Helper()
	ask, err := http.NewRequestWithContext(context.Background(), http.MethodGet,
		c.r.realm.URL+"/token?"+url.Values{"service": {c.place.service}, "offline_token": {"true"}}.Encode(), nil)
	c.must(err)
	ask.SetBasicAuth(c.r.user, c.r.password)
	answer, err := http.DefaultClient.Do(ask)
	c.must(err)
	defer answer.Body.Close()
	var body struct {
		Token string `json:"refresh_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil || body.Token == "" {
		c.t.Fatalf("no identity token: status %d, %v", answer.StatusCode, err)
	}
	c.user, c.secret = "<token>", body.Token
	c.secrets = append(c.secrets, body.Token)
}
