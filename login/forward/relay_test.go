package forward

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"regshape/store"
	"regshape/store/lend"
	"regshape/store/source"
	"regshape/store/trust"
)

// relay connects both sides within this process, without a terminal and ssh.
func relay(t *testing.T, near *lender) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("logins are not forwarded from Windows")
	}
	top, err := os.MkdirTemp("", "forward") // t.TempDir would be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	t.Setenv("TMPDIR", top)
	l, err := lend.Listen()
	if err != nil {
		t.Fatal(err)
	}
	down, toFar := io.Pipe()
	up, toNear := io.Pipe()
	f := &far{link: lend.NewLink(down, toNear), from: "near", slots: make(chan struct{}, lend.AtOnce), answers: map[int]chan lend.Frame{}}
	near.link = lend.NewLink(bufio.NewReader(up), toFar)
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { _ = f.link.Receive(f.take) })
	ended.Go(func() { _ = near.link.Receive(func(f lend.Frame) error { return near.take(ctx, f) }) })
	go f.accept(ctx, l)
	t.Cleanup(func() {
		l.Close()
		cancel()
		_ = toFar.Close()
		_ = toNear.Close()
		ended.Wait()
	})
}

// More requests than may be under way wait for their turn, and all are answered.
func TestRelay_many(t *testing.T) {
	near := newLender(t)
	relay(t, near)
	near.all = true
	maker := filepath.Join(os.Getenv("HOME"), "maker")
	if err := os.WriteFile(maker, []byte("#!/bin/sh\nsleep 0.3\necho \"for $REGSHAPE_REGISTRY\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	login := store.Credential{ServerURL: "*.r.example", Canonical: "*.r.example", Username: "alice"}.MadeBy(store.Program{Words: []string{maker}, Path: "/usr/bin:/bin"})
	if err := trust.Add(near.logins.Location(), source.Program(*login.Program)); err != nil {
		t.Fatal(err)
	}
	if err := near.logins.Put(t.Context(), login); err != nil {
		t.Fatal(err)
	}
	begun, most := time.Now(), 2*lend.AtOnce+1
	var asking sync.WaitGroup
	var lent atomic.Int32
	for i := range most {
		asking.Go(func() {
			host := fmt.Sprintf("h%d.r.example", i)
			if c, from, err := lend.Ask(t.Context(), store.ParseAddress(host)); err != nil || c.Secret != "for "+host || from != "near" {
				t.Errorf("%s: got %q from %q (%v)", host, c.Secret, from, err)
				return
			}
			lent.Add(1)
		})
	}
	asking.Wait()
	if took := time.Since(begun); took < 900*time.Millisecond {
		t.Errorf("%d requests of 300 ms took %v: more than %d at once", most, took, lend.AtOnce)
	}
	if int(lent.Load()) != most {
		t.Errorf("%d of %d were lent", lent.Load(), most)
	}
}
