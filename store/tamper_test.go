//go:build unix

package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"regshape/scripts/page"
	"regshape/store"
	"regshape/store/keys"
)

// What a store that was tampered with may say about a login.
type verdict int

const (
	right   verdict = iota
	refused         // an error says which file or address it is about
	older           // an entry that was good once, or a whole other store: SECURITY.md says that neither is noticed
	hidden          // "not found" for what was stored
	wrong           // a secret that was never stored for this address
	verdicts
)

// A login of the stores here, and what is asked for.
type login struct{ server, secret string }

var (
	// Of these the last has expired, so its right answer is "not found".
	tamperLogins   = []login{{"registry.example", "CANARY-host"}, {"registry.example/team", "CANARY-team"}, {"expired.example", "CANARY-expired"}}
	tamperRequests = []login{
		{"registry.example", "CANARY-host"},
		{"registry.example/team", "CANARY-team"},
		{"registry.example/team/app", "CANARY-team"},
		{"expired.example", ""},
		{"absent.example", ""},
	}
)

// The secrets of another store, or of an earlier time, begin so.
const foreign = "OLD-"

// tree is the content of a store's files by their paths in its directory.
type tree map[string]string

func readTree(t *testing.T, dir string) tree {
	t.Helper()
	files := tree{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir+string(filepath.Separator))] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// write makes the directory hold these files and nothing else.
func (files tree) write(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (files tree) names() []string { return slices.Sorted(maps.Keys(files)) }

// isEntry tells sealed entries from the store's other files.
func isEntry(name string) bool { return strings.Contains(name, "v1/g-") }

// kindOf says in the words of the table what a file is.
func kindOf(name string) string {
	switch base := filepath.Base(name); {
	case isEntry(name):
		return "an entry"
	case base == "config":
		return "the config"
	case base == "names":
		return "the names file"
	case strings.HasPrefix(base, "key-"):
		return "the encrypted key"
	case strings.Contains(name, "slots/"):
		return "a slot"
	}
	return "the key"
}

// target is a store that is tampered with, in a directory of its own.
type target struct {
	custody
	t     *testing.T
	dir   string
	good  tree
	tally *tally

	judged int
}

// judge asks for everything that is stored, for what is not, and now and then for the list.
func (g *target) judge(what string) {
	g.t.Helper()
	g.judged++
	g.expect(what, g.answers(what, g.judged%4 == 0))
}

// judgeOdd is judge for what may make a reader wait for ever.
func (g *target) judgeOdd(what string) {
	g.t.Helper()
	done := make(chan map[string]verdict, 1)
	go func() { done <- g.answers(what, true) }()
	select {
	case found := <-done:
		g.expect(what, found)
	case <-time.After(time.Minute):
		g.t.Fatalf("%s: %s: no answer", g.name, what)
	}
}

func (g *target) expect(what string, found map[string]verdict) {
	g.t.Helper()
	g.tally.times(what)
	for request, v := range found {
		g.tally.add(what, v)
		if v > refused && !explained(what, v) {
			g.t.Errorf("%s: %s: the answer for %s is %s", g.name, what, request, [...]string{"right", "refused", "an older one", "not found", "WRONG"}[v])
		}
	}
}

func (g *target) answers(what string, listToo bool) map[string]verdict {
	found := map[string]verdict{}
	s, err := store.Open(locate(g.t, g.dir), g.sources())
	for _, request := range tamperRequests {
		var c store.Credential
		err := err
		if err == nil {
			c, err = s.Get(context.Background(), store.ParseAddress(request.server))
		}
		found[request.server] = g.answer(what, request, c, err)
	}
	if !listToo {
		return found
	}
	list := refused
	if err == nil {
		var creds []store.Credential
		var damaged []*store.EntryError
		creds, damaged, err = s.List(context.Background())
		list = g.listed(creds, len(damaged) > 0 || err != nil)
		for _, d := range damaged {
			g.tells(what, "list", d)
		}
	}
	if err != nil {
		g.tells(what, "list", err)
	}
	found["list"] = list
	return found
}

func (g *target) answer(what string, request login, c store.Credential, err error) verdict {
	switch {
	case errors.Is(err, store.ErrNotFound) && request.secret == "":
		return right
	case errors.Is(err, store.ErrNotFound):
		return hidden
	case err != nil:
		g.tells(what, request.server, err)
		return refused
	case c.Secret == request.secret:
		return right
	case request.secret != "" && c.Secret == foreign+request.secret:
		return older
	}
	return wrong
}

func (g *target) listed(creds []store.Credential, reported bool) verdict {
	secrets := map[string]string{}
	for _, l := range tamperLogins {
		secrets[l.server] = l.secret
	}
	worst := right
	for _, c := range creds {
		v := wrong
		switch want, stored := secrets[c.Canonical]; {
		case stored && c.Secret == want:
			v = right
		case stored && c.Secret == foreign+want:
			v = older
		}
		worst = max(worst, v)
	}
	switch {
	case worst != right || len(creds) == len(tamperLogins):
		return worst
	case reported:
		return refused
	}
	return hidden
}

// tells makes sure that an error says what it is about, and no secret.
func (g *target) tells(what, request string, err error) {
	text := err.Error()
	for _, secret := range g.secrets {
		if strings.Contains(text, secret) {
			g.t.Errorf("%s: %s: %s: the error holds a secret", g.name, what, request)
		}
	}
	whole := errors.Is(err, store.ErrLocked) || errors.Is(err, keys.ErrNoSlot) // about all files of a kind
	if !strings.Contains(text, g.dir) && !strings.Contains(text, request) && !whole {
		g.t.Errorf("%s: %s: %s: the error names neither address nor file: %v", g.name, what, request, err)
	}
	var entry *store.EntryError
	if errors.As(err, &entry) && request != "list" && (!strings.Contains(text, entry.Address) || !strings.Contains(text, entry.File)) {
		g.t.Errorf("%s: %s: %s: the error does not name both address and file: %v", g.name, what, request, err)
	}
}

// judgeWrite puts a login into the store as it is now. It is answered from then on, or the
// write was refused; in both cases every other entry, the key and its pin are as they were.
func (g *target) judgeWrite(what string) {
	g.t.Helper()
	before := readTree(g.t, g.dir)
	s, err := store.Open(locate(g.t, g.dir), g.sources())
	if err == nil {
		err = s.Put(context.Background(), store.Credential{ServerURL: "new.example", Username: "u", Secret: "CANARY-new"})
	}
	g.tally.write(what, err == nil)
	if err == nil {
		if c, err := s.Get(context.Background(), store.ParseAddress("new.example")); err != nil || c.Secret != "CANARY-new" {
			g.t.Errorf("%s: %s: what was put is answered with %q, %v", g.name, what, c.Secret, err)
		}
	} else {
		g.tells(what, "new.example", err)
	}
	after := readTree(g.t, g.dir)
	for name, data := range before {
		kept := after[name] == data
		// A write mends the names, which hold nothing that the key does not give.
		if !kept && kindOf(name) != "the names file" && !strings.Contains(name, ".tmp-") {
			g.t.Errorf("%s: %s: the write changed or removed %s (its error: %v)", g.name, what, name, err)
		}
	}
	for name := range after {
		// A config that was removed is made again, and pins the key that is there.
		mended := kindOf(name) == "the names file" || name == "config" && pinsGeneration(after)
		if _, was := before[name]; !was && !isEntry(name) && !mended {
			g.t.Errorf("%s: %s: the write made %s (its error: %v)", g.name, what, name, err)
		}
	}
}

// pinsGeneration reports whether the config pins the key of entries that are there.
func pinsGeneration(files tree) bool {
	for name := range files {
		if kid, is := strings.CutPrefix(filepath.Base(filepath.Dir(name)), "g-"); is && strings.Contains(files["config"], kid) {
			return true
		}
	}
	return false
}

// put makes one file of the store hold data.
func (g *target) put(name string, data []byte) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), data, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func (g *target) restore() { g.t.Helper(); g.good.write(g.t, g.dir) }

// tally counts for the table.
type tally struct {
	mu   sync.Mutex
	rows map[string]*row
}

type row struct {
	times, written, notWritten int
	answers                    [verdicts]int
}

func (y *tally) of(what string, count func(*row)) {
	y.mu.Lock()
	defer y.mu.Unlock()
	r := y.rows[what]
	if r == nil {
		r = &row{}
		y.rows[what] = r
	}
	count(r)
}

func (y *tally) times(what string)          { y.of(what, func(r *row) { r.times++ }) }
func (y *tally) add(what string, v verdict) { y.of(what, func(r *row) { r.answers[v]++ }) }
func (y *tally) write(what string, done bool) {
	y.of(what, func(r *row) {
		if done {
			r.written++
		} else {
			r.notWritten++
		}
	})
}

// table is the tally in Markdown.
func (y *tally) table() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "`go test -run Tamper ./store`: stores of three logins under each kind of key, changed in one way at a time.\n")
	fmt.Fprintf(&b, "Each time five addresses are asked for, and often the list; now and then a login is written, which leaves all others as they were.\n\n")
	fmt.Fprintf(&b, "| what was done | times | answered right | refused | not found though stored | older or another store's | wrong | written | write refused |\n")
	fmt.Fprintf(&b, "| --- | --: | --: | --: | --: | --: | --: | --: | --: |\n")
	var sum row
	line := func(what string, r row) {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d |\n", what, r.times,
			r.answers[right], r.answers[refused], r.answers[hidden], r.answers[older], r.answers[wrong], r.written, r.notWritten)
	}
	for _, what := range slices.Sorted(maps.Keys(y.rows)) {
		r := *y.rows[what]
		line(what, r)
		sum.times += r.times
		sum.written += r.written
		sum.notWritten += r.notWritten
		for v := range sum.answers {
			sum.answers[v] += r.answers[v]
		}
	}
	line("**all**", sum)
	b.WriteString("\nA login is not found only where its file was taken away. An older one is answered only where an older sealed file of the same\n" +
		"address was put back under the key that sealed it, or data, key and config all together.\n")
	return b.String()
}

// TestTamper changes stores in every way that one who can write their files may, and
// looks at what they say then.
func TestTamper(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: one goroutine for each store does it all, over and over")
	}
	y := &tally{rows: map[string]*row{}}
	t.Run("stores", func(t *testing.T) {
		for _, make := range custodies {
			t.Run(make.name, func(t *testing.T) {
				t.Parallel()
				g := &target{t: t, dir: filepath.Join(t.TempDir(), "store"), tally: y}
				g.custody = make.build(t, g.dir)
				g.good = readTree(t, g.dir)
				g.judge("nothing")
				g.judgeWrite("nothing")
				g.restore()
				g.tamperWithBits()
				g.tamperWithFiles()
				g.exchangeFiles()
				g.exchangeStores()
			})
		}
	})
	text := y.table()
	t.Log("\n" + text)
	if t.Failed() || len(y.rows) == 0 {
		return // the table is that of a whole run
	}
	if err := page.Publish("../scripts/repocheck/README.md", "tampering", text); err != nil {
		t.Error(err)
	}
}

// explained lists what is no breach; every other "not found" and every other secret is one.
func explained(what string, v verdict) bool {
	switch v {
	case hidden:
		return what == "an entry removed" || what == "all entries removed"
	case older:
		return what == "an older entry of the same address put back" || strings.HasPrefix(what, "data, key and config replaced")
	}
	return false
}
