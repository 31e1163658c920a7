//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"regshape/scripts/testenv"
)

const (
	crowd     = 16
	firstTime = 20 * time.Second // of first runs, one store after the other
)

// crowdAddresses belong to all processes of a crowd: registries, and scopes of them, of which
// the wider ones answer for those that are missing.
func crowdAddresses() (found []string) {
	for i := range 4 {
		host := fmt.Sprintf("c%d.example", i)
		found = append(found, host, host+"/team", host+"/team/app")
	}
	return found
}

// anywhere lets a worker work on all addresses, in all spellings.
func anywhere(w *worker, _ int) {
	w.mine, w.all = crowdAddresses(), crowdAddresses()
	w.spell = func(key string) string { return spelling(w.random, key) }
}

// spelling returns one of the ways to write an address.
func spelling(random *rand.Rand, key string) string {
	host, path, scoped := strings.Cut(key, "/")
	host = []string{host, strings.ToUpper(host), host + ":443"}[random.IntN(3)]
	if scoped {
		return []string{"", "https://", "docker://"}[random.IntN(3)] + host + "/" + path + []string{"", "/"}[random.IntN(2)]
	}
	return []string{"", "https://", "HTTPS://"}[random.IntN(3)] + host + []string{"", "/", "/v2/"}[random.IntN(3)]
}

// mix does any of the things that workers do.
func (w *worker) mix() error {
	if w.random.IntN(2) == 0 {
		return w.write()
	}
	return w.read()
}

// TestCrowd lets 16 processes store, erase, get and list the same few logins at once, with
// some of them killed at random moments: in stores that are not there yet, where the first
// run of one has to win, and in one that is filled. What all of them saw is then compared by
// [history.check].
func TestCrowd(t *testing.T) {
	random := rand.New(rand.NewPCG(seed(t), 3))

	var first seen
	stores := 0
	for began := time.Now(); stores < usually(10, 40) && time.Since(began) < firstTime && !t.Failed(); stores++ {
		first.add(firstRuns(t, random, stores))
	}
	filled := filledStore(t, random)
	publish(t, "load-crowd", fmt.Sprintf("`TESTENV_WHOLE=1 make torture`: %d processes at once on %d addresses, each in several spellings; the key stays as it is.\n\n", crowd, len(crowdAddresses()))+
		"| store |"+seenHead+"| --- |"+seenRule+
		fmt.Sprintf("| %d empty ones, one after the other |", stores)+first.row()+
		"| a filled one |"+filled.row(), true)
}

// filledStore sets the crowd on one store for a while.
func filledStore(t *testing.T, random *rand.Rand) seen {
	t.Helper()
	c := &crew{t: t, dir: filepath.Join(t.TempDir(), "store"), logs: t.TempDir(), random: random}
	w := &worker{dir: c.dir, mode: perRun}
	for _, key := range crowdAddresses() {
		start := now()
		if err := w.change(key, value(key, "before")); err != nil {
			t.Fatal(err)
		}
		c.history.changes = append(c.history.changes, change{key: key, value: value(key, "before"), start: start, end: now(), acked: true})
	}
	for i := range crowd {
		c.hire("crowd", i, []string{perRun, kept, perRun, fresh}[i%4])
	}
	stop := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() { c.killSome(stop) })
	time.Sleep(usually(10*time.Second, 30*time.Second))
	close(stop)
	killer.Wait()
	c.dismiss()
	c.lastLook(crowdAddresses())
	if err := settled(t, c.dir); err != nil {
		t.Errorf("at the end: %v", err)
	}
	return c.judge()
}

// firstRuns starts the crowd's helpers at once where no store is yet, kills some, and looks at
// what is there then.
func firstRuns(t *testing.T, random *rand.Rand, round int) seen {
	t.Helper()
	c := &crew{t: t, dir: filepath.Join(t.TempDir(), "store"), random: random}
	addresses := crowdAddresses()
	var all sync.WaitGroup
	var mu sync.Mutex // guards the history and the count of the killed
	for i := range crowd {
		key := addresses[random.IntN(len(addresses))]
		run := &firstRun{dir: c.dir, key: key, spelled: spelling(random, key), id: fmt.Sprintf("%d.%d", round, i)}
		run.erases = i%8 == 7
		if random.IntN(4) == 0 {
			run.killAfter = time.Duration(1+random.IntN(40)) * time.Millisecond
		}
		all.Go(func() {
			made, killed, err := run.run()
			mu.Lock()
			defer mu.Unlock()
			c.history.changes = append(c.history.changes, made)
			if killed {
				c.kills++
			} else if err != nil {
				c.history.errors = append(c.history.errors, fmt.Sprintf("store %d, %s: %v", round, key, err))
			}
		})
	}
	all.Wait()
	// Whatever was killed, the next login goes in, under the one key.
	start, last := now(), value(addresses[0], fmt.Sprintf("%d.last", round))
	if err := (&worker{dir: c.dir, mode: perRun}).change(addresses[0], last); err != nil {
		t.Errorf("store %d, then another login: %v", round, err)
	}
	c.history.changes = append(c.history.changes, change{key: addresses[0], value: last, start: start, end: now(), acked: true})
	c.lastLook(addresses)
	generations, err := filepath.Glob(filepath.Join(c.dir, "v1", "g-*"))
	if err != nil || len(generations) != 1 {
		t.Errorf("store %d: there are the generations %v, %v", round, generations, err)
	}
	bad := slices.DeleteFunc(tree(t, c.dir), func(file string) bool {
		return storeFile.MatchString("store/"+file) || isTemporary(file) || strings.HasPrefix(file, "key.next-")
	})
	if len(bad) > 0 {
		t.Errorf("store %d: left behind: %v", round, bad)
	}
	return c.judge()
}

// firstRun is one run of the helper among many in a store that is not there yet.
type firstRun struct {
	dir, key, spelled, id string
	erases                bool
	killAfter             time.Duration // 0: it is not killed
}

// run returns what it has changed, or may have if it was killed.
func (r *firstRun) run() (made change, killed bool, err error) {
	made = change{key: r.key}
	action, input := "erase", r.spelled
	if !r.erases {
		made.value = value(r.key, r.id)
		action, input = "store", storeInput(r.spelled, made.value)
	}
	cmd := testenv.Command(storeEnviron(r.dir), helper, action)
	cmd.Stdin = strings.NewReader(input)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	made.start = now()
	if err := cmd.Start(); err != nil {
		return made, false, err
	}
	if r.killAfter > 0 {
		timer := time.AfterFunc(r.killAfter, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	err = cmd.Wait()
	made.end = now()
	made.acked = err == nil
	killed = cmd.ProcessState.ExitCode() < 0
	if err != nil {
		err = fmt.Errorf("%w: %s", err, said.String())
	}
	return made, killed, err
}
