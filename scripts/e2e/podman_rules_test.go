//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"regshape/login/authfile"
	"regshape/scripts/testenv"
)

// rulesOf are regshape's names for the rules of podmanprobe.
var rulesOf = map[string]authfile.Generation{"podman5": authfile.Podman4, "skopeo1": authfile.Skopeo1, "podman6": authfile.Podman6}

// on makes the machine of a tree the one that this test and its children see.
func (tree podmanTree) on(t *testing.T) *machine {
	t.Helper()
	// Not t.TempDir: podman refuses a run folder whose path is over 50 characters.
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, tree: tree, dir: dir, home: filepath.Join(dir, "home")}
	// The thread is never unlocked, and so ends with this test, and its mounts with it.
	runtime.LockOSThread()
	m.must(unix.Unshare(unix.CLONE_NEWNS))
	m.must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for name, real := range map[string]string{"etc": "/etc/containers", "usr": "/usr/share/containers"} {
		m.must(os.MkdirAll(filepath.Join(dir, name), 0o755))
		m.must(unix.Mount(filepath.Join(dir, name), real, "", unix.MS_BIND, ""))
	}
	for link, to := range tree.links {
		path := filepath.Join(m.home, link)
		m.must(os.MkdirAll(filepath.Dir(path), 0o755))
		m.must(os.MkdirAll(filepath.Dir(filepath.Join(filepath.Dir(path), to)), 0o755))
		m.must(os.Symlink(to, path))
	}
	for name, text := range tree.files {
		path := filepath.Join(m.home, name)
		if top, _, _ := strings.Cut(name, "/"); top == "etc" || top == "usr" {
			path = filepath.Join(dir, name)
		}
		m.must(os.MkdirAll(filepath.Dir(path), 0o755))
		m.must(os.WriteFile(path, []byte(text), 0o644))
	}
	bin := filepath.Join(m.home, "bin")
	m.must(os.MkdirAll(bin, 0o755))
	m.must(os.MkdirAll(filepath.Join(m.home, "run"), 0o700))
	for _, helper := range []string{"h1", "h2", "h3"} {
		m.program("docker-credential-"+helper, "echo "+helper+" >>'"+m.asked()+"'\necho 'credentials not found in native keychain'\nexit 1")
	}
	m.env = testenv.Environ(m.home, "XDG_RUNTIME_DIR="+filepath.Join(m.home, "run"), "PATH="+bin+":"+os.Getenv("PATH"))
	for _, variable := range tree.env {
		m.env = append(m.env, strings.ReplaceAll(variable, "HOME/", m.home+"/"))
	}
	if tree.user {
		m.copyProgram(filepath.Join(binDir, "regshape"))
		m.must(os.Symlink("regshape", filepath.Join(bin, "docker-credential-regshape")))
		m.copyProgram(filepath.Join(clientsDir, "podmanprobe"))
		m.must(os.Chmod(dir, 0o755))
		m.must(filepath.WalkDir(m.home, func(path string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(path, 1000, 1000))
		}))
	} else {
		m.env = append(m.env, "PATH="+bin+":"+binDir+":"+clientsDir+":"+os.Getenv("PATH"))
	}
	return m
}

// machine is what a test sees of a tree.
type machine struct {
	t         *testing.T
	tree      podmanTree
	dir, home string
	env       []string
}

func (m *machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// asked is the file in which the helpers note that they were asked.
func (m *machine) asked() string { return filepath.Join(m.home, "asked") }

func (m *machine) program(name, script string) {
	m.t.Helper()
	m.must(os.WriteFile(filepath.Join(m.home, "bin", name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
}

func (m *machine) copyProgram(path string) {
	m.t.Helper()
	data, err := os.ReadFile(path)
	m.must(err)
	m.must(os.WriteFile(filepath.Join(m.home, "bin", filepath.Base(path)), data, 0o755))
}

// run runs a program of this machine as its user.
func (m *machine) run(program string, args ...string) (out string, ok bool) {
	m.t.Helper()
	for _, dir := range []string{filepath.Join(m.home, "bin"), binDir, clientsDir} {
		if path := filepath.Join(dir, program); !strings.Contains(program, "/") {
			if _, err := os.Stat(path); err == nil {
				program = path
			}
		}
	}
	cmd := testenv.CommandContext(m.t.Context(), m.env, program, args...)
	cmd.Dir = m.home
	if m.tree.user {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	}
	text, err := cmd.CombinedOutput()
	return string(text), err == nil
}

// where is what regshape is told of this machine.
func (m *machine) where() authfile.Env {
	e := authfile.Env{Home: m.home, GOOS: runtime.GOOS, Getenv: func(name string) (value string) {
		for _, variable := range m.env {
			if n, v, _ := strings.Cut(variable, "="); n == name {
				value = v
			}
		}
		return value
	}}
	if m.tree.user {
		e.UID = 1000
	}
	return e
}

// podman is the list of helpers by podman's own code.
func (m *machine) podman(rules string) (helpers []string, ok bool) {
	m.t.Helper()
	out, ok := m.run("podmanprobe", rules, "helpers")
	if !ok {
		return nil, false
	}
	return strings.Fields(out), true
}

// asks reports whether regshape is in that list.
func (m *machine) asks(rules string) bool {
	helpers, _ := m.podman(rules)
	return slices.Contains(helpers, "regshape")
}

// What regshape takes for podman's list of helpers is what podman's own code says, and what
// the installed podman, skopeo and buildah ask.
func TestPodmanRules(t *testing.T) {
	if len(podmanTrees) < 30 {
		t.Errorf("only %d trees", len(podmanTrees))
	}
	for _, tree := range podmanTrees {
		t.Run(tree.name, func(t *testing.T) {
			t.Parallel()
			m := tree.on(t)
			for rules, g := range rulesOf {
				want, ok := m.podman(rules)
				got, _, err := authfile.CredentialHelpers(m.where(), g)
				if !slices.Equal(got, want) || (err == nil) != ok {
					t.Errorf("%s: regshape says %q (%v), podman %q (%v)", rules, got, err, want, ok)
				}
			}
			for tool, g := range map[string]authfile.Generation{"podman": authfile.Podman4, "skopeo": authfile.Skopeo1, "buildah": authfile.Skopeo1} {
				if !tree.apart && (!tree.user || tool == "skopeo") {
					m.compareTool(tool, g)
				}
			}
		})
	}
}

// compareTool compares with whom an installed tool asks.
func (m *machine) compareTool(tool string, g authfile.Generation) {
	m.t.Helper()
	path, err := exec.LookPath(tool)
	m.must(err)
	if version := strings.Fields(first(m.run(path, "--version"))); len(version) < 3 || !older(tool, version[2]) {
		m.t.Logf("not compared with %s: it is %q", tool, version)
		return
	}
	_ = os.Remove(m.asked())
	var flags []string
	if tool == "podman" {
		flags = (&home{dir: m.home}).podmanFlags()
	}
	out, _ := m.run(path, append(flags, "login", "--get-login", "r.test")...) // it fails: nobody is logged in
	text, _ := os.ReadFile(m.asked())                                         // nobody asked: no file
	list, _, err := authfile.CredentialHelpers(m.where(), g)
	want := slices.DeleteFunc(slices.Clone(list), func(name string) bool { return name == authfile.AuthFileHelper || name == "regshape" })
	if got := strings.Fields(string(text)); !slices.Equal(got, want) {
		m.t.Errorf("%s asked %q, regshape says %q (%v)\n%s", tool, got, want, err, out)
	}
	if loggedOut := strings.Contains(out, "not logged in"); loggedOut != (err == nil) {
		m.t.Errorf("%s says %q, regshape %v", tool, out, err)
	}
}

func first(out string, _ bool) string { return out }

// older reports whether a version goes by the rules before podman 6.
func older(tool, version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return err == nil && (tool == "podman" && major < 6 || tool == "skopeo" && major == 1 && minor < 23 || tool == "buildah" && major == 1 && minor < 44)
}

// Setup makes podman of every generation ask regshape, or says which does not; doctor says
// the same of those that are installed; and --undo leaves everything as it was.
func TestPodmanSetup(t *testing.T) {
	for installed, versions := range map[string][3]string{"podman5 skopeo1": {"5.8.2", "1.22.2", "1.43.1"}, "podman6": {"6.0.0", "1.23.0", "1.44.0"}} {
		for _, tree := range podmanTrees {
			t.Run(tree.name+", with "+installed, func(t *testing.T) {
				t.Parallel()
				m := tree.on(t)
				for i, tool := range []string{"podman", "skopeo", "buildah"} {
					m.program(tool, "echo "+tool+" version "+versions[i])
				}
				m.setup(strings.Fields(installed))
			})
		}
	}
}

func (m *machine) setup(installed []string) {
	t := m.t
	before := m.snapshot()
	m.doctor(installed)
	asked := map[string]bool{}
	for rules := range rulesOf {
		asked[rules] = m.asks(rules)
	}

	deaf := strings.Fields(m.tree.deaf)
	isDeaf := func(rules string) bool { return slices.Contains(deaf, rules) }
	refused := !slices.ContainsFunc(installed, func(rules string) bool { return !isDeaf(rules) })
	out, ok := m.run("regshape", "auth", "setup", "--podman")
	if ok == refused {
		t.Fatalf("setup: %v, want %v\n%s", ok, !refused, out)
	}
	if refused && (!strings.Contains(out, "Error: ") || !maps.Equal(before, m.snapshot())) {
		t.Errorf("refused, with this, and files %q, before %q\n%s", m.snapshot(), before, out)
	}
	for rules, g := range rulesOf {
		switch asks := m.asks(rules); {
		case refused && asks != asked[rules]:
			t.Errorf("%s: it was refused, and they ask regshape: %v, before %v", rules, asks, asked[rules])
		case refused:
		case asks == isDeaf(rules):
			list, _ := m.podman(rules)
			t.Errorf("%s: they ask %q\n%s", rules, list, out)
		case strings.Contains(out, g.String()+" will not ask regshape: ") != isDeaf(rules):
			t.Errorf("%s: it is not said that they do not ask regshape, or it is\n%s", rules, out)
		}
	}
	m.doctor(installed)
	if refused {
		return
	}
	if out, _ = m.run("regshape", "auth", "setup", "--podman"); !strings.Contains(out, "set up already") {
		t.Errorf("a second time:\n%s", out)
	}
	if out, ok = m.run("regshape", "auth", "setup", "--undo"); !ok {
		t.Errorf("undo:\n%s", out)
	}
	if after := m.snapshot(); !maps.Equal(before, after) {
		t.Errorf("after --undo: got files\n%q\nwant\n%q", after, before)
	}
}

// doctor fails the test unless doctor says "ok" of podman where all that is installed asks
// regshape, and else that it does not.
func (m *machine) doctor(installed []string) {
	m.t.Helper()
	out, _ := m.run("regshape", "auth", "doctor", "--json")
	var findings []struct{ Check, Level, What, Fix string }
	if err := json.Unmarshal([]byte(out), &findings); err != nil {
		m.t.Fatalf("%v:\n%s", err, out)
	}
	problem := false
	var said []string
	for _, f := range findings {
		if f.Check == "podman" {
			said = append(said, f.Level+": "+f.What)
			problem = problem || f.Level == "problem"
		}
	}
	asks := !slices.ContainsFunc(installed, func(rules string) bool { return !m.asks(rules) })
	if problem == asks || asks != slices.Contains(said, "ok: podman, skopeo and buildah use regshape") {
		m.t.Errorf("they ask regshape: %v; doctor says %q", asks, said)
	}
}

// snapshot is all that setup could change of the home.
func (m *machine) snapshot() map[string]string {
	m.t.Helper()
	files := (&home{t: m.t, dir: m.home}).files()
	delete(files, "asked")
	return files
}
