package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// stranger makes a scene whose home is that of a user without privileges.
func stranger(t *testing.T) *scene {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	s := newHome(t)
	s.open(s.home)
	if err := os.Chown(s.home, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	return s
}

// wants runs the front end as that user, and checks that it fails with a text. <home> stands for
// the home.
func (s *scene) wants(want string, words ...string) {
	s.t.Helper()
	o := s.as(nobody, s.secret(), append([]string{"regshape", "auth"}, words...)...)
	pattern := strings.ReplaceAll(want, "<home>", regexp.QuoteMeta(s.home))
	if found, err := regexp.MatchString(pattern, o.text()); o.code == 0 || !found || err != nil {
		s.t.Errorf("%q: exit code %d, want a failure and %s (%v):\n%s", words, o.code, pattern, err, s.redact(o.text()))
	}
}

// give makes everything below a path the user's, as the command in the hint would with sudo.
func (s *scene) give(command string) {
	s.t.Helper()
	s.must("", "sh", "-c", command)
}

// login is a login of the user's that asks nobody.
var login = []string{"login", "r.example", "-u", "alice", "--password-stdin", "--skip-verify"}

// What 'sudo docker login' leaves behind in a home is given back by the command in the hint.
func TestAccess_rootsFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ path, closed string }{
		"config.json": {".docker/config.json", ".docker/config.json"},
		".docker":     {".docker/config.json", ".docker"},
		"auth.json":   {".config/containers/auth.json", ".config/containers/auth.json"},
	} {
		t.Run(name, func(t *testing.T) {
			s := stranger(t)
			s.write(test.path, `{"auths":{"r.example":{"auth":"YTpi"}}}`, 0o600)
			s.give(fmt.Sprintf("chown -R %d:%d %s && chown -R 0:0 %s && chmod go-rwx %s", nobody, nobody, s.home, s.path(test.closed), s.path(test.closed)))
			command := fmt.Sprintf("chown -R %d:%d %s", nobody, nobody, s.path(test.closed))
			hint := `permission denied\nHint: run 'sudo ` + command + `'`
			s.wants(hint, "get", "r.example")
			s.wants(`permission denied\.\nHint: run 'sudo `+command+`'.*\nError: `, "setup", "--podman")
			s.wants(hint, login...)
			s.wants(`permission denied\.\nHint: run 'sudo `+command+`'`, "import")
			s.wants(`BAD the file cannot be read: permission denied .*\n    fix: sudo `+command+`\n`, "doctor")
			s.give(command)
			if o := s.as(nobody, "", "regshape", "auth", "get", "r.example"); o.code != 0 {
				t.Errorf("after that: exit code %d, want 0:\n%s", o.code, s.redact(o.text()))
			}
		})
	}
}

// A home that its user cannot write to is no problem until the next login, so doctor looks.
func TestAccess_closedHome(t *testing.T) {
	t.Parallel()
	s := stranger(t)
	s.give("chown 0:0 " + s.home)
	s.wants(`mkdir <home>/\.local: permission denied\nHint: set HOME to a directory of your own, or name another directory with REGSHAPE_STORE\n`, login...)
	s.wants(`BAD <home> cannot be written to, and regshape's store is there: permission denied: set HOME to a directory of your own`, "doctor")
	s.give(fmt.Sprintf("chown %d:%d %s && chmod 500 %s", nobody, nobody, s.home, s.home))
	s.wants(`mkdir <home>/\.local: permission denied\nHint: run 'chmod u\+rwX <home>', or name another directory with REGSHAPE_STORE\n`, login...)
	s.wants(`BAD <home> cannot be written to, and regshape's store is there: permission denied\n    fix: chmod u\+rwX <home>\n`, "doctor")
	s.must("", "chmod", "u+rwX", s.home)
	if o := s.as(nobody, s.secret(), append([]string{"regshape", "auth"}, login...)...); o.code != 0 {
		t.Errorf("after that: exit code %d, want 0:\n%s", o.code, s.redact(o.text()))
	}
	if o := s.as(nobody, "", "regshape", "auth", "doctor"); strings.Contains(o.text(), "cannot be written to") {
		t.Errorf("after that doctor says:\n%s", s.redact(o.text()))
	}
}

// On a read-only mount the hint names the variable that moves what is there, and no other.
func TestAccess_readOnly(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for _, dir := range []string{"docker", "disk"} {
		if err := os.Mkdir(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	out := inNamespace(t, home, payloads+`
mkdir "$HOME/.docker"
echo '{"auths":{"r.example":{"auth":"YTpi"}}}' >"$HOME/.docker/config.json"
echo "$old" | h store
mount --bind "$HOME/.docker" "$HOME/.docker"
mount -o remount,ro,bind "$HOME/.docker"
regshape auth setup --docker 2>&1 | grep -v Imported
regshape auth import --remove 2>&1 >/dev/null | grep -v 'regshape auth import'
regshape auth doctor | grep 'written'
umount "$HOME/.docker"
mount --bind "$HOME/disk" "$HOME/disk"
mount -o remount,ro,bind "$HOME/disk"
regshape auth logout h.example 2>&1 || true
regshape auth doctor | grep 'written'
`)
	want := `Error: replace /.*: its directory cannot be written to: read-only file system
Hint: make the mount writable, or name another directory with DOCKER_CONFIG
Warning: nothing was removed: replace /.*: its directory cannot be written to: read-only file system.
Hint: make the mount writable, or name another directory with DOCKER_CONFIG
BAD /.* cannot be written to, and docker's configuration is there: read-only file system: make the mount writable, or name another directory with DOCKER_CONFIG
Error: Could not remove credentials: remove the entry of h.example: remove /.*: read-only file system
Hint: make the mount writable, or name another directory with REGSHAPE_STORE
BAD /.* cannot be written to, and regshape's store is there: read-only file system: make the mount writable, or name another directory with REGSHAPE_STORE
i   no test login was made: the store cannot be written (/.*)
`
	compareLines(t, out, want)
}
