//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"regshape/store"
)

const (
	writers = 8
	readers = 4
)

// TestRotationUnderLoad rotates the key hundreds of times under writers and readers, of
// whom, as of the rotations, some are killed, and some rotations stopped for a while. What
// every process saw and did is then compared by [history.check].
func TestRotationUnderLoad(t *testing.T) {
	want, seed := usually(250, 1000), seed(t)
	const limit = 15 * time.Minute // a slow machine may take that long
	logs := t.TempDir()
	if keep := os.Getenv("TORTURE_KEEP"); keep != "" {
		logs = keep
	}
	c := &crew{t: t, dir: filepath.Join(t.TempDir(), "store"), logs: logs, random: rand.New(rand.NewPCG(seed, 1))}
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

	r := &rotator{t: t, dir: c.dir, random: rand.New(rand.NewPCG(seed, 2))}
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
		t.Errorf("only %d of %d rotations in %s", r.done, want, took)
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
	return fmt.Sprintf("`TESTENV_WHOLE=1 make torture`: the key is changed while %d writers and %d readers work.\n\n"+
		"| changes of the key | killed | stopped and continued | completed by another run | taken back by another run | left to the writers |\n"+
		"| ---: | ---: | ---: | ---: | ---: | ---: |\n| %d | %d | %d | %d | %d | %d |\n",
		writers, readers, r.done, r.killed, r.stopped, r.resumed, r.aborted, r.left)
}

// rotator rotates, one process at a time, and picks up what it kills.
type rotator struct {
	t      *testing.T
	dir    string
	random *rand.Rand

	done, killed, resumed, aborted, left, stopped, takenBack int

	failures []string
	typical  time.Duration // how long a rotation takes here
}

// maxLeft is how many killed rotations are left to the writers, each of which costs them
// the store's patience of 5 s.
const maxLeft = 3

// rotate rotates once, or kills or stops it at a random moment.
func (r *rotator) rotate() {
	time.Sleep(time.Duration(r.random.IntN(5000)) * time.Microsecond)
	before := r.kid()
	var out bytes.Buffer
	cmd := rotation(r.dir)
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	if r.typical == 0 {
		r.typical = 100 * time.Millisecond
	}
	moment := time.Duration(r.random.Int64N(int64(r.typical * 5 / 4)))
	switch r.random.IntN(20) {
	case 0, 1, 2:
		time.Sleep(moment)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		r.killed++
		r.pickUp()
	case 3, 4:
		time.Sleep(moment)
		_ = cmd.Process.Signal(unix.SIGSTOP)
		r.stopped++
		r.pickUp()
		time.Sleep(time.Duration(r.random.IntN(60)) * time.Millisecond)
		_ = cmd.Process.Signal(unix.SIGCONT)
		r.judge(cmd.Wait(), out.String(), true)
	default:
		err := cmd.Wait()
		r.judge(err, out.String(), false)
		if err == nil {
			r.typical = (r.typical*9 + time.Since(began)) / 10
		}
	}
	if r.kid() != before {
		r.done++
	}
}

// pickUp deals with a rotation that does not go on.
func (r *rotator) pickUp() {
	choice := r.random.IntN(20)
	switch {
	case choice == 0 && r.left < maxLeft && r.marked():
		r.left++
		r.awaitWriters()
	case choice < 10:
		r.resumed++
		out, err := rotation(r.dir, "--resume").CombinedOutput()
		r.judge(err, string(out), false)
	default:
		r.aborted++
		out, err := rotation(r.dir, "--abort").CombinedOutput()
		r.judge(err, string(out), false)
	}
}

// marked reports whether the rotation has come as far as to tell writers of itself. One that
// has not disturbs none of them, and stays.
func (r *rotator) marked() bool {
	found, err := filepath.Glob(filepath.Join(r.dir, "v1", "g-*", ".rekey", "[0-9a-f]*"))
	return err == nil && len(found) > 0
}

// awaitWriters returns when a writer's patience has taken the rotation back.
func (r *rotator) awaitWriters() {
	for deadline := time.Now().Add(2 * 6 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		s, err := openStore(r.dir)
		if err != nil {
			r.failures = append(r.failures, err.Error())
			return
		}
		underWay, err := s.UnderWay()
		switch {
		case err != nil:
			r.failures = append(r.failures, err.Error())
			return
		case !underWay:
			return
		case time.Now().After(deadline):
			r.failures = append(r.failures, "the writers have not taken a marked rotation back")
			return
		}
	}
}

// judge counts how a rotation ended. One that was interfered with may say so.
func (r *rotator) judge(err error, out string, disturbed bool) {
	switch {
	case err == nil:
	case strings.Contains(out, "aborted the rotation"):
		r.takenBack++
	case disturbed && (strings.Contains(out, "is being changed by another run") || strings.Contains(out, "was changed meanwhile")):
		r.takenBack++
	default:
		r.failures = append(r.failures, fmt.Sprintf("%v: %s", err, out))
	}
}

// kid is the present key's.
func (r *rotator) kid() string {
	s, err := openStore(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := s.Custody()
	if err != nil {
		r.t.Fatal(err)
	}
	return c.KID
}
