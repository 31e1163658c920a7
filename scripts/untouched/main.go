//go:build linux

// Command untouched runs one program, and fails if that reaches for the files of whoever
// runs it. The program meets the environment of a developer who uses all that the tests
// are about: a store at its usual place and one that REGSHAPE_STORE names, docker's and
// podman's files, a D-Bus session, an SSH agent. Each variable leads into a directory that is
// made for this run, and in which nothing may be opened, changed, made or removed.
//
//	go test -exec "$PWD/bin/untouched" ./...
//
// What a test builds goes through Go's own caches, so those stay where they are. Not seen
// are files that no variable leads to, such as podman's in /run/containers, and what package
// xdg reads before any test can have run, XDG_CONFIG_HOME/user-dirs.dirs.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/adrg/xdg"
	"golang.org/x/sys/unix"

	"regshape/scripts/testenv"
	"regshape/store"
	"regshape/store/keys"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: untouched PROGRAM [ARGUMENT…]")
		os.Exit(2)
	}
	touched, err := run(os.Args[1:])
	for _, line := range touched {
		fmt.Fprintln(os.Stderr, "untouched:", line)
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Exited():
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "untouched:", err)
	}
	if err != nil || len(touched) > 0 {
		os.Exit(1)
	}
}

// run returns what the program touched, and how it ended.
func run(words []string) (touched []string, err error) {
	home, err := os.MkdirTemp("", "untouched-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(home)
	if err := furnish(home); err != nil {
		return nil, err
	}
	sockets, err := listen(home)
	if err != nil {
		return nil, err
	}
	before, err := contents(home)
	if err != nil {
		return nil, err
	}
	w, err := watch(before)
	if err != nil {
		return nil, err
	}
	err = execute(words)
	touched, watchErr := w.touched()
	for _, s := range sockets {
		if s.called() {
			touched = append(touched, s.path+": connected to")
		}
	}
	after, readErr := contents(home)
	for path, content := range before {
		if after[path] != content {
			touched = append(touched, path+": changed")
		}
		delete(after, path)
	}
	for path := range after {
		touched = append(touched, path+": is new")
	}
	slices.Sort(touched)
	return slices.Compact(touched), errors.Join(err, watchErr, readErr)
}

// execute runs the program with what go test sends it, and does not outlive it.
func execute(words []string) error {
	runtime.LockOSThread() // whose end Pdeathsig is about
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = os.Environ() // as furnish has left it
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may have ended
		}
	}()
	return cmd.Wait()
}

// furnish fills the home, and turns this process's environment to it.
func furnish(home string) error {
	in := func(parts ...string) string { return filepath.Join(append([]string{home}, parts...)...) }
	for _, kv := range append(testenv.GoSettings(),
		"HOME="+home, "USERPROFILE="+home,
		"XDG_DATA_HOME="+in("xdg", "data"), "XDG_STATE_HOME="+in("xdg", "state"), "XDG_CONFIG_HOME="+in("xdg", "config"),
		"XDG_CACHE_HOME="+in("xdg", "cache"), "XDG_RUNTIME_DIR="+in("run"),
		"REGSHAPE_STORE="+in("store"), "REGSHAPE_KEY_FILE="+in("keyfile"), "REGSHAPE_PROFILE=work",
		"REGSHAPE_USERNAME=canary", "REGSHAPE_PASSWORD=canary",
		"DOCKER_CONFIG="+in("docker"), "REGISTRY_AUTH_FILE="+in("auth.json"),
		"CONTAINERS_REGISTRIES_CONF="+in("registries.conf"), "REGISTRIES_CONFIG_PATH="+in("registries.conf"),
		"GNUPGHOME="+in("gnupg"), "PASSWORD_STORE_DIR="+in("pass"),
		"DBUS_SESSION_BUS_ADDRESS=unix:path="+in("run", "bus"), "SSH_AUTH_SOCK="+in("run", "agent"),
	) {
		name, value, _ := strings.Cut(kv, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	xdg.Reload()
	for _, o := range []store.Options{{}, {Profile: "work"}, {Dir: in("store")}, {Dir: in("store"), Profile: "work"}} {
		if err := put(o); err != nil {
			return err
		}
	}
	key, err := os.ReadFile(in("store", "key"))
	if err != nil {
		return err
	}
	const logins = `{"auths":{"canary.example":{"auth":"Y2FuYXJ5OmNhbmFyeQ=="}}}`
	for _, name := range []string{
		"keyfile", "auth.json", "registries.conf", "docker/config.json", ".docker/config.json", ".dockercfg",
		".config/containers/auth.json", ".config/containers/registries.conf", ".config/containers/registries.conf.d/50.conf",
		"xdg/config/containers/auth.json", "xdg/config/containers/registries.conf", "xdg/config/containers/registries.conf.d/50.conf",
		"run/containers/auth.json", ".singularity/docker-config.json", ".apptainer/docker-config.json",
		".config/regshape/config", ".local/state/regshape/key", ".local/share/regshape/v1/g-0011223344556677/canary",
		"xdg/cache/canary", ".cache/canary", "gnupg/gpg.conf", ".gnupg/gpg.conf", "pass/canary.gpg", ".password-store/canary.gpg",
		".ssh/config", ".ssh/known_hosts", ".gitconfig", ".config/git/config", "xdg/config/git/config",
		".config/go/env", "xdg/config/go/env", ".profile", ".bash_profile", ".bashrc", ".zshenv", ".zshrc", ".config/fish/config.fish", "xdg/config/fish/config.fish",
		".local/share/keyrings/login.keyring", "xdg/data/keyrings/login.keyring",
	} {
		if err := os.MkdirAll(filepath.Dir(in(name)), 0o700); err != nil {
			return err
		}
		text := []byte(logins)
		switch {
		case name == "keyfile":
			text = key
		case strings.Contains(name, "registries"):
			text = []byte("credential-helpers = [\"canary\"]\n")
		}
		if err := os.WriteFile(in(name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// put makes a store with one login.
func put(o store.Options) error {
	loc, err := store.Locate(o)
	if err != nil {
		return err
	}
	s, err := store.Open(loc, keys.Sources{})
	if err != nil {
		return err
	}
	return s.Put(context.Background(), store.Credential{
		ServerURL: "canary.example", Username: "canary", Secret: "canary", Kind: store.KindPassword,
	})
}

// socket stands for a service of the session, and hangs up on whoever calls.
type socket struct {
	path  string
	calls atomic.Int64
}

// listen offers the D-Bus session and the SSH agent.
func listen(home string) (sockets []*socket, err error) {
	for _, name := range []string{"bus", "agent"} {
		s := &socket{path: filepath.Join(home, "run", name)}
		l, err := net.Listen("unix", s.path)
		if err != nil {
			return nil, err
		}
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				s.calls.Add(1)
				_ = conn.Close() // it may have hung up itself
			}
		}()
		sockets = append(sockets, s)
	}
	return sockets, nil
}

// called reports whether anybody has called. Calls are answered in their order, so all of
// them are when this one is.
func (s *socket) called() bool {
	conn, err := net.Dial("unix", s.path)
	if err != nil {
		return true // it is not there any more
	}
	_, _ = io.Copy(io.Discard, conn) // until it hangs up
	_ = conn.Close()
	return s.calls.Load() > 1
}

// contents is everything below the home: modes, and what files hold.
func contents(home string) (map[string]string, error) {
	all := map[string]string{}
	err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var data []byte
		if d.Type().IsRegular() {
			data, err = os.ReadFile(path)
		}
		all[path] = fmt.Sprintf("%v %s", info.Mode(), data)
		return err
	})
	return all, err
}

// watcher is an inotify instance. The kernel keeps 16,384 events until they are read
// (fs.inotify.max_queued_events), and says so when it had to drop some.
type watcher struct {
	fd          int
	directories map[int32]string
}

// watch begins to watch the directories among what is there. A new one is an event of its own.
func watch(there map[string]string) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	w := &watcher{fd, map[int32]string{}}
	for path, content := range there {
		if !strings.HasPrefix(content, "d") {
			continue
		}
		wd, err := unix.InotifyAddWatch(fd, path, unix.IN_ALL_EVENTS&^unix.IN_CLOSE)
		if err != nil {
			return nil, fmt.Errorf("inotify: %w", err)
		}
		w.directories[int32(wd)] = path
	}
	return w, nil
}

// touched is what happened since. To look for it is to end the watch.
func (w *watcher) touched() (touched []string, err error) {
	defer func() { _ = unix.Close(w.fd) }()
	buffer := make([]byte, 1<<16)
	for {
		n, err := unix.Read(w.fd, buffer)
		if errors.Is(err, unix.EAGAIN) {
			return touched, nil
		}
		if err != nil {
			return touched, fmt.Errorf("inotify: %w", err)
		}
		for rest := buffer[:n]; len(rest) > 0; {
			var e unix.InotifyEvent
			if err := binary.Read(bytes.NewReader(rest), binary.NativeEndian, &e); err != nil {
				return touched, err
			}
			name := rest[unix.SizeofInotifyEvent:][:e.Len]
			rest = rest[unix.SizeofInotifyEvent+e.Len:]
			path := filepath.Join(w.directories[e.Wd], string(bytes.TrimRight(name, "\x00")))
			touched = append(touched, path+": "+happened(e.Mask))
		}
	}
}

// happened names what inotify tells of.
func happened(mask uint32) string {
	switch {
	case mask&unix.IN_Q_OVERFLOW != 0:
		return "more than the kernel remembers"
	case mask&unix.IN_OPEN != 0:
		return "opened"
	case mask&unix.IN_ACCESS != 0:
		return "read"
	case mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0:
		return "made"
	case mask&(unix.IN_DELETE|unix.IN_DELETE_SELF|unix.IN_MOVED_FROM|unix.IN_MOVE_SELF) != 0:
		return "removed"
	}
	return "changed"
}
