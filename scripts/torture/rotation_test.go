//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	writers = 8
	readers = 4
)

// TestRotationUnderLoad rotates the key a thousand times under writers and readers, of
// whom, as of the rotations, some are killed, and some rotations stopped for a while. What
// every process saw and did is then compared by [history.check].
func TestRotationUnderLoad(t *testing.T) {
	want := number(t, "TORTURE_ROTATIONS", 1000)
	limit := time.Duration(number(t, "TORTURE_SECONDS", 900)) * time.Second
	seed := number(t, "TORTURE_SEED", int(time.Now().Unix()))
	logs := t.TempDir()
	if keep := os.Getenv("TORTURE_KEEP"); keep != "" {
		logs = keep
	}
	t.Logf("TORTURE_SEED=%d", seed)
	c := &crew{t: t, dir: filepath.Join(t.TempDir(), "store"), logs: logs, random: rand.New(rand.NewPCG(uint64(seed), 1))}
	for i := range writers {
		c.hire("writer", i, []string{kept, fresh, kept, perRun}[i%4])
	}
	for i := range readers {
		c.hire("reader", i, []string{kept, fresh, kept, perRun}[i%4])
	}
	for deadline := time.Now().Add(workerPatience); !there(filepath.Join(c.dir, "config")); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no writer has made the store")
		}
	}

	r := &rotator{t: t, dir: c.dir, random: rand.New(rand.NewPCG(uint64(seed), 2))}
	stop := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() { c.killSome(stop) })
	began := time.Now()
	for r.done < want && time.Since(began) < limit && !t.Failed() {
		r.rotate()
	}
	took := time.Since(began)
	close(stop)
	killer.Wait()
	c.dismiss()

	c.lastLook()
	lost, wrong := c.history.check()
	for i, e := range append(append(lost, wrong...), c.history.errors...) {
		if i == 20 {
			t.Errorf("and more")
			break
		}
		t.Error(e)
	}
	if len(r.failures) > 0 {
		t.Errorf("%d rotations failed; the first: %s", len(r.failures), r.failures[0])
	}
	if r.done < want {
		t.Errorf("only %d of %d rotations in %s; a slow machine needs a larger TORTURE_SECONDS", r.done, want, took)
	}
	if err := settled(t, c.dir); err != nil {
		t.Errorf("at the end: %v", err)
	}
	c.report(r, took, len(lost), len(wrong))
}

// report prints what happened.
func (c *crew) report(r *rotator, took time.Duration, lost, wrong int) {
	var puts, erases, open, gets, lists int
	var longest time.Duration
	for _, change := range c.history.changes {
		switch {
		case !change.acked:
			open++
			continue
		case change.value == "":
			erases++
		default:
			puts++
		}
		longest = max(longest, time.Duration(change.end-change.start))
	}
	for _, look := range c.history.looks {
		if look.scopes == nil {
			lists++
		} else {
			gets++
		}
	}
	if longest > workerPatience {
		c.t.Errorf("a writer waited %s", longest)
	}
	c.t.Logf("%s in %s", r, took.Round(time.Second))
	c.t.Logf("%d workers killed", c.kills)
	c.t.Logf("acknowledged: %d writes, %d erases; cut short: %d; longest wait of a writer %s", puts, erases, open, longest.Round(time.Millisecond))
	c.t.Logf("looks: %d gets, %d lists", gets, lists)
	c.t.Logf("lost %d, wrong %d, errors %d", lost, wrong, len(c.history.errors))
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// lastLook reads everything once more, by package store and by the helper.
func (c *crew) lastLook() {
	c.t.Helper()
	for _, flags := range []string{"--resume", "--abort"} {
		if out, err := rotation(c.dir, flags).CombinedOutput(); err != nil {
			c.t.Errorf("rotate %s at the end: %v: %s", flags, err, out)
		}
	}
	all := shared
	for i := range writers {
		all = append(all, addresses(i)...)
	}
	for _, mode := range []string{fresh, perRun} {
		w := &worker{dir: c.dir, mode: mode}
		for _, key := range all {
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

// settled fails when anything of a rotation is left behind.
func settled(t *testing.T, dir string) error {
	t.Helper()
	s, err := openStore(dir)
	if err != nil {
		return err
	}
	if underWay, err := s.UnderWay(); underWay || err != nil {
		return fmt.Errorf("a rotation is under way (%v)", err) //nolint:errorlint // often nil
	}
	custody, err := s.Custody()
	if err != nil {
		return err
	}
	var left []string
	for _, file := range tree(t, dir) {
		inGeneration := strings.HasPrefix(file, "v1/g-"+custody.KID+"/") && !strings.Contains(file, ".rekey")
		known := file == "key" || file == "names" || file == "config"
		if !inGeneration && !known && !isTemporary(file) { // a killed process leaves its temporary file; doctor names it
			left = append(left, file)
		}
	}
	if left != nil {
		return fmt.Errorf("left behind: %s", strings.Join(left, ", "))
	}
	return nil
}

func (r *rotator) String() string {
	return fmt.Sprintf("%d rotations; %d killed, of which %d resumed, %d aborted, %d left to the writers; %d stopped and continued; %d taken back",
		r.done, r.killed, r.resumed, r.aborted, r.left, r.stopped, r.takenBack)
}
