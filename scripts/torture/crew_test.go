//go:build torture && linux && amd64

package torture

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
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
		if err := takeBack(c.dir); err != nil {
			c.t.Error(err)
		}
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

// isTemporary reports whether a file is one that a killed process leaves: half a file, or the
// claim of a renewal.
func isTemporary(path string) bool {
	name := filepath.Base(path)
	return strings.HasPrefix(name, ".tmp-") || strings.HasPrefix(name, "renewing-")
}

// takeBack makes the claims that killed processes have left too old to count
// any more.
func takeBack(store string) error {
	claims, err := filepath.Glob(filepath.Join(store, "renewing-*"))
	old := time.Now().Add(-41 * time.Second)
	for _, claim := range claims {
		if gone := os.Chtimes(claim, old, old); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// lastLook reads everything once more.
func (c *crew) lastLook(addresses []string) {
	c.t.Helper()
	w := &worker{dir: c.dir, mode: perRun}
	for _, key := range addresses {
		start := now()
		found, err := w.get(key)
		if err != nil {
			c.t.Errorf("get %s at the end: %v", key, err)
		}
		c.history.looks = append(c.history.looks, look{scopes: scopes(key), value: found, start: start, end: now()})
	}
	start := now()
	found, err := w.list()
	if err != nil {
		c.t.Errorf("list at the end: %v", err)
	}
	c.history.looks = append(c.history.looks, look{all: found, start: start, end: now()})
}

// seen is what a crew did, and what was wrong with what it saw.
type seen struct {
	kills, puts, erases, open, gets, lists, lost, wrong, errors int

	longest time.Duration // wait of a writer
}

// judge checks the history, and fails the test for what is wrong with it.
func (c *crew) judge() seen {
	c.t.Helper()
	lost, wrong := c.history.check()
	for i, e := range append(append(lost, wrong...), c.history.errors...) {
		if i == 20 {
			c.t.Errorf("and more")
			break
		}
		c.t.Error(e)
	}
	s := seen{kills: c.kills, lost: len(lost), wrong: len(wrong), errors: len(c.history.errors)}
	for _, change := range c.history.changes {
		switch {
		case !change.acked:
			s.open++
			continue
		case change.value == "":
			s.erases++
		default:
			s.puts++
		}
		s.longest = max(s.longest, time.Duration(change.end-change.start))
	}
	for _, look := range c.history.looks {
		if look.scopes == nil {
			s.lists++
		} else {
			s.gets++
		}
	}
	if s.longest > workerPatience {
		c.t.Errorf("a writer waited %s", s.longest)
	}
	c.t.Logf("longest wait of a writer %s", s.longest.Round(time.Millisecond))
	return s
}

// add adds up what two crews did.
func (s *seen) add(o seen) {
	s.kills, s.puts, s.erases, s.open = s.kills+o.kills, s.puts+o.puts, s.erases+o.erases, s.open+o.open
	s.gets, s.lists, s.lost, s.wrong, s.errors = s.gets+o.gets, s.lists+o.lists, s.lost+o.lost, s.wrong+o.wrong, s.errors+o.errors
	s.longest = max(s.longest, o.longest)
}

const (
	seenHead = " processes killed | writes | erases | cut short | gets | lists | lost | wrong | errors |\n"
	seenRule = " ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
)

func (s seen) row() string {
	return fmt.Sprintf(" %d | %d | %d | %d | %d | %d | %d | %d | %d |\n", s.kills, s.puts, s.erases, s.open, s.gets, s.lists, s.lost, s.wrong, s.errors)
}

// table is the page's, of one crew.
func (s seen) table() string { return "|" + seenHead + "|" + seenRule + "|" + s.row() }
