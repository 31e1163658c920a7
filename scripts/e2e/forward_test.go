//go:build e2e

package e2e

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
	"regshape/scripts/testterminal"
)

// forwardTime is what a forward may take to stand, and its end to be noticed where nothing hangs.
const forwardTime = 20 * time.Second

// otherMachine is one whose sshd is real. It shares processes and network with this one, and has
// users and homes of its own.
type otherMachine struct {
	t     *testing.T
	near  *home
	users map[string]*home
	log   string // sshd's
}

// TestForward lends logins to a machine behind a real sshd and to containers.
func TestForward(t *testing.T) {
	if !inside() {
		if os.Geteuid() != 0 {
			t.Skip("needs root, for namespaces with users of their own")
		}
		t.Parallel()
		if err := reexec(t, subtests("TestForward")); err != nil {
			t.Fatal(err)
		}
		return
	}
	near, r := newHome(t), registries[0]
	for _, has := range registries[:2] {
		near.login(has, has.password).ok("Login Succeeded").quiet()
	}
	slow := slowLogin(near)
	e := containerEngine(t)
	users := []string{"alice", "root2"}
	for i := range lanes {
		users = append(users, fmt.Sprint("lane", i))
	}
	m := startSSH(t, near, e, users)
	t.Cleanup(m.watch(r.password, registries[1].password))

	for _, user := range users[:2] {
		t.Run(user, func(t *testing.T) { m.pulls(t, user, r) })
	}
	t.Run("ways", func(t *testing.T) { m.ways(t, m.users["alice"].on(t), r) })
	t.Run("containers", func(t *testing.T) { forwardToContainers(t, near, r, e) })
	t.Run("faults", func(t *testing.T) { m.faults(t, users[2:], r, slow) })
}

// containerEngine is an engine that may run containers: in the namespace's own cgroups.
func containerEngine(t *testing.T) *engine {
	t.Helper()
	const cgroups = "/sys/fs/cgroup"
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o700); err != nil { // runc's
		t.Fatal(err)
	}
	_ = syscall.Unmount(cgroups, syscall.MNT_DETACH)
	if err := syscall.Mount("none", cgroups, "cgroup2", 0, ""); err != nil {
		t.Fatal(err)
	}
	e, err := startEngine(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.stop(); err != nil {
			t.Error(err)
		}
		// Where there are any.
		_ = syscall.Unmount(filepath.Join(dir, "exec", "netns", "default"), 0)
		_ = os.Remove(filepath.Join(cgroups, "docker"))
	})
	return e
}

// pulls has the clients over there use a forward, and look for it before and afterwards.
func (m *otherMachine) pulls(t *testing.T, user string, r *registry) {
	far := m.users[user].on(t)
	pull := func() result { return far.run("docker", "pull", "--quiet", r.ref()).quiet() }
	far.noneSees(r)
	lent := m.lend(t, "--allow", r.host, user)
	far.allSee(r)
	if strings.HasPrefix(user, "root") { // who may use the engine
		pull().ok()
	}
	far.notFound(registries[1].host)
	far.run("regshape", "auth", "get", r.host).ok(r.user, "forward").quiet()
	lent.interrupt()
	far.noneSees(r)
	if strings.HasPrefix(user, "root") {
		pull().refused("no basic auth credentials")
	}
	far.run("regshape", "auth", "get", r.host).ok("anonymous").quiet()
	if left, err := filepath.Glob("/run/tmp/regshape*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// ways are those to reach the other machine, and to end.
func (m *otherMachine) ways(t *testing.T, far *home, r *registry) {
	shellPrints := func(text string) {
		t.Helper()
		far.must(os.WriteFile(filepath.Join(far.dir, ".bashrc"), []byte(text), 0o644))
	}
	lends := func(t *testing.T, l *lending) {
		t.Helper()
		l.stands()
		shellPrints("")
		if user, secret := far.on(t).secretOf(r.host); user != r.user || secret != r.password {
			t.Errorf("user %q, or another secret than the password", user)
		}
		l.interrupt()
	}
	t.Run("password", func(t *testing.T) {
		l := m.forward(t, "--allow", r.host, "alice-password")
		l.Await("alice@127.0.0.1's password:")
		l.AwaitEcho(false)
		l.Input(farPassword + "\n")
		lends(t, l)
	})
	t.Run("banner", func(t *testing.T) {
		shellPrints("head -c 60000 /dev/zero | tr '\\0' x\necho Welcome\n")
		lends(t, m.forward(t, "--allow", r.host, "alice"))
		shellPrints("head -c 70000 /dev/zero | tr '\\0' x\n")
		m.forward(t, "--allow", r.host, "alice").ends(1, "64 KiB", "start files")
	})
	shellPrints("")
	recipes := recipe(t, "SSH hosts", "bash")
	t.Run("recipe", func(t *testing.T) { lends(t, byLine(t, m.near, r, recipes[0])) })
	t.Run("not on PATH", func(t *testing.T) {
		shellPrints("PATH=/usr/bin:/bin\n")
		byLine(t, m.near, r, recipes[0]).ends(1, "regshape does not run", "--remote")
		far.must(os.MkdirAll(filepath.Join(far.dir, ".local", "bin"), 0o755))
		far.must(os.Symlink("/usr/local/bin/regshape", filepath.Join(far.dir, ".local", "bin", "regshape")))
		lends(t, byLine(t, m.near, r, recipes[1]))
	})
	t.Run("two", func(t *testing.T) {
		first := m.lend(t, "--all", "alice")
		second := m.lend(t, "--allow", r.host, "alice")
		far.secretOf(r.host)
		far.secretOf(registries[1].host)
		if strings.Contains(first.Text(), r.host) {
			t.Errorf("the older one was asked, too:\n%s", first.Text())
		}
		second.interrupt()
		lends(t, first)
	})
	t.Run("for", func(t *testing.T) {
		l := m.lend(t, "--allow", r.host, "--for", "5s", "alice") // which also the ssh of a busy machine is done with
		far.secretOf(r.host)
		l.ends(0)
		far.notFound(r.host)
	})
}

// on is the home in a subtest.
func (h *home) on(t *testing.T) *home {
	own := *h
	own.t = t
	return &own
}

// quoted is a command line for a shell.
func quoted(words []string) string {
	for i, word := range words {
		words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return strings.Join(words, " ")
}

// farUID is that of the first user over there.
const farUID = 4200

// startSSH starts sshd on the loopback device for these users, of whom the ones named root… have
// the uid 0. Each is a host of that name in the near user's ssh_config, and one with -password
// appended, where only a password is taken.
func startSSH(t *testing.T, near *home, e *engine, users []string) *otherMachine {
	t.Helper()
	m := &otherMachine{t: t, near: near, users: map[string]*home{}, log: filepath.Join(near.dir, "sshd.log")}
	dir := "/run/etc"
	for _, made := range []string{dir, "/run/sshd", "/run/tmp"} {
		near.must(os.Mkdir(made, 0o755))
	}
	near.must(os.Chmod("/run/tmp", 0o777|fs.ModeSticky))
	// The way to the homes, and to the programs where a shell that is no login shell looks.
	near.must(os.Chmod(os.TempDir(), 0o711))
	m.mount(binDir, "/usr/local/bin")

	near.must(os.Mkdir(filepath.Join(near.dir, ".ssh"), 0o700))
	key, hostKey := filepath.Join(near.dir, ".ssh", "id_ed25519"), filepath.Join(dir, "host_key")
	for _, file := range []string{key, hostKey} {
		near.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).ok()
	}
	public := func(file string) string {
		data, err := os.ReadFile(file + ".pub")
		near.must(err)
		return string(data)
	}
	near.write(".ssh/known_hosts", "127.0.0.1 "+public(hostKey))
	passwd := "root:x:0:0::" + near.dir + ":/bin/bash\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
	shadow := "root:*:1::::::\nsshd:*:1::::::\n"
	config := ""
	for i, name := range users {
		uid := farUID + i
		if strings.HasPrefix(name, "root") {
			uid = 0
		}
		far := newHome(t)
		m.users[name] = far
		account := &registry{user: name, password: farPassword}
		_, err := account.htpasswd(dir)
		near.must(err)
		hash, err := os.ReadFile(filepath.Join(dir, "htpasswd"))
		near.must(err)
		passwd += fmt.Sprintf("%s:x:%d:%d::%s:/bin/bash\n", name, uid, uid, far.dir)
		shadow += strings.TrimSpace(string(hash)) + ":1::::::\n"
		config += fmt.Sprintf("Host %[1]s %[1]s-password\n  User %[1]s\n", name)
		far.write(".ssh/authorized_keys", public(key))
		far.ssh, far.env = name, near.env
		near.must(filepath.WalkDir(far.dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, uid, uid)
		}))
	}
	near.write(".ssh/config", config+"Host build.example.com\n  User alice\nHost *-password\n  PubkeyAuthentication no\nHost *\n  HostName 127.0.0.1\n")
	for name, text := range map[string]string{
		"passwd": passwd, "shadow": shadow,
		"sshd_config": "ListenAddress 127.0.0.1\nHostKey " + hostKey + "\nUsePAM no\nPermitRootLogin yes\nPrintMotd no\nLogLevel VERBOSE\n" +
			"SetEnv TMPDIR=/run/tmp DOCKER_HOST=unix://" + e.socket + "\n",
	} {
		near.must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	m.mount(filepath.Join(dir, "passwd"), "/etc/passwd")
	m.mount(filepath.Join(dir, "shadow"), "/etc/shadow")

	log, err := os.Create(m.log)
	near.must(err)
	defer log.Close()
	sshd := testenv.Command(testenv.Environ(near.dir), "/usr/sbin/sshd", "-D", "-e", "-f", filepath.Join(dir, "sshd_config"))
	sshd.Stdout, sshd.Stderr = log, log
	near.must(sshd.Start())
	t.Cleanup(func() {
		_ = sshd.Process.Kill()
		_ = sshd.Wait() // always "killed"
	})
	for deadline := time.Now().Add(forwardTime); ; time.Sleep(10 * time.Millisecond) {
		connection, err := net.Dial("tcp", "127.0.0.1:22")
		if err == nil {
			near.must(connection.Close())
			return m
		}
		if time.Now().After(deadline) {
			t.Fatalf("sshd: %v\n%s", err, m.logged())
		}
	}
}

// farPassword is that of all users over there.
const farPassword = "a password of the other machine"

// mount covers a file or folder of the namespace with another.
func (m *otherMachine) mount(what, where string) {
	m.t.Helper()
	m.near.must(syscall.Mount(what, where, "", syscall.MS_BIND, ""))
}

func (m *otherMachine) logged() string {
	text, err := os.ReadFile(m.log)
	m.near.must(err)
	return string(text)
}

// watch looks for secrets in the arguments and the environment of every process until its
// result is called, which looks into what the users over there share, too.
func (m *otherMachine) watch(secrets ...string) func() {
	stop, found := make(chan struct{}), make(chan string, 1)
	go func() {
		defer close(found)
		seen := map[string]bool{}
		for {
			files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			more, _ := filepath.Glob("/proc/[0-9]*/environ")
			for _, file := range append(files, more...) {
				data, _ := os.ReadFile(file) // it may have ended
				if text := string(data); !seen[text] {
					seen[text] = true
					if canary.Find(data, secrets...) != "" {
						found <- canary.Redact(text, secrets...)
						return
					}
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return func() {
		m.t.Helper()
		close(stop)
		if text, leak := <-found; leak {
			m.t.Errorf("a process has a secret in its arguments or environment: %q", text)
		}
		if _, leaks, err := canary.Tree("/run", secrets...); err != nil || len(leaks) > 0 {
			m.t.Errorf("/run holds a secret: %v, %v", leaks, err)
		}
	}
}

// lending is a forward that stands.
type lending struct {
	*testterminal.Terminal
	near *home
}

// forward starts one on a terminal.
func (m *otherMachine) forward(t *testing.T, args ...string) *lending {
	t.Helper()
	return &lending{testterminal.Start(t, m.near.env, filepath.Join(binDir, "regshape"), append([]string{"auth", "forward"}, args...)...), m.near.on(t)}
}

// byLine starts one with the command line of a recipe.
func byLine(t *testing.T, near *home, r *registry, line string) *lending {
	t.Helper()
	return &lending{testterminal.Start(t, near.env, "bash", "-c", "cd; "+strings.ReplaceAll(line, exampleHost, r.host)), near.on(t)}
}

// lend waits until it stands.
func (m *otherMachine) lend(t *testing.T, args ...string) *lending {
	t.Helper()
	l := m.forward(t, args...)
	l.stands()
	return l
}

func (l *lending) stands() {
	l.near.t.Helper()
	for began := time.Now(); !strings.Contains(l.Text(), "Lending ") && time.Since(began) < forwardTime; {
		time.Sleep(10 * time.Millisecond)
	}
	l.Await("Lending ")
}

// interrupt ends it as its user does.
func (l *lending) interrupt() {
	l.near.t.Helper()
	l.Input("\x03")
	l.ends(0)
}

func (l *lending) ends(code int, texts ...string) {
	l.near.t.Helper()
	got := result{h: l.near, line: "regshape auth forward", code: l.ExitCode(), stdout: l.Text()}.says(texts...).quiet()
	if got.code != code {
		l.near.t.Errorf("want exit %d:\n%s", code, got)
	}
}
