//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	random "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"regshape/scripts/page"
	"regshape/scripts/testenv"
)

const (
	// lookupTime is what a lookup may take, whatever happens to the forward, while nothing says that
	// the near side is working: ten seconds, and a busy machine's delays.
	lookupTime = 13 * time.Second
	// workingTime is that for one that is told so until something happens: the silence is noticed.
	workingTime = 24 * time.Second
	// noticeTime is when both sides have noticed that the other does not live.
	noticeTime = 25 * time.Second
	lanes      = 8
)

// fault is what happens to a process of a forward.
type fault struct {
	victim string // near, ssh, sshd, far, asker
	signal syscall.Signal
	resume bool // after a while
}

func (f fault) String() string {
	what := map[syscall.Signal]string{syscall.SIGKILL: "killed", syscall.SIGSTOP: "stopped"}[f.signal]
	if f.resume {
		what += " and continued"
	}
	return f.victim + " | " + what
}

// allFaults are in the order in which a short run gets through them best.
func allFaults() (all []fault) {
	victims := []string{"near", "ssh", "sshd", "far", "asker"}
	for _, how := range []fault{{"", syscall.SIGSTOP, false}, {"", syscall.SIGKILL, false}, {"", syscall.SIGSTOP, true}} {
		for _, how.victim = range victims {
			all = append(all, how)
		}
	}
	return all
}

// slowLogin makes one for all hosts of a domain, whose program takes a while: a fault may come in
// the middle. Who asks for another host does not wait for that.
func slowLogin(near *home) *registry {
	near.t.Helper()
	slow := &registry{host: "slow.example", user: "slow", password: rand.Text()}
	near.program("slow", "#!/bin/sh\nsleep 3\necho "+slow.password+"\n")
	near.run("regshape", "auth", "login", "*."+slow.host, "-u", slow.user, "--every", "4s", "--command", "slow").ok()
	return slow
}

// outcomes of the lookups during and after faults.
type outcomes struct {
	rounds, answered, missed, failed, wrong, hung, left int
	longest, noticed                                    time.Duration
}

// lane is a user over there, for whom one fault follows the other.
type lane struct {
	t      *testing.T
	m      *otherMachine
	uid    int
	far    *home
	logins []*registry // one that is there, and the slow one
}

// faults kills and stops the processes of forwards while logins are asked for. No lookup
// may hang, answer wrongly, or fail once another forward stands, and nothing may be left.
func (m *otherMachine) faults(t *testing.T, users []string, r, slow *registry) {
	rounds := 1
	if testenv.Whole() {
		rounds = 4
	}
	work := make(chan fault, rounds*len(allFaults()))
	for range rounds {
		for _, f := range allFaults() {
			work <- f
		}
	}
	close(work)
	var mu sync.Mutex
	counts := map[fault]*outcomes{}
	for _, f := range allFaults() {
		counts[f] = &outcomes{}
	}
	var all sync.WaitGroup
	for _, user := range users {
		far := m.users[user]
		var stat syscall.Stat_t
		m.near.must(syscall.Stat(far.dir, &stat))
		l := &lane{t: t, m: m, uid: int(stat.Uid), far: far, logins: []*registry{r, slow}}
		all.Go(func() {
			for f := range work {
				// Another host each time: who is killed while a secret is made stands in its way for 40 s.
				own := *slow
				own.host = strings.ToLower(rand.Text()) + "." + slow.host
				l.logins[1] = &own
				got := l.play(f)
				mu.Lock()
				counts[f].add(got)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	var table strings.Builder
	table.WriteString("`make e2e`: three lookups at a time, while a process of their forward is killed or stopped. Last, when the other\n" +
		"side has noticed.\n\n| process | is | times | answered | not found | errors | longest | wrong | hung | left behind | noticed |\n" +
		"| --- | --- |" + strings.Repeat(" ---: |", 9) + "\n")
	for _, f := range allFaults() {
		c := counts[f]
		noticed := "–"
		if c.noticed > 0 {
			noticed = fmt.Sprintf("%.1f s", c.noticed.Seconds())
		}
		fmt.Fprintf(&table, "| %s | %d | %d | %d | %d | %.1f s | %d | %d | %d | %s |\n", f, c.rounds, c.answered, c.missed, c.failed,
			c.longest.Seconds(), c.wrong, c.hung, c.left, noticed)
	}
	t.Logf("\n%s", table.String())
	if !t.Failed() && testenv.Whole() {
		if err := page.Publish("README.md", "forward-faults", table.String()); err != nil {
			t.Error(err)
		}
	}
}

func (o *outcomes) add(more outcomes) {
	o.rounds++
	o.answered += more.answered
	o.missed += more.missed
	o.failed += more.failed
	o.wrong += more.wrong
	o.hung += more.hung
	o.left += more.left
	o.longest, o.noticed = max(o.longest, more.longest), max(o.noticed, more.noticed)
}

// answer is that of one lookup over there.
type answer struct {
	of        *registry
	out, said string
	code      int
	took      time.Duration
}

// ask starts a lookup of one of the logins.
func (l *lane) ask(r *registry) (*exec.Cmd, func() answer) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*workingTime)
	cmd := testenv.CommandContext(ctx, []string{"HOME=" + l.far.dir, "TMPDIR=/run/tmp", "PATH=/usr/local/bin:/usr/bin:/bin"}, "/usr/local/bin/docker-credential-regshape", "get")
	cmd.Stdin = strings.NewReader(r.host)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(l.uid), Gid: uint32(l.uid)}}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		l.t.Error(err)
	}
	ended := make(chan answer, 1)
	go func() {
		defer cancel()
		_ = cmd.Wait() // the exit code says it
		ended <- answer{r, out.String(), said.String(), cmd.ProcessState.ExitCode(), time.Since(began)}
	}()
	return cmd, func() answer { return <-ended }
}

// count judges a lookup. One whose own process was hit may end in any way but a wrong one.
func (o *outcomes) count(l *lane, at string, a answer, hit bool) {
	var got struct{ Username, Secret string }
	o.longest = max(o.longest, a.took)
	limit := lookupTime
	if a.of == l.logins[1] {
		limit = workingTime
	}
	switch {
	case a.took > limit && !hit:
		o.hung++
		l.t.Errorf("%s: a lookup took %v: %s", at, a.took, a.said)
	case a.code == 0 && json.Unmarshal([]byte(a.out), &got) == nil && got.Username == a.of.user && got.Secret == a.of.password:
		o.answered++
	case a.code == 0:
		o.wrong++
		l.t.Errorf("%s: a wrong answer of %d bytes: %s", at, len(a.out), a.said)
	case strings.TrimSpace(a.out) == "credentials not found in native keychain":
		o.missed++
	default:
		o.failed++
	}
}

// play has one fault happen to a forward with three lookups under way.
func (l *lane) play(f fault) (o outcomes) {
	near := l.start()
	ended := make(chan struct{})
	var end time.Time
	go func() {
		defer close(ended)
		_ = near.Wait() // the exit code says it
		end = time.Now()
	}()
	defer func() {
		_ = near.Process.Kill() // it may have ended
		<-ended
	}()
	at := fmt.Sprintf("%s, %s", strings.ReplaceAll(f.String(), " |", ""), l.far.ssh)
	bad := func(count *int, what string, more ...any) {
		*count++
		l.t.Errorf("%s: %s %v\n%s", at, what, more, l.said())
	}
	if !l.answers(forwardTime) {
		bad(&o.failed, "the forward before it does not stand")
		return o
	}
	pids := l.processes(near.Process.Pid)
	type started struct {
		cmd *exec.Cmd
		end func() answer
	}
	var lookups []started
	for range 3 {
		time.Sleep(time.Duration(random.IntN(4000)) * time.Microsecond)
		cmd, end := l.ask(l.logins[random.IntN(len(l.logins))])
		lookups = append(lookups, started{cmd, end})
	}
	pids["asker"] = lookups[random.IntN(len(lookups))].cmd.Process.Pid
	moment := 12 * time.Millisecond // in which most lookups are over
	if random.IntN(3) == 0 {
		moment = 3 * time.Second // as long as the program of the slow one takes
	}
	time.Sleep(time.Duration(random.Int64N(int64(moment))))
	victim := pids[f.victim]
	if victim == 0 {
		bad(&o.failed, "no such process among", pids)
		return o
	}
	began := time.Now()
	_ = syscall.Kill(victim, f.signal) // an asker may have ended
	pause := time.Duration(random.IntN(2000)) * time.Millisecond
	if f.resume {
		time.AfterFunc(pause, func() { _ = syscall.Kill(victim, syscall.SIGCONT) })
	} else if f.victim == "asker" {
		time.AfterFunc(pause, func() { _ = syscall.Kill(victim, syscall.SIGKILL) })
	}
	for _, one := range lookups {
		o.count(l, at, one.end(), one.cmd.Process.Pid == victim)
	}
	lives := f.resume || f.victim == "asker"
	switch {
	case lives && !l.answers(forwardTime):
		bad(&o.failed, "no answer afterwards")
	case !lives && f.signal == syscall.SIGSTOP && f.victim == "near":
		for {
			_, end := l.ask(l.logins[0])
			a := end()
			o.count(l, at, a, false)
			if a.took < time.Second { // it asks no more
				o.noticed = time.Since(began)
				break
			}
			if time.Since(began) > noticeTime+lookupTime {
				bad(&o.hung, "the far side has not noticed")
				break
			}
		}
	case !lives && f.victim != "near":
		select {
		case <-ended:
			o.noticed = end.Sub(began)
			if code := near.ProcessState.ExitCode(); code != 1 {
				bad(&o.wrong, "exit code", code)
			}
		case <-time.After(noticeTime):
			bad(&o.hung, "the near side has not noticed")
		}
	}
	// Another forward to the place works, whatever this one has left.
	second := l.start()
	if !l.answers(forwardTime + lookupTime) { // the first lookup may still meet the old one
		bad(&o.failed, "no answer through another forward")
	}
	for range 500 { // the first one may have answered
		if strings.Contains(l.said(), "Lending ") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	_ = second.Process.Signal(os.Interrupt)
	if err := second.Wait(); err != nil {
		bad(&o.wrong, "the other forward", err)
	}
	_ = syscall.Kill(victim, syscall.SIGCONT)
	_ = near.Process.Signal(os.Interrupt)
	for deadline := time.Now().Add(noticeTime); ; time.Sleep(20 * time.Millisecond) {
		left := l.left(near.Process.Pid)
		if len(left) == 0 {
			return o
		}
		if time.Now().After(deadline) {
			bad(&o.left, "left behind", left)
			return o
		}
	}
}

func (l *lane) log() string { return filepath.Join(l.m.near.dir, l.far.ssh+".log") }

func (l *lane) said() string {
	text, err := os.ReadFile(l.log())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// start starts a forward to this user.
func (l *lane) start() *exec.Cmd {
	near := testenv.Command(l.m.near.env, filepath.Join(binDir, "regshape"), "auth", "forward", "--all", l.far.ssh)
	log, err := os.OpenFile(l.log(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err == nil {
		defer log.Close()
		near.Stdout, near.Stderr = log, log
		err = near.Start()
	}
	if err != nil {
		l.t.Error(err)
	}
	return near
}

// answers waits until a lookup has the login.
func (l *lane) answers(within time.Duration) bool {
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var o outcomes
		_, end := l.ask(l.logins[0])
		o.count(l, "afterwards", end(), false)
		if o.answered == 1 {
			return true
		}
	}
	return false
}

// process is what /proc says of one.
type process struct {
	pid, parent, uid int
	program          string
	words            string
}

func allProcesses() (all []process) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		stat, err := os.ReadFile(dir + "/stat")
		status, statusErr := os.ReadFile(dir + "/status")
		words, wordsErr := os.ReadFile(dir + "/cmdline")
		if errors.Join(err, statusErr, wordsErr) != nil || len(words) == 0 {
			continue // ended
		}
		p := process{words: strings.ReplaceAll(string(words), "\x00", " ")}
		p.pid, _ = strconv.Atoi(filepath.Base(dir))
		_, rest, _ := strings.Cut(string(stat), ") ")
		p.parent, _ = strconv.Atoi(strings.Fields(rest)[1])
		_, rest, _ = strings.Cut(string(status), "\nUid:\t")
		p.uid, _ = strconv.Atoi(strings.Fields(rest)[0])
		program, _, _ := strings.Cut(p.words, " ")
		p.program = filepath.Base(program)
		all = append(all, p)
	}
	return all
}

// processes are those of this user's forward.
func (l *lane) processes(near int) map[string]int {
	pids := map[string]int{"near": near}
	all := allProcesses()
	for _, p := range all {
		switch {
		case p.parent == near:
			pids["ssh"] = p.pid
		case p.uid == l.uid && p.program == "regshape":
			pids["far"] = p.pid
		}
	}
	for _, p := range all {
		if p.uid == l.uid && strings.HasPrefix(p.words, "sshd: ") {
			pids["sshd"] = p.pid
		}
	}
	return pids
}

// left lists what should have ended and be gone.
func (l *lane) left(near int) (found []string) {
	for _, p := range allProcesses() {
		if p.uid == l.uid || p.parent == near {
			found = append(found, p.words)
		}
	}
	sockets, _ := filepath.Glob("/run/tmp/*/*")
	for _, socket := range sockets {
		var stat syscall.Stat_t
		if syscall.Lstat(socket, &stat) == nil && int(stat.Uid) == l.uid {
			found = append(found, socket)
		}
	}
	slices.Sort(found)
	return found
}
