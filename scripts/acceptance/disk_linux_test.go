package acceptance

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

// inNamespace runs a shell script that may mount things, in a mount namespace of its own.
func inNamespace(t *testing.T, home, script string) string {
	t.Helper()
	args := []string{"-m"}
	if os.Geteuid() != 0 {
		args = []string{"-r", "-m"}
	}
	env := testenv.Environ(home, "REGSHAPE_STORE="+filepath.Join(home, "disk", "store"))
	if out, err := testenv.Command(env, "unshare", append(args, "true")...).CombinedOutput(); err != nil {
		t.Skipf("no mount namespace to be had here: %v: %s", err, out)
	}
	cmd := testenv.Command(env, "unshare", append(args, "sh", "-eu", "-c", script)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	return string(out)
}

const payloads = `
old='{"ServerURL":"h.example","Username":"u","Secret":"old"}'
new='{"ServerURL":"h.example","Username":"u","Secret":"new"}'
first='{"ServerURL":"first.example","Username":"u","Secret":"new"}'
h() { docker-credential-regshape "$1"; }
`

func TestDisk_full(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "disk"), 0o700); err != nil {
		t.Fatal(err)
	}
	out := inNamespace(t, home, payloads+`
mount -t tmpfs -o size=64k,nr_inodes=64 none "$HOME/disk"
echo "$old" | h store
cat /dev/zero >"$HOME/disk/filler" 2>/dev/null || true
echo "$new" | h store && exit 9 || true
echo "$first" | h store && exit 9 || true
echo h.example | h get
find "$HOME/disk" -name '.tmp-*'
rm "$HOME/disk/filler"
echo "$new" | h store
echo h.example | h get
`)
	want := `write the entry of h.example: write /.*: no space left on device: free some space, or name another directory with REGSHAPE_STORE
write the entry of first.example: write /.*: no space left on device: free some space, or name another directory with REGSHAPE_STORE
{"ServerURL":"h.example","Username":"u","Secret":"old"}
{"ServerURL":"h.example","Username":"u","Secret":"new"}
`
	compareLines(t, out, want)
}

func TestDisk_readOnly(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "disk"), 0o700); err != nil {
		t.Fatal(err)
	}
	out := inNamespace(t, home, payloads+`
mount -t tmpfs none "$HOME/disk"
echo "$old" | h store
mount -o remount,ro "$HOME/disk"
echo "$new" | h store && exit 9 || true
echo h.example | h erase && exit 9 || true
echo h.example | h get
h list
`)
	want := `write the entry of h.example: open /.*: read-only file system: make the mount writable, or name another directory with REGSHAPE_STORE
remove the entry of h.example: remove /.*: read-only file system: make the mount writable, or name another directory with REGSHAPE_STORE
{"ServerURL":"h.example","Username":"u","Secret":"old"}
{"h.example":"u"}
`
	compareLines(t, out, want)
}

// compareLines compares line by line; "/.*: " in a wanted line stands for any path.
func compareLines(t *testing.T, got, want string) {
	t.Helper()
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	same := len(gotLines) == len(wantLines)
	for i := range min(len(gotLines), len(wantLines)) {
		before, after, any := strings.Cut(wantLines[i], "/.*")
		if any {
			same = same && strings.HasPrefix(gotLines[i], before+"/") && strings.HasSuffix(gotLines[i], after)
		} else {
			same = same && gotLines[i] == wantLines[i]
		}
	}
	if !same {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Under sudo with the user's HOME kept, root's files must not end up there; a container's
// root with a mounted home is fine.
func TestSudo(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a home away")
	}
	home := t.TempDir()
	if err := os.Chown(home, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	run := func(action, input string, env ...string) (string, error) {
		cmd := testenv.Command(testenv.Environ(home, env...), "docker-credential-regshape", action)
		cmd.Stdin = strings.NewReader(input)
		out, err := cmd.Output()
		return string(out), err
	}
	payload := `{"ServerURL":"h.example","Username":"u","Secret":"s"}`
	out, err := run("store", payload, "SUDO_UID=12345")
	if err == nil || !strings.Contains(out, "under sudo this would put root's files into "+home) || !strings.Contains(out, "sudo -H") {
		t.Errorf("store under sudo: %v: %s", err, out)
	}
	if left, _ := os.ReadDir(home); len(left) > 0 {
		t.Errorf("store under sudo left %v, want nothing", left)
	}
	if out, err := run("get", "h.example", "SUDO_UID=12345"); err == nil || out != "credentials not found in native keychain\n" {
		t.Errorf("get under sudo: %v: %s", err, out)
	}
	if out, err := run("store", payload); err != nil {
		t.Errorf("store as a container's root: %v: %s", err, out)
	}
}

// A home may be in a directory that its user cannot list, as /home often is. The first login
// cannot sync that directory, and need not.
func TestHome_unlistable(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a home for another user")
	}
	s := newHome(t)
	s.open(s.home)
	homes := s.path("homes")
	home := filepath.Join(homes, "ann")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(homes, 0o711), os.Chown(home, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	s.env = []string{"HOME=" + home}
	if o := s.as(nobody, payload("h.example", "ann", s.secret()), "docker-credential-regshape", "store"); o.code != 0 {
		t.Errorf("store: exit code %d, want 0: %s", o.code, o.text())
	}
	if o := s.as(nobody, "h.example", "docker-credential-regshape", "get"); o.code != 0 || !strings.Contains(o.out, s.secret()) {
		t.Errorf("get: exit code %d, want 0 and the secret: %s", o.code, o.err)
	}
}
