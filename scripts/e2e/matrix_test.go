//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"regshape/scripts/testenv"
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

	mu      sync.Mutex
	played  map[string]bool // by cell
	skipped int
	secrets []string // of all cells
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
		t.Parallel()
		if err := reexec(t, subtests("TestMatrix")); err != nil {
			t.Fatalf("the matrix, run by unshare(1), whose output stands above: %v", err)
		}
		return
	}
	if !inside() && os.Getenv("CI") != "" {
		t.Fatal("the matrix needs root, for an engine and for namespaces: run it as root")
	}
	m := newMatrix(t)
	// The checks of every change play a part of the cells, others on another day.
	share := testenv.NewSample(t, 2)
	if strings.Contains(subtests("TestMatrix"), "/") {
		share = nil // these cells are asked for
	}
	for _, row := range m.rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			for _, place := range m.places {
				t.Run(place.name, func(t *testing.T) {
					t.Parallel()
					for _, by := range []string{byTool, byRegshape} {
						if !share.Take(row.name, place.name, by) {
							continue
						}
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

// newMatrix starts the registries that do not serve the other tests, too.
func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{t: t, work: t.TempDir(), rows: clients(), played: map[string]bool{}}
	began := time.Now()
	t.Cleanup(func() { m.finish(time.Since(began)) })
	m.places = []*place{
		{name: "basic", title: "http, Basic", r: registries[0]},
		{name: "tls", title: "https of an own CA, Basic", r: registries[1]},
		{name: "bearer", title: "Bearer", r: m.start(startBearer)},
		{name: "identity", title: "identity token", r: registries[4], identity: true},
		{name: "hub", title: "Docker Hub's names", hub: true},
		{name: "gitea", title: "Gitea", r: &registry{program: "gitea"}, missing: noGitea()},
	}
	tokens, ok := m.places[3].r.realm.Config.Handler.(*testregistry.TokenServer)
	if !ok {
		t.Fatalf("the realm is a %T", m.places[3].r.realm.Config.Handler)
	}
	m.places[3].service = tokens.Service()
	if inside() {
		m.places[1].r = m.start(startNamed)
		m.places[4].r = m.start(startHub)
	}
	if gitea := m.places[5]; gitea.missing == "" {
		gitea.r = newGitea(t).registry
	} else {
		fmt.Println("matrix: played without Gitea:", gitea.missing)
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

// startBearer starts a registry whose token server knows passwords only. With one that has
// identity tokens, docker turns a password into such a token at once.
func startBearer(work string) (*registry, error) {
	return startTokens(distribution2, "bearer", work, testregistry.TokenOptions{NoOAuth2: true})
}

func (m *matrix) play(t *testing.T, row *client, place *place, by string) {
	t.Helper()
	if place.missing != "" {
		t.Skip(place.missing)
	}
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
	m.played[c.id()] = true
}

// finish looks for secrets outside the homes, and compares the table with README.md. What
// each cell ends with is known beforehand, or its test fails: so the table is known, too,
// when only a part of the cells was played.
func (m *matrix) finish(took time.Duration) {
	m.t.Helper()
	m.checkLeaks()
	all, played := len(m.rows)*len(m.places)*2, len(m.played)
	switch {
	case m.t.Failed():
	case played == 0 && m.skipped == 0:
		m.t.Errorf("no cell is called so; clients are %s", m.names())
	default:
		fmt.Printf("matrix: played %d of %d cells in %s\n", played, all, took.Round(time.Second))
		if m.skipped == 0 {
			m.publish(played == all)
		}
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
