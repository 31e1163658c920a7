//go:build torture && linux && amd64

package torture

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// crew is the writers and readers of a store.
type crew struct {
	t       *testing.T
	dir     string
	logs    string
	random  *rand.Rand
	members []*member
	kills   int
	history history
}

// member is one of them, through all its lives.
type member struct {
	role, mode string
	number     int
	lives      int
	process    *process
}

func (c *crew) hire(role string, number int, mode string) {
	m := &member{role: role, number: number, mode: mode}
	c.members = append(c.members, m)
	c.start(m)
}

func (c *crew) start(m *member) {
	m.lives++
	name := fmt.Sprintf("%s%d.%d", m.role[:1], m.number, m.lives)
	m.process = startWorker(c.t, m.role, name, m.number, m.mode, c.dir, c.logs)
}

// killSome kills one after the other, and starts it again.
func (c *crew) killSome(stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(100+c.random.IntN(400)) * time.Millisecond):
		}
		m := c.members[c.random.IntN(len(c.members))]
		m.process.kill()
		c.collect(m)
		c.kills++
		c.start(m)
	}
}

// collect adds the log of a process that is gone to the history.
func (c *crew) collect(m *member) {
	err := c.history.add(m.process.log, now())
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it was killed before it began
		c.t.Error(err)
	}
}

// dismiss lets all finish what they are at.
func (c *crew) dismiss() {
	for _, m := range c.members {
		if err := m.process.end(); err != nil {
			c.t.Error(err)
		}
		c.collect(m)
	}
}

// tree lists the files and the empty folders below a store's folder.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(dir, path)
		if e.IsDir() {
			if inside, globErr := filepath.Glob(filepath.Join(path, "*")); globErr != nil || len(inside) > 0 {
				return globErr
			}
			below += "/"
		}
		found = append(found, below)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return found
}

func isTemporary(path string) bool { return strings.HasPrefix(filepath.Base(path), ".tmp-") }
