//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"regshape/scripts/testenv"
	"regshape/store"
	"regshape/store/keys"
	"regshape/store/source"
)

// How a worker uses the store.
const (
	kept   = "kept"  // one store.Store for all that it does
	fresh  = "fresh" // opened anew each time
	perRun = "run"   // a process of the helper each time
)

// shared addresses belong to all writers.
var shared = []string{"shared1.example", "shared2.example"}

// worker is a writer or reader process. It works until it is killed, or its standard input
// ends.
type worker struct {
	dir, name, mode string
	mine, all       []string // addresses
	log             *os.File
	spell           func(key string) string // how the worker spells an address this time; nil for as it is
	store           *store.Store
	random          *rand.Rand
	count           int
}

// addresses are a writer's own. The first answers for the second where that is missing.
func addresses(writer int) []string {
	scope := fmt.Sprintf("w%d.example/team", writer)
	return []string{scope, scope + "/app"}
}

// own gives a worker addresses of its own beside those that belong to all.
func own(w *worker, number int) {
	w.mine, w.all = append(addresses(number), shared...), everyAddress()
}

func everyAddress() []string {
	found := shared
	for i := range writers {
		found = append(found, addresses(i)...)
	}
	return found
}

// work runs a worker after place has told it its addresses. Its arguments come in the environment: the store's folder, its own
// name, which no other process of the test has, its number, its mode, and its log.
func work(place func(w *worker, number int), step func(*worker) error) int {
	helper = os.Getenv("TORTURE_HELPER")
	regshape = filepath.Join(filepath.Dir(helper), "regshape")
	w := &worker{dir: os.Getenv("TORTURE_DIR"), name: os.Getenv("TORTURE_NAME"), mode: os.Getenv("TORTURE_MODE")}
	number, err := strconv.Atoi(os.Getenv("TORTURE_NUMBER"))
	if err == nil {
		w.log, err = os.OpenFile(os.Getenv("TORTURE_LOG"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 1
	}
	w.random = rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(now())))
	place(w, number)
	var stopped atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stopped.Store(true)
	}()
	for !stopped.Load() {
		if err := step(w); err != nil {
			fmt.Fprintln(os.Stderr, "torture:", err)
			return 1
		}
		time.Sleep(time.Duration(w.random.IntN(30)) * time.Millisecond)
	}
	return 0
}

func (w *worker) note(e event) error {
	line, err := json.Marshal(e)
	if err == nil {
		_, err = w.log.Write(append(line, '\n'))
	}
	return err
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// write stores or erases one login.
func (w *worker) write() error {
	w.count++
	e := event{Do: "put", Key: w.mine[w.random.IntN(len(w.mine))]}
	if w.random.IntN(4) == 0 {
		e.Do = "erase"
	} else {
		e.Value = value(e.Key, fmt.Sprintf("%s.%d", w.name, w.count))
	}
	e.Start = now()
	if err := w.note(e); err != nil {
		return err
	}
	err := w.change(w.spelled(e.Key), e.Value)
	return w.note(event{Do: "end", Key: e.Key, End: now(), Err: text(err)})
}

// read looks an address up, or lists all.
func (w *worker) read() error {
	e := event{Do: "get", Start: now()}
	var err error
	if w.random.IntN(4) == 0 {
		e.Do = "list"
		e.All, err = w.list()
	} else {
		e.Key = w.all[w.random.IntN(len(w.all))]
		e.Value, err = w.get(w.spelled(e.Key))
	}
	e.End, e.Err = now(), text(err)
	return w.note(e)
}

func (w *worker) spelled(key string) string {
	if w.spell == nil {
		return key
	}
	return w.spell(key)
}

// open returns the store, anew where that is the mode.
func (w *worker) open() (*store.Store, error) {
	if w.store != nil {
		return w.store, nil
	}
	s, err := openStore(w.dir)
	if w.mode == kept {
		w.store = s
	}
	return s, err
}

func quietly(s *store.Store) source.Source { return source.New(s, func(error) {}) }

func openStore(dir string) (*store.Store, error) {
	loc, err := store.Locate(store.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	return store.Open(loc, keys.Sources{})
}

// programs is which part of its logins a worker makes by a program, which is then started again
// and again: more would leave no time for the rest.
const programs = 32

func (w *worker) change(key, value string) error {
	if value != "" && w.random != nil && w.random.IntN(programs) == 0 {
		out, err := regshapeCommand(w.dir, "auth", "login", store.ParseAddress(key).String(), "-u", value,
			"--skip-verify", "--every", "2s", "--command", "echo", "--", value).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
	if w.mode == perRun {
		if value == "" {
			_, err := runHelper(w.dir, "erase", key)
			return err
		}
		_, err := runHelper(w.dir, "store", storeInput(key, value))
		return err
	}
	s, err := w.open()
	if err != nil {
		return err
	}
	if value == "" {
		_, err := quietly(s).Erase(context.Background(), store.ParseAddress(key))
		return err
	}
	return s.Put(context.Background(), store.Credential{ServerURL: key, Username: value, Secret: value})
}

// get returns what is stored for an address, "" for nothing.
func (w *worker) get(key string) (string, error) {
	if w.mode == perRun {
		return helperGet(w.dir, key)
	}
	s, err := w.open()
	if err != nil {
		return "", err
	}
	c, err := quietly(s).Get(context.Background(), store.ParseAddress(key))
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err == nil && c.Username != c.Secret {
		err = errors.New("the user name is another entry's")
	}
	return c.Secret, err
}

// list returns all logins by their canonical addresses.
func (w *worker) list() (map[string]string, error) {
	all := map[string]string{}
	if w.mode == perRun {
		out, err := runHelper(w.dir, "list", "")
		users := map[string]string{} // the user name is the value, too
		if err == nil {
			err = json.Unmarshal([]byte(out), &users)
		}
		for key, value := range users {
			all[store.ParseAddress(key).String()] = value
		}
		return all, err
	}
	s, err := w.open()
	if err != nil {
		return nil, err
	}
	found, damaged, err := quietly(s).Current(context.Background())
	if len(damaged) > 0 {
		err = errors.Join(err, damaged[0])
	}
	for _, c := range found {
		all[store.ParseAddress(c.ServerURL).String()] = c.Secret
	}
	return all, err
}

// process is a worker that runs.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	log    string
	stderr bytes.Buffer
}

// startWorker starts one in a process group of its own, so that it can be killed together
// with the helper that it may be running.
func startWorker(t *testing.T, role, name string, number int, mode, dir, logs string) *process {
	t.Helper()
	p := &process{log: filepath.Join(logs, name+".log")}
	p.cmd = testenv.Command(append(storeEnviron(dir), roleVariable+"="+role, "TORTURE_DIR="+dir, "TORTURE_NAME="+name,
		fmt.Sprintf("TORTURE_NUMBER=%d", number), "TORTURE_MODE="+mode, "TORTURE_LOG="+p.log, "TORTURE_HELPER="+helper), os.Args[0])
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = time.Second
	stdin, err := p.cmd.StdinPipe()
	if err == nil {
		err = os.MkdirAll(dir+".home", 0o700) // where programs run
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	t.Cleanup(func() { p.kill() })
	return p
}

// kill ends the whole group and returns when nothing of it runs any more.
func (p *process) kill() {
	_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
	_ = p.cmd.Wait()
	for !errors.Is(unix.Kill(-p.cmd.Process.Pid, 0), unix.ESRCH) {
		time.Sleep(time.Millisecond)
	}
}

// end asks a worker to stop, and kills one that does not.
func (p *process) end() error {
	_ = p.stdin.Close()
	timer := time.AfterFunc(workerPatience, func() { _ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL) })
	defer timer.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(p.log), err, p.stderr.String())
	}
	return nil
}

// workerPatience is more than a writer may have to wait: the store's patience with a
// rotation, and then some for a busy machine.
const workerPatience = 30 * time.Second

// storeEnviron is for a program whose store is dir. Its home is beside that: nothing may
// come into the store that the program has not put there.
func storeEnviron(dir string) []string {
	return testenv.Environ(dir+".home", "TMPDIR="+os.TempDir(), "REGSHAPE_STORE="+dir)
}

// regshapeCommand makes a command of the front end, for a store below a folder.
func regshapeCommand(dir string, args ...string) *exec.Cmd {
	return testenv.Command(storeEnviron(dir), regshape, args...)
}

// rotation makes the command for `key rotate` with these flags.
func rotation(dir string, flags ...string) *exec.Cmd {
	return regshapeCommand(dir, append([]string{"auth", "key", "rotate"}, flags...)...)
}

// payload is what the helper is given to store.
func payload(key, user, secret string) string {
	input, _ := json.Marshal(map[string]string{"ServerURL": key, "Username": user, "Secret": secret}) // strings always marshal
	return string(input)
}

func storeInput(key, value string) string { return payload(key, value, value) }

// answered reads the helper's answer to get: the user name, "" for nothing. secretOf says
// which secret belongs to a user.
func answered(out []byte, err error, secretOf func(user string) string) (string, error) {
	if err != nil {
		if strings.TrimSpace(string(out)) == "credentials not found in native keychain" {
			return "", nil
		}
		return "", fmt.Errorf("%w: %s", err, out)
	}
	var c struct{ Username, Secret string }
	if err := json.Unmarshal(out, &c); err != nil {
		return "", err
	}
	if c.Secret != secretOf(c.Username) {
		return "", fmt.Errorf("it has the user name %q and another login's secret", c.Username)
	}
	return c.Username, nil
}

// itself: most logins have the same user name and secret.
func itself(user string) string { return user }

// helperGet asks the helper for an address; "" is nothing.
func helperGet(dir, key string) (string, error) {
	out, err := runHelper(dir, "get", key)
	return answered([]byte(out), err, itself)
}

// runHelper runs one action of the credential helper.
func runHelper(dir, action, input string) (string, error) {
	cmd := testenv.Command(storeEnviron(dir), helper, action)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return string(out), err
}
