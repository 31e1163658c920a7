//go:build e2e

package e2e

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/login/lookup"
	"regshape/scripts/page"
	"regshape/scripts/testenv"
)

// kubelets are the programs with the kubelet's code.
var kubelets = []string{"kubeprobe", "kubeprobe34"}

// pull is an image of a pod, and what the kubelet pulls it with.
type pull struct {
	image   string
	by      string // the user of the login, "" for none
	started bool   // the plugin, and not only the kubelet's cache was asked
	logged  string // by the kubelet
	what    string // that first does
	first   func(n *node)
}

// nodes have logins, whose users are named like their registries.
var nodes = []struct {
	logins  []string
	with    string        // what else is to be said of them
	more    func(n *node) // does it, after setup
	profile string
	pulls   []pull
}{
	{
		logins: []string{"r.test", "r.test:5000", "r.test/team"},
		pulls: []pull{
			{image: "r.test/app", by: "r.test", started: true},
			{image: "r.test/app:1.0", by: "r.test"}, // the kubelet asks without tag and digest
			{image: "r.test/app@" + someDigest, by: "r.test"},
			{image: "r.test/app:1.0@" + someDigest, by: "r.test"},
			{image: "r.test:5000/app:1.0", by: "r.test:5000", started: true},
			{image: "r.test:5000/team/app", by: "r.test:5000", started: true},
			{image: "r.test:5001/app"},
			{image: "r.test/team/app", by: "r.test/team", started: true},
			{image: "r.test/team/deep/app", by: "r.test/team", started: true},
			{image: "r.test/teams/app", by: "r.test", started: true},
			{image: "other.test/app", started: true},
		},
	},
	{
		logins: []string{"r.test/ns"},
		pulls: []pull{
			{image: "r.test/ns/app", by: "r.test/ns", started: true},
			{image: "r.test/ns", by: "r.test/ns", started: true},
			{image: "r.test/nsx/app", started: true},
			{image: "r.test/nsx", started: true},
			{image: "r.test/app", started: true},
		},
	},
	{
		logins: []string{"docker.io", "docker.io/team"},
		pulls: []pull{
			{image: "nginx", by: "docker.io", started: true},
			{image: "nginx:1.29", by: "docker.io"},
			{image: "library/nginx", by: "docker.io"},
			{image: "docker.io/nginx", by: "docker.io"},
			{image: "index.docker.io/library/nginx@" + someDigest, by: "docker.io"},
			{image: "registry-1.docker.io/library/nginx", by: "docker.io", started: true},
			{image: "registry.hub.docker.com/library/nginx", by: "docker.io", started: true},
			{image: "team/app", by: "docker.io/team", started: true},
			{image: "index.docker.io/team/app", by: "docker.io/team"},
			{image: "teams/app", by: "docker.io", started: true},
		},
	},
	{
		logins: []string{"https://index.docker.io/v1/"},
		pulls:  []pull{{image: "nginx", by: "https://index.docker.io/v1/", started: true}},
	},
	{
		with: "`*.dkr.*.r.test`, by a program",
		more: func(n *node) { n.maker("*.dkr.*.r.test", 3600) },
		pulls: []pull{
			{image: "1.dkr.eu.r.test/team/app", by: "made", started: true},
			{image: "1.dkr.eu.r.test/team/app", by: "made"},
			{image: "1.other.eu.r.test/app", started: true},
		},
	},
	{
		with: "`r.test`, by a program whose secrets live for 2 s",
		more: func(n *node) { n.maker("r.test", 2) },
		pulls: []pull{
			{image: "r.test/app", by: "made", started: true},
			{image: "r.test/app", by: "made", started: true, what: "3 s later", first: func(*node) { time.Sleep(3 * time.Second) }},
			{image: "r.test/app", started: true, what: "the program is no longer trusted", logged: "was not started: this store names it, and you have not trusted it", first: func(n *node) {
				n.run("regshape", "auth", "trust", "--revoke").ok()
				time.Sleep(3 * time.Second)
			}},
		},
	},
	{
		logins: []string{"r.test"}, with: "2 minutes left",
		more:  func(n *node) { n.keep("r.test", "--for", "2m") },
		pulls: []pull{{image: "r.test/app", by: "r.test", started: true}, {image: "r.test/app", by: "r.test"}},
	},
	{
		logins: []string{"r.test"}, with: "75 s left",
		more: func(n *node) { n.keep("r.test", "--for", "75s") },
		pulls: []pull{
			{image: "r.test/app", by: "r.test", started: true},
			{image: "r.test/app", by: "r.test"},
			{image: "r.test/app", by: "r.test", started: true, what: "16 s later", first: func(*node) { time.Sleep(16 * time.Second) }},
			{image: "r.test/app", by: "r.test", started: true},
		},
	},
	{
		logins: []string{"r.test"},
		pulls: []pull{
			{image: "r.test/app", by: "r.test", started: true},
			{image: "r.test/app", by: "r.test", what: "after a logout: for 5 minutes at most", first: func(n *node) {
				n.run("regshape", "auth", "logout", "r.test").ok()
			}},
			{image: "r.test/other", started: true},
		},
	},
	{
		with: "none",
		pulls: []pull{
			{image: "r.test/app", started: true},
			{image: "r.test/app", by: "r.test", started: true, what: "after a login", first: func(n *node) { n.keep("r.test") }},
		},
	},
	{
		with: "`r.test`, of the profile work", profile: "work",
		more:  func(n *node) { n.keep("r.test", "--profile", "work") },
		pulls: []pull{{image: "r.test/app", by: "r.test", started: true}},
	},
	{
		with:  "`r.test`, an identity token",
		more:  func(n *node) { n.keep("r.test", "--identity-token") },
		pulls: []pull{{image: "r.test/app", started: true}},
	},
	{
		logins: []string{"r.test"}, with: "locked",
		more: func(n *node) {
			n.write("identity", "AGE-SECRET-KEY-1P36PTHD5TAQJV98DKTS9SY3ZXFGSTHEHS79U7ZFJ27JFMW2X5V2QXVT6Y8\n")
			n.run("regshape", "auth", "key", "protect", "--recipient", "age1s9je9ep7y40kdu03jzwmcvcjh5u0rrcct0x0exs43897asdnh50seuevhc", "--identity", "identity").ok()
			n.run("regshape", "auth", "lock").ok()
		},
		pulls: []pull{
			{image: "r.test/app", started: true, logged: "exit status 1: r.test: store is locked: run 'regshape auth unlock'"},
			{image: "public.test/app", started: true},
		},
	},
	{
		logins: []string{"r.test"}, with: "damaged",
		more: func(n *node) {
			entries, err := filepath.Glob(filepath.Join(n.dir, ".local/share/regshape/v1/g-*/*"))
			n.must(err)
			for _, entry := range entries {
				n.must(os.WriteFile(entry, []byte("damage"), 0o600))
			}
		},
		pulls: []pull{
			{image: "r.test/app", started: true, logged: "exit status 1: r.test: the entry is damaged"},
			{image: "public.test/app", started: true},
		},
	},
}

const someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// node is a machine with a kubelet that is configured for the plugin.
type node struct {
	*home
	secret string // of all logins but those of a program
	stdin  io.Writer
	stdout *bufio.Reader
}

// What the kubelet pulls with, by its own code and the real program.
func TestKubelet(t *testing.T) {
	for _, program := range kubelets {
		if _, err := os.Stat(filepath.Join(clientsDir, program)); err != nil {
			why := "the kubelet's code is not built: make e2e builds it, in minutes"
			fmt.Printf("e2e: %s: skipped: %s\n", t.Name(), why) // also without -v
			t.Skip(why)
		}
	}
	t.Run("nodes", func(t *testing.T) {
		for i := range nodes {
			for j, program := range kubelets {
				t.Run(fmt.Sprintf("%d/%s", i, program), func(t *testing.T) {
					t.Parallel()
					// Each version of the protocol is spoken by some.
					newNode(t, i, program, []string{"v1", "v1beta1", "v1alpha1"}[(i+j)%3]).pulls(i)
				})
			}
		}
	})
	if !t.Failed() {
		publishNodes(t)
	}
}

func newNode(t *testing.T, i int, program, version string) *node {
	t.Helper()
	n := &node{home: newHome(t), secret: rand.Text()}
	n.secrets = append(n.secrets, n.secret)
	for _, registry := range nodes[i].logins {
		n.storeRaw(registry, registry, n.secret)
	}
	plugins, config, plugin := filepath.Join(n.dir, "plugins"), filepath.Join(n.dir, "kubelet.json"), lookup.ProviderProgram
	setup := []string{"auth", "setup", "--kubelet", "--bin-dir", plugins, "--config", config}
	if profile := nodes[i].profile; profile != "" {
		plugin += "-" + profile
		setup = append(setup, "--profile", profile)
	}
	n.run("regshape", setup...).ok()
	text, err := os.ReadFile(config)
	n.must(err)
	n.write("kubelet.json", strings.ReplaceAll(string(text), "kubelet.k8s.io/v1\"", "kubelet.k8s.io/"+version+"\""))
	// What the kubelet starts counts first.
	n.must(os.Mkdir(filepath.Join(n.dir, "real"), 0o700))
	n.must(os.Rename(filepath.Join(plugins, plugin), filepath.Join(n.dir, "real", plugin)))
	n.write("plugins/"+plugin, "#!/bin/sh\necho >>'"+n.dir+"/starts'\nexec '"+n.dir+"/real/"+plugin+"'\n")
	n.must(os.Chmod(filepath.Join(plugins, plugin), 0o700))
	if nodes[i].more != nil {
		nodes[i].more(n)
	}
	// A service has no home and no session.
	probe := testenv.Command([]string{"PATH=" + systemPath}, filepath.Join(clientsDir, program), config, plugins)
	stdin, err := probe.StdinPipe()
	n.must(err)
	stdout, err := probe.StdoutPipe()
	n.must(err)
	log, err := os.OpenFile(n.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	n.must(err)
	probe.Stderr = log
	n.must(probe.Start())
	n.stdin, n.stdout = stdin, bufio.NewReader(stdout)
	t.Cleanup(func() {
		stdin.Close()
		defer log.Close()
		if err := probe.Wait(); err != nil {
			t.Errorf("%s: %v", program, err)
		}
	})
	return n
}

// keep logs in with the secret of all.
func (n *node) keep(registry string, flags ...string) {
	args := append([]string{"auth", "login", registry, "--password-stdin", "--skip-verify"}, flags...)
	if flags == nil || flags[0] != "--identity-token" {
		args = append(args, "-u", registry)
	}
	n.runIn(n.secret, "regshape", args...).ok().quiet()
}

// maker makes a login by a program, whose secrets live for so many seconds.
func (n *node) maker(registry string, life int) {
	n.program("maker", fmt.Sprintf(`#!/bin/sh
echo "secret-$(date +%%s%%N)" >"$HOME/made"
printf '{"Username":"made","Secret":"%%s","ExpiresAt":"%%s"}\n' "$(cat "$HOME/made")" "$(date -u -d "%d seconds" +%%FT%%TZ)"
`, life))
	n.run("regshape", "auth", "login", registry, "--skip-verify", "--command", filepath.Join(n.dir, "bin", "maker")).ok()
}

// log is the kubelet's.
func (n *node) log() string { return filepath.Join(n.dir, "kubelet.log") }

func (n *node) starts() int {
	data, _ := os.ReadFile(filepath.Join(n.dir, "starts")) // none yet: no file
	return len(data)
}

// pulls checks each pull of a node.
func (n *node) pulls(i int) {
	for _, p := range nodes[i].pulls {
		if p.first != nil {
			p.first(n)
		}
		before := n.starts()
		n.must(os.Truncate(n.log(), 0))
		_, err := fmt.Fprintln(n.stdin, p.image)
		n.must(err)
		line, readErr := n.stdout.ReadString('\n')
		log, err := os.ReadFile(n.log())
		n.must(err)
		if readErr != nil {
			n.t.Fatalf("%s: %v: %s", p.image, readErr, log)
		}
		var got []struct{ Username, Password string }
		n.must(json.Unmarshal([]byte(line), &got))
		by, secret := "", n.secret
		if len(got) == 1 {
			by = got[0].Username
		}
		if by == "made" {
			data, err := os.ReadFile(filepath.Join(n.dir, "made"))
			n.must(err)
			secret = strings.TrimSpace(string(data))
		}
		if len(got) > 1 || by != p.by || by != "" && got[0].Password != secret {
			n.t.Errorf("%s: %d logins, of %q, want that of %q: %s", p.image, len(got), by, p.by, log)
		}
		if started := n.starts() > before; started != p.started {
			n.t.Errorf("%s: the plugin was started: %t, want %t", p.image, started, p.started)
		}
		if p.logged == "" && len(log) > 0 || !strings.Contains(string(log), p.logged) {
			n.t.Errorf("%s: the kubelet logs %q, want %q", p.image, log, p.logged)
		}
	}
}

// publishNodes compares the table with the one in README.md, or puts it there.
func publishNodes(t *testing.T) {
	var out strings.Builder
	fmt.Fprintf(&out, "| logins of the node | image of the pod | pulled with the login of | plugin started | the kubelet logs |\n|%s\n", strings.Repeat(" --- |", 5))
	for _, node := range nodes {
		var logins []string
		for _, registry := range node.logins {
			logins = append(logins, "`"+registry+"`")
		}
		said := strings.Trim(strings.Join(append(logins, node.with), ", "), ", ")
		for _, p := range node.pulls {
			image := "`" + strings.ReplaceAll(p.image, someDigest, "sha256:…") + "`"
			if p.what != "" {
				image += ", " + p.what
			}
			by, started := "none", "no"
			if p.by != "" {
				by = "`" + p.by + "`"
			}
			if p.started {
				started = "yes"
			}
			fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", said, image, by, started, p.logged)
			said = ""
		}
	}
	var versions []string
	for _, program := range kubelets {
		versions = append(versions, versionOf(t, program))
	}
	fmt.Fprintf(&out, "\nThe code is that of the kubelet %s.\n", strings.Join(versions, " and "))
	put := page.Check
	if page.Writing() {
		put = page.Write
	}
	if err := put("README.md", "kubelet", out.String()); err != nil {
		t.Errorf("%v (REGSHAPE_WRITE=1 writes it):\n%s", err, out.String())
	}
}
