//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
	"regshape/store/durable"
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
	made   time.Time
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
	h.prepareProgram(t)
	return h
}

// prepareProgram makes the login by a program, and has its next secret ready. That was not an
// hour ago, by which clocks go wrong.
func (h *home) prepareProgram(t *testing.T) {
	t.Helper()
	prints := func(id string, end time.Time) {
		user := value("a.example", id)
		text, err := json.Marshal(map[string]any{"Username": user, "Secret": secretOf(user), "ExpiresAt": end})
		if err == nil {
			err = os.WriteFile(filepath.Join(h.dir, answerFile), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	h.made = time.Now()
	if h.ends != 0 {
		prints("1", h.made.Add(h.ends))
		if o := h.runCommand(t, plan{Action: jump, Shift: -59 * time.Minute}, loggingIn(h)); o.Exit != 0 {
			t.Fatalf("login: exit %d: %s", o.Exit, o.Output)
		}
	}
	prints("2", h.made.AddDate(50, 0, 0))
}

// copy makes a home for one time.
func (h *home) copy(t *testing.T) *home {
	t.Helper()
	if h.ends > 0 && time.Since(h.made) > h.ends/2 {
		h.prepareProgram(t)
	}
	h.copies++
	c := *h
	c.dir += fmt.Sprint(h.copies)
	copyTree(t, h.dir, c.dir)
	if h.ends != 0 { // another store, so nobody trusts its programs yet
		if out, err := c.regshape("auth", "trust", "--yes").CombinedOutput(); err != nil {
			t.Fatalf("trust: %v: %s", err, out)
		}
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
	return payload(key, user, secretOf(user))
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
	return answered(out, err, secretOf)
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
	return injected(t, p, command)
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

func (h *home) try(t *testing.T, p plan, at func(outcome) string) outcome {
	t.Helper()
	c := h.copy(t)
	defer os.RemoveAll(c.dir)
	o := c.run(t, p)
	if o.Hit != nil || p.Action == jump {
		c.verify(t, at(o), o)
	}
	return o
}

// verify looks at a home after a fault, runs the errand again, which then has to succeed, and
// looks once more.
func (h *home) verify(t *testing.T, at string, o outcome) {
	t.Helper()
	bad := func(when string, errs ...error) {
		for _, err := range errs {
			h.tally.bad(t, at+when, err)
		}
	}
	if strings.Contains(o.Output, "panic:") || strings.Contains(o.Output, "goroutine ") {
		bad("", fmt.Errorf("a crash: %s", o.Output))
	}
	switch {
	case h.ends > 0:
		bad("", h.answer(&o, "1", "2"))
	case h.ends < 0:
		bad("", h.answer(&o, "2"))
	}
	bad("", takeBack(h.store()))
	if spelling := canary.Find([]byte(o.Output), h.secrets()...); spelling != "" {
		bad("", fmt.Errorf("a secret (%s) in its output", spelling))
	}
	h.hit = o.Hit
	if o.Exit == 0 && h.ends == 0 && !strings.Contains(o.Output, "is not kept") { // a program's secret can be made again
		bad("", h.unsynced(o)...)
	}
	bad("", h.holds(h.allowed(o), o.Exit == 0)...)
	again := h.command(h)
	if out, err := again.CombinedOutput(); err != nil {
		bad(", then once more", fmt.Errorf("%w: %s", err, out))
	}
	want := h.after()
	bad(", then once more", h.holds(exactly(want), true)...)

	const another = "a.example"
	if out, err := h.helper("store", h.storeInput(another, "3")).CombinedOutput(); err != nil {
		bad(", then another store", fmt.Errorf("%w: %s", err, out))
	}
	want[another] = "3"
	bad(", then another store", h.holds(exactly(want), true)...)
	left, harmless := h.leftovers(t)
	for _, file := range left {
		bad(", then another store", fmt.Errorf("left behind: %s", file))
	}
	if harmless > 0 {
		h.tally.harmless++
	}
}

// answer takes what get answered out of its output, and judges it. Whatever cannot be written
// is no reason not to answer.
func (h *home) answer(o *outcome, ids ...string) error {
	told, said := "", ""
	for line := range strings.Lines(o.Output) {
		if strings.HasPrefix(line, "{") {
			told = line
		} else {
			said += line
		}
	}
	o.Output = said
	switch {
	case told != "":
	case o.Exit < 0, o.Hit != nil && o.Hit.Kind != "flush" && slices.Contains(looking, o.Hit.Kind):
		return nil
	}
	got, err := answered([]byte(told), nil, secretOf)
	for i := range ids {
		ids[i] = value("a.example", ids[i])
	}
	return judge("the answer", got, err, ids...)
}

// unsynced returns an error for each name that the errand changed without syncing the folder
// afterwards: it was acknowledged, and a power cut may take it back.
func (h *home) unsynced(o outcome) (errs []error) {
	for i, c := range o.Calls {
		named := c.Kind == "mkdir" || c.Kind == "rename" || c.Kind == "link" || c.Kind == "unlink"
		if !named || c.Path == "" || isTemporary(c.Path) || c == (call{"unlink", trustFile + ".next"}) {
			continue
		}
		folder := call{"sync", strings.TrimSuffix(filepath.Dir(c.Path), "/")}
		if !slices.Contains(o.Calls[i:], folder) {
			errs = append(errs, harmed(lost, "acknowledged, but nobody has synced %s after %s %s", folder.Path, c.Kind, c.Path))
		}
	}
	return errs
}

// unsure is how a command says that it does not know what is there now.
var unsure = []string{durable.ErrUnsure.Error(), "it is not known whether it lasts", "after a power cut it may be back"}

// allowed returns the ids that each address may have after the errand: what was there, or
// what it sets, and the latter alone if it said so. A command that failed has changed
// nothing, unless it says that it does not know, or was at several logins.
func (h *home) allowed(o outcome) map[string][]string {
	may := exactly(h.before)
	for key, id := range h.sets {
		switch old := h.before[key]; {
		case o.Exit == 0, h.ends != 0: // who asks again gets the new one in any case
			may[key] = []string{id}
		case o.Exit < 0 || h.imports: // killed
			may[key] = []string{old, id}
		default:
			may[key] = []string{old}
			for _, words := range unsure {
				if strings.Contains(o.Output, words) {
					may[key] = []string{old, id}
				}
			}
		}
	}
	return may
}

func exactly(want map[string]string) map[string][]string {
	may := map[string][]string{}
	for key, id := range want {
		may[key] = []string{id}
	}
	return may
}

// holds compares what is there with what may be: docker's file, what get answers, and the
// list. acked says that the command has succeeded.
func (h *home) holds(may map[string][]string, acked bool) (errs []error) {
	inFile, err := h.dockerHolds(acked)
	if err != nil {
		errs = append(errs, err)
	}
	answers := map[string]string{}
	for _, key := range h.keys() {
		if may[key] == nil {
			may[key] = []string{""}
		}
	}
	for key, ids := range may {
		var allowed []string
		for _, id := range ids {
			if id != "" {
				id = value(key, id)
			}
			allowed = append(allowed, id)
		}
		got, err := h.get(key)
		err = judge(key, got, err, allowed...)
		var found *harm
		old := h.before[key]
		switch {
		case errors.As(err, &found) && found.damage == wrong && acked && old != "" && got == value(key, old):
			err = harmed(lost, "%s: %q is still there, where an acknowledged change has replaced it", key, got)
		case err == nil && got == "" && h.imports && h.sets[key] != "" && inFile[key] == "":
			err = harmed(lost, "%s: it is neither in the store nor in docker's file", key)
		}
		if err != nil {
			errs = append(errs, err)
		}
		if got != "" {
			answers[key] = got
		}
	}
	if listed, err := h.list(); err != nil {
		errs = append(errs, harmed(torn, "list: %w", err))
	} else if !maps.Equal(listed, answers) {
		errs = append(errs, harmed(wrong, "the list has %v, and get answers %v", listed, answers))
	}
	return errs
}

// dockerHolds returns the logins in docker's file, which is as it was or as it is to be.
func (h *home) dockerHolds(acked bool) (map[string]string, error) {
	if !h.imports {
		return nil, nil
	}
	data, err := os.ReadFile(h.dockerPath())
	if err != nil {
		return nil, harmed(lost, "%w", err)
	}
	found, err := inDockerFile(data)
	info, statErr := os.Stat(h.dockerPath())
	mode := fs.FileMode(0)
	if statErr == nil {
		mode = info.Mode().Perm()
	}
	// Who owns the new file could not be found out: then it is the user's alone.
	private := h.hit != nil && h.hit.Kind == "fstat" && mode == 0o600
	switch {
	case err != nil:
		err = harmed(torn, "docker's file: %w", err)
	case !bytes.Equal(data, h.dockerFile()) && !bytes.Equal(data, h.taken):
		err = harmed(torn, "docker's file is neither what it was nor what it is to be: %d bytes", len(data))
	case mode != 0o640 && !private:
		err = harmed(wrong, "docker's file has the mode %v", mode)
	case acked && len(found) > 0:
		err = harmed(wrong, "it succeeded, and docker's file still has %v", found)
	}
	return found, err
}

// trustFile lists the programs that the store may start. What stands beside it as .next is not
// the list yet.
const trustFile = "/.local/state/regshape/programs"

// storeFile is what a settled store may have.
var storeFile = regexp.MustCompile(`^store/(key|names|config|v1/g-[0-9a-f]{16}/[0-9a-v]{32})$`)

// leftovers lists the files that should not be there, among them whatever has a secret in
// clear, and counts what is harmless: temporary files, and a key that a first run made and did
// not come to use, or has not moved to its place, where it is found all the same.
func (h *home) leftovers(t *testing.T) (bad []string, harmless int) {
	t.Helper()
	for _, file := range tree(t, h.dir) {
		if strings.HasSuffix(file, "/") || file == answerFile {
			continue
		}
		data, err := os.ReadFile(filepath.Join(h.dir, file))
		if err != nil {
			bad = append(bad, err.Error())
		}
		if spelling := canary.Find(data, h.secrets()...); spelling != "" {
			bad = append(bad, file+" has a secret in clear ("+spelling+")")
		}
		switch {
		case isTemporary(file), h.imports && strings.HasPrefix(file, ".docker/.config.json.") && strings.HasSuffix(file, ".tmp"),
			strings.HasPrefix(file, "store/key.next-"):
			harmless++
		case h.imports && file == ".docker/config.json", "/"+file == trustFile:
		case !storeFile.MatchString(file):
			bad = append(bad, file)
		}
	}
	return bad, harmless
}
