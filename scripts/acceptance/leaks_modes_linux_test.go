package acceptance

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// leakModes makes all that can be made, under three umasks, and looks at every mode.
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
			t.Errorf("umask %s: %d files and folders, %v", umask, made, err)
		}
	}
}
