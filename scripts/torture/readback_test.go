//go:build torture && linux && amd64

package torture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"regshape/store"
	"regshape/store/keys"
)

// A round of TestReadBack.
const (
	backWriters = 4
	backReaders = 2
	still       = 8 // logins that nobody writes
)

// TestReadBack has writers read back what they wrote, and readers look for what nobody writes,
// while the key is changed back to back. Nobody is killed, so nothing may fail.
func TestReadBack(t *testing.T) {
	var places []string // of the store's folder
	for _, dir := range []string{os.TempDir(), "/dev/shm"} {
		if dir, err := os.MkdirTemp(dir, "regshape-readback-"); err == nil {
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			places = append(places, dir)
		}
	}
	var sum readBack
	for _, place := range places {
		for _, mode := range []string{kept, fresh, perRun} {
			for _, slots := range []bool{false, true} {
				r := &readBack{t: t, dir: filepath.Join(place, fmt.Sprint(mode, slots)), mode: mode, slots: slots}
				r.run()
				t.Logf("%s: %d rotations, %d checks, %d failed", r.dir, r.rotations.Load(), r.checks.Load(), r.failed.Load())
				sum.rotations.Add(r.rotations.Load())
				sum.checks.Add(r.checks.Load())
				sum.failed.Add(r.failed.Load())
			}
		}
	}
	t.Logf("%d rotations, %d checks, %d failed", sum.rotations.Load(), sum.checks.Load(), sum.failed.Load())
}

type readBack struct {
	t                         *testing.T
	dir, mode                 string
	slots                     bool
	rotations, checks, failed atomic.Int64
}

// check counts one, and keeps the whole text of one that fails, with what is on the disk.
func (r *readBack) check(what string, err error) {
	r.checks.Add(1)
	if err == nil {
		return
	}
	r.failed.Add(1)
	names, _ := os.ReadFile(filepath.Join(r.dir, "names"))
	config, _ := os.ReadFile(filepath.Join(r.dir, "config"))
	r.t.Errorf("%s %s: %s: %v\n%s\nnames: %d lines\nconfig: %s", time.Now().Format(time.StampMicro), r.dir, what, err,
		strings.Join(tree(r.t, r.dir), "\n"), strings.Count(string(names), "\n"), config)
}

func (r *readBack) run() {
	defer func() {
		if r.slots {
			_ = regshapeCommand(r.dir, "auth", "lock").Run()
		}
		if r.failed.Load() == 0 {
			_ = os.RemoveAll(r.dir)
		}
	}()
	first := &worker{dir: r.dir, mode: perRun}
	for i := range still {
		if err := first.change(stillKey(i), fmt.Sprint("still", i)); err != nil {
			r.t.Fatal(err)
		}
	}
	if r.slots {
		r.protect()
	}
	end := time.Now().Add(usually(2*time.Second, 8*time.Second))
	var all sync.WaitGroup
	for i := range backWriters {
		all.Go(func() {
			w := &worker{dir: r.dir, mode: r.mode}
			key := fmt.Sprintf("w%d.example", i)
			for n := 0; time.Now().Before(end); n++ {
				value := fmt.Sprint("value", n)
				if n%8 == 7 {
					value = ""
				}
				r.check(fmt.Sprintf("writer %d writes %q", i, value), w.change(key, value))
				r.check(fmt.Sprintf("writer %d reads back", i), same(w, key, value))
			}
		})
	}
	for i := range backReaders {
		all.Go(func() {
			w := &worker{dir: r.dir, mode: r.mode}
			for n := i; time.Now().Before(end); n++ {
				r.check(fmt.Sprintf("reader %d gets", i), same(w, stillKey(n%still), fmt.Sprint("still", n%still)))
				if n%4 == 0 {
					r.check(fmt.Sprintf("reader %d lists", i), lists(w))
				}
			}
		})
	}
	for time.Now().Before(end) {
		r.check("rotation", r.rotate())
		r.rotations.Add(1)
		found, err := filepath.Glob(filepath.Join(r.dir, "v1", "g-*"))
		if err == nil && len(found) != 1 {
			err = fmt.Errorf("%d generations", len(found))
		}
		r.check("generations after a rotation", err)
	}
	all.Wait()
	r.check("at the end", settled(r.t, r.dir))
}

func (r *readBack) protect() {
	r.t.Helper()
	identity := filepath.Join(filepath.Dir(r.dir), "identity")
	id, err := age.GenerateX25519Identity()
	if err == nil {
		err = os.WriteFile(identity, []byte(id.String()+"\n"), 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	recipient := id.Recipient().String()
	for _, args := range [][]string{
		{"auth", "key", "protect", "--recipient", recipient, "--identity", identity},
		{"auth", "unlock", "--identity", identity},
	} {
		if out, err := regshapeCommand(r.dir, args...).CombinedOutput(); err != nil {
			r.t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
}

// rotate changes the key, in this process or in one of its own.
func (r *readBack) rotate() error {
	if r.mode == perRun {
		out, err := rotation(r.dir).CombinedOutput()
		if err != nil || strings.Contains(string(out), "left behind") {
			err = fmt.Errorf("%v: %s", err, out) //nolint:errorlint // may be nil
		}
		return err
	}
	s, err := openStore(r.dir)
	if err != nil {
		return err
	}
	custody, err := s.Custody()
	if err != nil {
		return err
	}
	place, err := keys.Sources{}.Choose(s.Location(), custody.Source)
	if err != nil {
		return err
	}
	return s.Rotate(context.Background(), store.Rotation{Source: custody.Source, Place: place})
}

func stillKey(i int) string { return fmt.Sprintf("still%d.example", i) }

// same fails unless a worker finds the value.
func same(w *worker, key, value string) error {
	found, err := w.get(key)
	if err == nil && found != value {
		err = fmt.Errorf("%s has %q, want %q", key, found, value)
	}
	return err
}

// lists fails unless all is listed that nobody writes.
func lists(w *worker) error {
	all, err := w.list()
	if err != nil {
		return err
	}
	for i := range still {
		if found := all[stillKey(i)]; found != fmt.Sprint("still", i) {
			return fmt.Errorf("%s is listed with %q", stillKey(i), found)
		}
	}
	return nil
}
