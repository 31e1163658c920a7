//go:build torture && linux && amd64

package torture

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

// home is a user's, in which an errand is run again and again: its store and, for some,
// docker's configuration. The one that is prepared is copied for each time.
type home struct {
	errand
	dir    string
	tally  *tally
	copies int
	hit    *call  // what a fault has met
	taken  []byte // docker's file when all logins are taken out of it
}

func prepareErrand(t *testing.T, e errand, y *tally) *home {
	t.Helper()
	h := &home{errand: e, dir: filepath.Join(t.TempDir(), "home"), tally: y}
	if err := os.MkdirAll(filepath.Dir(h.dockerPath()), 0o700); err != nil {
		t.Fatal(err)
	}
	for key, id := range e.before {
		h.mustStore(t, key, id)
	}
	if e.imports {
		if err := os.WriteFile(h.dockerPath(), e.dockerFile(), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// copy makes a home for one time.
func (h *home) copy(t *testing.T) *home {
	t.Helper()
	h.copies++
	c := *h
	c.dir += fmt.Sprint(h.copies)
	// Folders that are new to the program are synced, too, so their age does not go along.
	if out, err := testenv.Command(testenv.Environ(h.dir), "cp", "-r", "--preserve=mode,ownership,links", h.dir, c.dir).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	return &c
}

func (h *home) store() string      { return filepath.Join(h.dir, "store") }
func (h *home) dockerPath() string { return filepath.Join(h.dir, ".docker", "config.json") }

func (h *home) environment() []string {
	return testenv.Environ(h.dir, "TMPDIR="+os.TempDir(), "REGSHAPE_STORE="+h.store())
}

func (h *home) helper(action, input string) *exec.Cmd {
	cmd := testenv.Command(h.environment(), helper, action)
	cmd.Stdin = strings.NewReader(input)
	return cmd
}

func (h *home) regshape(args ...string) *exec.Cmd {
	return testenv.Command(h.environment(), regshape, args...)
}

// storeInput is what the helper is given to store.
func (h *home) storeInput(key, id string) string {
	user := value(key, id)
	input, _ := json.Marshal(map[string]string{"ServerURL": key, "Username": user, "Secret": secretOf(user)}) // strings always marshal
	return string(input)
}

func (h *home) mustStore(t *testing.T, key, id string) {
	t.Helper()
	if out, err := h.helper("store", h.storeInput(key, id)).CombinedOutput(); err != nil {
		t.Fatalf("store: %v: %s", err, out)
	}
}

// get asks the helper for the user name of an address, "" for none.
func (h *home) get(key string) (string, error) {
	out, err := h.helper("get", key).Output()
	if err != nil {
		if strings.TrimSpace(string(out)) == "credentials not found in native keychain" {
			return "", nil
		}
		return "", fmt.Errorf("%w: %s", err, out)
	}
	var c struct{ ServerURL, Username, Secret string }
	if err := json.Unmarshal(out, &c); err != nil {
		return "", err
	}
	if c.Secret != secretOf(c.Username) {
		return "", fmt.Errorf("it has the user name %q and another login's secret", c.Username)
	}
	return c.Username, nil
}

// list asks the helper for all.
func (h *home) list() (map[string]string, error) {
	cmd := h.helper("list", "")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err == nil && said.Len() > 0 { // a damaged entry
		err = fmt.Errorf("%s", said.String())
	}
	found := map[string]string{}
	if err == nil {
		err = json.Unmarshal(out, &found)
	}
	return found, err
}

// run runs the errand under a fault.
func (h *home) run(t *testing.T, p plan) outcome {
	t.Helper()
	return h.runCommand(t, p, h.command(h))
}

func (h *home) runCommand(t *testing.T, p plan, command *exec.Cmd) outcome {
	t.Helper()
	p.Dir = h.dir
	i, err := startInjection(p, command)
	if err != nil {
		t.Fatal(err)
	}
	o, err := i.end()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// calls runs the errand without any fault.
func (h *home) calls(t *testing.T) counts {
	t.Helper()
	c := h.copy(t)
	o := c.run(t, plan{})
	if o.Exit != 0 {
		t.Fatalf("without a fault: exit %d: %s", o.Exit, o.Output)
	}
	if h.imports {
		taken, err := os.ReadFile(c.dockerPath())
		if err != nil {
			t.Fatal(err)
		}
		c.taken, h.taken = taken, taken
		if left, err := inDockerFile(taken); err != nil || len(left) > 0 {
			t.Fatalf("without a fault docker's file still has %v, %v", left, err)
		}
	}
	c.verify(t, "without a fault", o)
	return countCalls(o)
}

// step goes through all calls that change something, and of the others every third; every
// eighth of an import, which does the same for one login after the other.
func (h *home) step(f failing) int {
	switch {
	case everyCall() || !f.onlyLooks():
		return 1
	case h.imports:
		return 8
	}
	return 3
}

func (h *home) fail(t *testing.T, f failing, when int) bool {
	t.Helper()
	c := h.copy(t)
	defer os.RemoveAll(c.dir)
	o := c.run(t, plan{Kinds: f.kinds, When: when, Action: f.action})
	if o.Hit != nil {
		c.verify(t, where(f, when, o), o)
	}
	return o.Hit != nil
}
