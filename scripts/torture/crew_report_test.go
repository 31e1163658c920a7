//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"time"
)

// lastLook reads everything once more, by package store and by the helper.
func (c *crew) lastLook(addresses []string) {
	c.t.Helper()
	for _, mode := range []string{fresh, perRun} {
		w := &worker{dir: c.dir, mode: mode}
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
