package acceptance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"regshape/scripts/testregistry"
)

// Every command, in success and in failure, answers --json with one value of a shape that
// login/README.md documents; and whatever is documented there is seen.
func TestJSON(t *testing.T) {
	t.Parallel()
	doc := readShapes(t)
	var want []string
	for _, command := range grammarCommands(t) {
		want = append(want, row(command))
		if _, there := doc.rows[row(command)]; !there {
			t.Errorf("login/README.md has no JSON for %q", row(command))
		}
	}
	for name := range doc.rows {
		if name != anyFailure && !slices.Contains(want, name) {
			t.Errorf("login/README.md has JSON for %q, which is no command", name)
		}
	}

	seen := map[string]bool{}
	t.Cleanup(func() { // when both walks have ended
		for _, outcome := range doc.outcomes {
			if !seen["`status`, form 1: [].status = "+outcome] {
				t.Errorf("no status was %q", outcome)
			}
		}
		for _, one := range doc.unseen(seen) {
			if !notShown(one) {
				t.Errorf("login/README.md documents what no command has answered: %s", one)
			}
		}
	})
	var mu sync.Mutex
	walk := func(name string, take func(j *jsonWalk)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := &jsonWalk{doc: doc, seen: map[string]bool{}}
			j.begin(t)
			take(j)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(seen, j.seen)
		})
	}
	walk("commands", func(j *jsonWalk) {
		steps := j.steps()
		checkCommands(j.t, steps)
		j.take(steps)
	})
	walk("devices", func(j *jsonWalk) {
		j.take(j.refreshSteps())
		j.interrupt()
	})
	walk("cases", func(j *jsonWalk) {
		j.take(slices.Concat(j.loginSteps(), j.statusSteps(), j.sourceSteps(), j.moveSteps(), j.setupSteps(), j.keySteps(), j.otherSteps()))
	})
}

// notShown lists what is documented but cannot be seen here.
func notShown(one string) bool {
	return strings.HasSuffix(one, ".source = keyring") || // TestKeyring_custody has a desktop's bus
		strings.HasPrefix(one, "`version`") && strings.HasSuffix(one, "? absent") || // usage.txtar: a build without ldflags
		one == "`refresh`, form 1: [].reason? = interrupted" // Ctrl-C before the first request
}

// jsonWalk is a home in which every command is asked for JSON.
type jsonWalk struct {
	*walk
	doc  shapes
	seen map[string]bool
}

// begin makes a new home in a time zone (RFC 8536) nine hours from UTC, so that a time that is
// not in UTC shows.
func (j *jsonWalk) begin(t *testing.T) {
	j.walk = newWalk(t, &tally{})
	zone := "TZif" + strings.Repeat("\x00", 35) + "\x01\x00\x00\x00\x04" + "\x00\x00\x7e\x90\x00\x00" + "TST\x00"
	j.env = append(j.env, "CANARY_HOME="+j.home, "TZ="+j.write("zone", zone, 0o600))
	w := j.walk
	t.Cleanup(func() { _ = w.run("", "regshape", "auth", "lock") })
	said := j.must(j.secret(), "regshape", "auth", "login", "ended.example", "-u", "alice", "--password-stdin", "--skip-verify", "--for=1ms")
	if !strings.Contains(said.out, " TST.") {
		t.Fatalf("the time zone of the test is not in force:\n%s", said.out)
	}
}

// take runs the steps with --json and compares each answer with its documented shape. A
// step that uses a backup gets the age file from the answer.
func (j *jsonWalk) take(steps []step) {
	j.t.Helper()
	for i, st := range steps {
		words := append(strings.Fields(st.command), "--json")
		words = append(words, st.flags...)
		if helper := strings.HasPrefix(st.command, "docker-credential-"); helper {
			words = append(strings.Fields(st.command), st.flags...)
		} else {
			words = append([]string{"regshape"}, words...)
		}
		o := j.finish(func(ctx context.Context) *exec.Cmd {
			cmd := j.command(ctx, st.stdin, words...)
			cmd.Env = append(cmd.Env, st.env...)
			return cmd
		})
		if o.code != 0 != st.fails {
			j.t.Fatalf("step %d, %s %q: exit code %d:\n%s", i, st.command, st.flags, o.code, j.redact(o.text()))
		}
		if words[0] == "regshape" {
			j.check(st.command, st.flags, o)
		}
		if st.then != nil {
			st.then(backupOf(o))
		}
		j.learn()
	}
}

func (j *jsonWalk) check(command string, flags []string, o outcome) {
	j.t.Helper()
	if err := j.doc.check(command, o, j.seen); err != nil {
		j.t.Errorf("%s %q: %v\n%s", command, flags, err, j.redact(o.text()))
	}
}

// check compares an answer with what is documented for the command, and its exit code
// with what it says.
func (s shapes) check(command string, o outcome, seen map[string]bool) error {
	value, err := oneValue(o.out)
	if err != nil {
		return err
	}
	rows := []string{row(command)}
	object, _ := value.(map[string]any)
	if o.code != 0 {
		rows = append(rows, anyFailure)
	}
	if status, there := object["status"]; there && (status == "error") != (o.code != 0) {
		return fmt.Errorf("status %v does not fit exit code %d", status, o.code)
	}
	want := map[any]int{"usage": 2, "interrupted": 130}[object["reason"]]
	if want == 0 {
		want = 1
	}
	if object["status"] == "error" && o.code != want {
		return fmt.Errorf("reason %v: got exit code %d, want %d", object["reason"], o.code, want)
	}
	if strings.Contains(o.err, "Error: ") {
		return fmt.Errorf("the error is on standard error, too: %s", o.err)
	}
	var misfits []error
	for _, name := range rows {
		for i, form := range s.rows[name].forms {
			shown := map[string]bool{}
			err := s.fit(form, value, s.rows[name].path(i), shown)
			if err == nil {
				maps.Copy(seen, shown)
				return nil
			}
			misfits = append(misfits, err)
		}
	}
	return errors.Join(misfits...)
}

// interrupt sends Ctrl-C during a request that is never answered.
func (j *jsonWalk) interrupt() {
	j.t.Helper()
	var press atomic.Pointer[context.CancelFunc]
	silent := func(_ http.ResponseWriter, r *http.Request) bool {
		cancel := press.Load()
		if cancel != nil {
			(*cancel)()
			<-r.Context().Done()
		}
		return cancel != nil
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { silent(w, r) }))
	j.t.Cleanup(server.Close)
	name, login := j.deviceLogin(testregistry.IssuerOptions{Before: silent})
	j.take([]step{login})
	for _, words := range [][]string{{"auth", "login", server.Listener.Addr().String(), "-u", "alice", "-p", "x"}, {"auth", "refresh", name}} {
		o := j.finish(func(ctx context.Context) *exec.Cmd {
			ctx, cancel := context.WithCancel(ctx)
			cmd := j.command(ctx, "", append([]string{"regshape", "--json"}, words...)...)
			cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
			cmd.WaitDelay = 0 // it may take its time to end
			press.Store(&cancel)
			return cmd
		})
		if o.code != 130 {
			j.t.Errorf("%q: exit code %d after Ctrl-C, want 130:\n%s", words, o.code, o.text())
		}
		j.check(strings.Join(words[:2], " "), words, o)
	}
}
