//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
	case strings.Contains(out, "took the rotation back"):
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
