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

	"regshape/store"
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

	for _, flags := range []string{"--resume", "--abort"} {
		if out, err := rotation(c.dir, flags).CombinedOutput(); err != nil {
			t.Errorf("rotate %s at the end: %v: %s", flags, err, out)
		}
	}
	c.lastLook(everyAddress())
	seen := c.judge()
	if len(r.failures) > 0 {
		t.Errorf("%d rotations failed; the first: %s", len(r.failures), r.failures[0])
	}
	if r.done < want {
		t.Errorf("only %d of %d rotations in %s; a slow machine needs a larger TORTURE_SECONDS", r.done, want, took)
	}
	if err := settled(t, c.dir); err != nil {
		t.Errorf("at the end: %v", err)
	}
	t.Logf("%s in %s", r, took.Round(time.Second))
	publish(t, "load-rotation", r.table()+"\n"+seen.table(), true)
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
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
		known := file == "names" || file == "config"
		if custody.Source.Source == store.SourceSlots {
			known = known || file == "v1/key-"+custody.KID+".age" || strings.HasPrefix(file, "v1/slots/")
		} else {
			known = known || file == "key"
		}
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

// table is the page's, of what was done to the key.
func (r *rotator) table() string {
	return fmt.Sprintf("`make torture`: the key is changed while %d writers and %d readers work.\n\n"+
		"| changes of the key | killed | stopped and continued | completed by another run | taken back by another run | left to the writers |\n"+
		"| ---: | ---: | ---: | ---: | ---: | ---: |\n| %d | %d | %d | %d | %d | %d |\n",
		writers, readers, r.done, r.killed, r.stopped, r.resumed, r.aborted, r.left)
}
