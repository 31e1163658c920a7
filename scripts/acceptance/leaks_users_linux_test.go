package acceptance

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"regshape/scripts/testenv"
)

// nobody is another user of the machine.
const nobody = 65534

// open lets other users into a temporary directory; package testing closes the directory
// above it.
func (s *scene) open(dir string) string {
	s.t.Helper()
	for _, path := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(path, 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	return dir
}

// as runs a program as another user.
func (s *scene) as(uid uint32, stdin string, args ...string) outcome {
	s.t.Helper()
	return s.finish(func(ctx context.Context) *exec.Cmd {
		cmd := s.command(ctx, stdin, args...)
		cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR=/nonexistent")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		return cmd
	})
}

// leakUsers has another user try to read every file of a store in an accessible home, and run
// both programs on it.
func leakUsers(t *testing.T, tried *tally) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	s := newScene(t, tried)
	s.open(s.home)
	put := payload("h.example", "alice", s.secret())
	s.must(put, "docker-credential-regshape", "store")
	s.must(s.secret(), "regshape", "auth", "login", "h.example", "-u", "alice", "--password-stdin", "--skip-verify", "--authfile", s.path("auth.json"), "--log-file", s.path("log"))
	s.must("", "regshape", "auth", "setup", "--docker")

	readable := []string{}
	err := filepath.WalkDir(s.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if o := s.as(nobody, "", "cat", path); o.code == 0 {
			readable = append(readable, path)
		}
		tried.looks.Add(1)
		return nil
	})
	if err != nil || len(readable) > 0 {
		t.Errorf("another user reads %q (%v), want nothing", readable, err)
	}
	data := s.path(".local/share/regshape")
	before := treeOf(t, s.home)
	for _, env := range []string{"HOME=" + s.home, "REGSHAPE_STORE=" + data, "REGSHAPE_KEY_FILE=" + s.path(keyPath)} {
		s.env = []string{"HOME=" + s.open(t.TempDir()), env}
		for _, action := range []string{"get", "store", "list", "erase"} {
			input := "h.example"
			if action == "store" {
				input = put
			}
			o := s.as(nobody, input, "docker-credential-regshape", action)
			if o.code == 0 && (action == "store" || action == "get") {
				t.Errorf("another user, %s: %s works", env, action)
			}
			s.silent("another user: "+action, o.text())
		}
		for _, words := range [][]string{{"list"}, {"get", "h.example", "--show-secret"}, {"export", "h.example", "--format=auth.json"}, {"key", "rotate"}, {"doctor"}} {
			s.silent("another user: "+words[0], s.as(nobody, "", append([]string{"regshape", "auth"}, words...)...).text())
		}
	}
	if after := treeOf(t, s.home); after != before {
		t.Errorf("another user: got\n%s\nwant as before\n%s", after, before)
	}

	// The other way round: root, also by sudo, in another user's store.
	theirs := s.open(t.TempDir())
	if err := os.Chown(theirs, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	s.env = []string{"HOME=" + theirs}
	if o := s.as(nobody, put, "docker-credential-regshape", "store"); o.code != 0 {
		t.Fatalf("a user's own store: %s", s.redact(o.text()))
	}
	before = treeOf(t, theirs)
	for _, sudo := range []string{"SUDO_UID=", "SUDO_UID=65534"} {
		s.env = append(s.env[:1:1], sudo)
		for _, words := range [][]string{
			{"docker-credential-regshape", "store"},
			{"docker-credential-regshape", "erase"},
			{"regshape", "auth", "key", "rotate"},
			{"regshape", "auth", "login", "x.example", "-u", "a", "-p", s.secret(), "--skip-verify"},
			{"regshape", "auth", "logout", "--all"},
			{"regshape", "auth", "key", "unprotect"},
			{"regshape", "auth", "list"},
		} {
			o := s.run(put, words...)
			if o.code == 0 && words[len(words)-1] != "unprotect" || !strings.Contains(o.text(), "uid 65534") && words[len(words)-1] != "unprotect" {
				t.Errorf("root in another's store, %s, %q: exit code %d:\n%s", sudo, words[:2], o.code, s.redact(o.text()))
			}
			s.silent("root: "+words[0], o.text())
		}
	}
	if after := treeOf(t, theirs); after != before {
		t.Errorf("root: got\n%s\nwant as before\n%s", after, before)
	}
}

// treeOf lists what is below a directory: mode, owner, length and name.
func treeOf(t *testing.T, dir string) string {
	t.Helper()
	out, err := testenv.Command(testenv.Environ(t.TempDir()), "find", dir, "-printf", "%M %U %s %l %P\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// leakModes creates every kind of file under three umasks and checks all modes.
func leakModes(t *testing.T, tried *tally) {
	for _, umask := range []string{"000", "077", "0777"} {
		s := newScene(t, tried)
		masked := func(stdin string, args ...string) outcome {
			return s.run(stdin, append([]string{"sh", "-c", "umask " + umask + ` && exec "$@"`, "sh"}, args...)...)
		}
		s.write(".docker/config.json", "{}", 0o640) // the user's, and it stays that way
		s.write("registries/passphrase", s.secret()+"\n", 0o600)
		login := []string{"regshape", "auth", "login", "h.example", "-u", "alice", "--password-stdin", "--skip-verify"}
		put := payload("h.example", "alice", s.secret())
		made := 0
		for _, one := range []struct {
			stdin string
			args  []string
		}{
			{put, []string{"docker-credential-regshape", "store"}},
			{s.secret(), append(login[:len(login):len(login)], "--log-file", s.path("log"))},
			{s.secret(), append(login[:len(login):len(login)], "--authfile", s.path("new", "auth.json"))},
			{s.secret(), append(login[:len(login):len(login)], "--store", s.path("other", "store"), "--profile", "work")},
			{"", []string{"regshape", "auth", "setup", "--docker", "--podman"}},
			{"", []string{"regshape", "auth", "setup", "--docker", "--docker-config", s.path("fresh", "config.json")}},
			{"", []string{"regshape", "auth", "key", "rotate"}},
			{testIdentity, []string{"regshape", "auth", "key", "protect", "--no-rotate", "--recipient=" + testRecipient, "--identity=-"}},
			{"", []string{"regshape", "auth", "lock"}},
		} {
			o := masked(one.stdin, one.args...)
			if o.code != 0 && umask != "0777" { // where even the user has no access to what is made
				t.Errorf("umask %s, %q: exit code %d:\n%s", umask, one.args[:2], o.code, s.redact(o.text()))
			}
			s.silent("umask "+umask, o.text())
		}
		err := filepath.WalkDir(s.home, func(path string, d fs.DirEntry, err error) error {
			if err != nil && umask != "0777" {
				return err
			}
			info, err := os.Lstat(path)
			if err != nil || path == s.home || strings.HasPrefix(path, s.path("registries")) || info.Mode()&fs.ModeSymlink != 0 {
				return nil //nolint:nilerr // under umask 0777 what cannot be looked at is closed
			}
			made++
			tried.looks.Add(1)
			want := fs.FileMode(0o600)
			switch {
			case path == s.path(".docker", "config.json"):
				want = 0o640
			case d.IsDir():
				want = 0o700
			}
			if mode := info.Mode().Perm(); mode&^want != 0 || umask != "0777" && mode != want {
				t.Errorf("umask %s: %s has mode %v, want %v", umask, path, mode, want)
			}
			return nil
		})
		if err != nil || made < 25 && umask != "0777" {
			t.Errorf("umask %s: %d files and directories, want at least 25 (%v)", umask, made, err)
		}
	}
}
