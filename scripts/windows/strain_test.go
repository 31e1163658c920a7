//go:build wine && linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// crowd is how many processes write at once.
const crowd = 20

// all runs that many at once.
func all(t *testing.T, one func(i int) outcome) {
	t.Helper()
	var wait sync.WaitGroup
	for i := range crowd {
		wait.Go(func() {
			if o := one(i); o.code != 0 {
				t.Errorf("%d: %s", i, o.text())
			}
		})
	}
	wait.Wait()
}

// The first logins of all, at once.
func TestParallelStores(t *testing.T) {
	s := newSession(t)
	all(t, func(i int) outcome {
		return s.run(payload(fmt.Sprintf("r%d.example", i), "alice", fmt.Sprint("secret", i)), helper+"store")
	})
	for i := range crowd {
		s.gives(fmt.Sprintf("r%d.example", i), "alice", fmt.Sprint("secret", i))
	}
}

// A file that all edit has every login in the end.
func TestParallelLogins(t *testing.T) {
	s := newSession(t)
	all(t, func(i int) outcome {
		return s.run(fmt.Sprint("secret", i), fmt.Sprintf("regshape auth login r%d.example -u alice --password-stdin --skip-verify --authfile %s\\auth.json", i, s.dir))
	})
	data, err := os.ReadFile(s.file("auth.json"))
	if got := strings.Count(string(data), `"auth":`); err != nil || got != crowd {
		t.Errorf("the file has %d of %d logins, %v", got, crowd, err)
	}
}

// A store that is killed at any moment leaves every login, the one that it replaces too.
func TestKilledStore(t *testing.T) {
	s := newSession(t)
	s.stores("kept.example", "alice", "kept")
	s.stores("replaced.example", "alice", "0")
	const kills = 30
	last, killed, done := "0", 0, 0
	for i := range kills {
		next, begun := fmt.Sprint(i+1), time.Now()
		s.gives("kept.example", "alice", "kept")
		usual := time.Since(begun)
		cmd := s.command(t.Context(), payload("replaced.example", "alice", next), helper+"store")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(usual * time.Duration(i) * 5 / kills / 4)
		_ = cmd.Process.Kill() // it may have ended
		err := cmd.Wait()
		if err != nil {
			killed++
		}
		switch o := s.run("replaced.example", helper+"get"); o.out {
		case payload("replaced.example", "alice", next):
			last, done = next, done+1
		case payload("replaced.example", "alice", last):
			if err == nil {
				t.Errorf("store %d has ended, and its login is not there", i)
			}
		default:
			t.Errorf("kill %d: %s", i, o.text())
		}
	}
	if killed < kills/3 || done == 0 {
		t.Errorf("%d of %d were killed, and %d had stored: too early or too late", killed, kills, done)
	}
	s.says(0, nil, "", "regshape auth key rotate")
	s.gives("replaced.example", "alice", last)
	t.Logf("%d of %d stores were killed, %d had stored by then", killed, kills, done)
}

// Somebody who has an entry open for a moment delays its change, and for longer prevents it.
func TestHeldEntry(t *testing.T) {
	s := newSession(t)
	s.stores("a.example", "alice", "old")
	entries, err := filepath.Glob(s.file(`store\v1\g-`) + "*/[0-9a-v]*")
	if err != nil || len(entries) != 1 {
		t.Fatalf("%q, %v: want one entry", entries, err)
	}
	entry := `C:\` + strings.ReplaceAll(strings.TrimPrefix(entries[0], drive+"/"), "/", `\`)

	hold := func() (release func()) {
		cmd := s.command(t.Context(), "", "hold", entry)
		in, _ := pipes(t, cmd)
		return func() {
			_ = in()
			_ = cmd.Wait() // it has only read
		}
	}
	release := hold()
	o := s.run(payload("a.example", "alice", "new"), helper+"store")
	if o.code != 1 || !strings.Contains(o.out, "write the entry of a.example: ") {
		t.Errorf("store while it is held: %s", o.text())
	}
	s.gives("a.example", "alice", "old")
	release()

	release = hold()
	time.AfterFunc(time.Second, release)
	s.stores("a.example", "alice", "new")
	s.gives("a.example", "alice", "new")
}

// pipes starts a program and waits for its first line; the function ends its input.
func pipes(t *testing.T, cmd *exec.Cmd) (end func() error, line string) {
	t.Helper()
	cmd.Stdin = nil
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return in.Close, line
}
