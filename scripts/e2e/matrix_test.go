//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"regshape/scripts/testregistry"
	"regshape/scripts/testregistry/canary"
)

// outDir holds the logs of failing cells.
var outDir = filepath.Join("..", "..", "bin", "e2e")

// matrix is one run over all clients, registries and ways to log in.
type matrix struct {
	t      *testing.T
	work   string
	places []*place
	rows   []*client

	engine func() (*engine, error) // starts it when it is first asked
	alone  sync.Mutex              // for cells that must not meet another

	mu       sync.Mutex
	outcomes map[string]outcome // by cell
	skipped  int
	secrets  []string // of all cells
}

// outcome is how a cell that passed has ended.
type outcome struct {
	refused string // by design, and why; "" works
}

// TestMatrix plays every client against every registry after both kinds of login. One cell,
// or one row, is
//
//	go test -tags e2e -count=1 -v -run 'TestMatrix/^podman$/^bearer$/^tool$' ./scripts/e2e
//
// It runs in namespaces of its own, for Docker Hub's names and for an engine that touches
// nothing of the machine's. That takes root.
func TestMatrix(t *testing.T) {
	if !inside() && os.Geteuid() == 0 {
		if err := reexec(t, subtests("TestMatrix")); err != nil {
			t.Fatalf("the matrix, run by unshare(1), whose output stands above: %v", err)
		}
		return
	}
	if !inside() && os.Getenv("CI") != "" {
		t.Fatal("the matrix needs root, for an engine and for namespaces: run it as root")
	}
	programs := []string{"buildah", "regctl", "helm", "orasprobe", "ggcrprobe"}
	if inside() {
		programs = append(programs, "dockerd")
	}
	for _, program := range programs {
		if _, err := exec.LookPath(filepath.Join(clientsDir, program)); err == nil {
			continue
		}
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is not here; run scripts/e2e/install.sh", program)
		}
	}
	m := newMatrix(t)
	for _, row := range m.rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for _, place := range m.places {
				t.Run(place.name, func(t *testing.T) {
					t.Parallel()
					for _, by := range []string{byTool, byRegshape} {
						t.Run(by, func(t *testing.T) {
							t.Parallel()
							m.play(t, row, place, by)
						})
					}
				})
			}
		})
	}
}

// newMatrix starts the registries. Those that ask for Basic and the one with identity
// tokens serve the other tests, too.
func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{t: t, work: t.TempDir(), rows: clients(), outcomes: map[string]outcome{}}
	began := time.Now()
	t.Cleanup(func() { m.finish(time.Since(began)) })
	m.places = []*place{
		{name: "basic", title: "http, Basic", r: registries[0]},
		{name: "tls", title: "https of an own CA, Basic", r: registries[1]},
		{name: "bearer", title: "Bearer", r: m.start(startBearer)},
		{name: "identity", title: "identity token", r: registries[2], identity: true},
		{name: "hub", title: "Docker Hub's names", hub: true},
	}
	tokens, ok := registries[2].realm.Config.Handler.(*testregistry.TokenServer)
	if !ok {
		t.Fatalf("the realm is a %T", registries[2].realm.Config.Handler)
	}
	m.places[3].service = tokens.Service()
	if inside() {
		m.places[1].r = m.start(startNamed)
		m.places[4].r = m.start(startHub)
	}
	m.engine = sync.OnceValues(func() (*engine, error) {
		e, err := startEngine(filepath.Join(m.work, "engine"))
		if err == nil {
			t.Cleanup(func() {
				if err := e.stop(); err != nil {
					t.Error(err)
				}
			})
		}
		return e, err
	})
	return m
}

func (m *matrix) start(start func(work string) (*registry, error)) *registry {
	m.t.Helper()
	r, err := start(m.work)
	if r != nil {
		m.t.Cleanup(r.stop)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return r
}

// startBearer starts a registry whose token server knows passwords only.
func startBearer(work string) (*registry, error) {
	r, err := startToken(filepath.Join(work, "bearer"))
	if err == nil {
		r.name, r.realm.Config.Handler = "bearer", noRefreshTokens(r.realm.Config.Handler)
	}
	return r, err
}

func (m *matrix) play(t *testing.T, row *client, place *place, by string) {
	t.Helper()
	if !inside() && (place.hub || row.engine || (row.systemCA && place.r.caPEM != nil)) {
		m.mu.Lock()
		m.skipped++
		m.mu.Unlock()
		t.Skip("needs root, for namespaces of its own")
	}
	c := newCell(t, row, place, by)
	if row.engine {
		e, err := m.engine()
		if err != nil {
			t.Fatal(err)
		}
		c.engine = e
		c.setenv("DOCKER_HOST", "unix://"+e.socket)
	}
	if row.alone {
		m.alone.Lock()
		defer m.alone.Unlock()
	}
	if row.prepare != nil {
		row.prepare(c)
	}
	why := refusalOf(row, place, by)
	if why == nil {
		c.play()
	} else {
		why.show(c)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.secrets = append(m.secrets, c.secrets...)
	m.outcomes[c.id()] = outcome{}
	if why != nil {
		m.outcomes[c.id()] = outcome{refused: why.reason}
	}
}

// finish looks for secrets outside the homes, and after a whole run makes the table.
func (m *matrix) finish(took time.Duration) {
	m.t.Helper()
	m.checkLeaks()
	works, refused := m.figures()
	all := len(m.rows) * len(m.places) * 2
	switch {
	case m.t.Failed():
	case works+refused == 0 && m.skipped == 0:
		m.t.Errorf("no cell is called so; clients are %s", m.names())
	case works+refused < all:
		m.t.Logf("%d of %d cells in %s: %d work, %d are refused by design; the table is made by a whole run, as root",
			works+refused, all, took.Round(time.Second), works, refused)
	default:
		m.publish(took)
	}
}

// checkLeaks reads what the engine and the programs have left outside the homes. The
// homes are checked one by one.
func (m *matrix) checkLeaks() {
	m.t.Helper()
	dirs := []string{filepath.Join(m.work, "engine")}
	if inside() {
		dirs = append(dirs, "/run")
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err != nil {
			continue // no cell wanted an engine
		}
		_, found, err := canary.Tree(dir, m.secrets...)
		if err != nil {
			m.t.Errorf("look for leaks: %v", err)
		}
		for _, leak := range found {
			m.t.Errorf("a file of %s holds a secret: %s", dir, leak)
		}
	}
}

func (m *matrix) names() string {
	var names []string
	for _, row := range m.rows {
		names = append(names, row.name)
	}
	return strings.Join(names, ", ")
}
