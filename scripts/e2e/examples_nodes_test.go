//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"regshape/scripts/testenv"
)

// A robot account reaches three nodes and is replaced there, while each of them pulls.
func TestExampleNodes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: so does the kubelet")
	}
	if out, err := testenv.Command(testenv.Environ(t.TempDir()), "unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("no mounts can be made here: %v: %s", err, out)
	}
	r, err := startBasic(distribution2, "fleet", t.TempDir())
	t.Cleanup(r.stop)
	if err != nil {
		t.Fatal(err)
	}
	h := newHome(t)
	accounts := filepath.Join(filepath.Dir(r.log), "htpasswd")
	secrets, lines := map[string]string{}, map[string]string{}
	for _, robot := range []string{"robot-a", "robot-b"} {
		secrets[robot] = rand.Text()
		h.secrets = append(h.secrets, secrets[robot])
		lines[robot] = strings.TrimSpace(h.runIn(secrets[robot], "htpasswd", "-niBC", "5", robot).ok().stdout) + "\n"
		h.write(robot, secrets[robot])
	}
	valid := func(text string) {
		t.Helper()
		h.must(os.WriteFile(accounts, []byte(text), 0o600))
	}
	valid(lines["robot-a"])

	var nodes []*fleetNode
	for _, name := range []string{"one", "two", "three"} {
		n := newFleetNode(t, name, r.host)
		nodes = append(nodes, n)
		h.write("nodes.d/"+name, n.pid)
	}
	h.write("nodes", "one\ntwo\nthree\n")
	h.program("ssh", `#!/bin/sh
pid=$(cat "$HOME/nodes.d/${1#root@}")
shift
exec nsenter --target "$pid" --mount env -i HOME=/root PATH="$PATH" sh -c "$*"
`)
	here := strings.NewReplacer("/usr/local/libexec", "/root/libexec", "/etc/kubernetes", "/root/kubernetes", "sleep 300", "sleep 3")
	blocks := recipe(t, "Nodes", "bash")
	h.script(r, here.Replace(blocks[0])).ok("Login Succeeded", "the kubelet's program answers for "+r.host).quiet()
	for _, n := range nodes {
		n.readProvider()
		n.pulls()
	}
	time.Sleep(2 * time.Second)
	valid(lines["robot-a"] + lines["robot-b"])
	h.script(r, here.Replace(blocks[1])).ok("Login Succeeded").quiet()
	valid(lines["robot-b"])
	time.Sleep(4 * time.Second)
	for _, n := range nodes {
		n.stop()
		t.Logf("node %s: pulls by account: %v", n.name, n.pulled)
		if n.failed != "" || n.pulled["robot-a"] == 0 || n.pulled["robot-b"] == 0 {
			t.Errorf("node %s: %v, %s", n.name, n.pulled, n.failed)
		}
		look := n.command(nil, "grep", "-rlFf", "-", "/root")
		look.Stdin = strings.NewReader(secrets["robot-b"])
		if out, err := look.Output(); err == nil {
			t.Errorf("node %s has the secret in clear: %s", n.name, out)
		}
	}
	if _, err := pullImage(r.host, "robot-a", secrets["robot-a"]); err == nil {
		t.Error("robot-a can still pull")
	}
	for _, robot := range []string{"robot-a", "robot-b"} { // what the recipe's reader keeps elsewhere
		h.must(os.Remove(filepath.Join(h.dir, robot)))
	}
}

// fleetNode is a mount namespace with a home of its own, where the kubelet would run.
type fleetNode struct {
	t               *testing.T
	name, host, pid string
	program         string
	env             []string // of the program, as the kubelet's file has it

	ended  chan struct{}
	wait   sync.WaitGroup
	pulled map[string]int // by user name
	failed string         // the first failure
}

func newFleetNode(t *testing.T, name, host string) *fleetNode {
	t.Helper()
	hold := testenv.Command(testenv.Environ(t.TempDir()), "unshare", "--mount", "--propagation", "private",
		"sh", "-c", "mount -t tmpfs -o mode=700 none /root && echo ready && exec cat")
	stdin, err := hold.StdinPipe() // cat, and with it the namespace, ends when this closes
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := hold.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = hold.Wait()
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("no namespace: %v", err)
	}
	return &fleetNode{t: t, name: name, host: host, pid: strconv.Itoa(hold.Process.Pid), ended: make(chan struct{}), pulled: map[string]int{}}
}

// command runs there with nothing in the environment but PATH and env, as under systemd.
func (n *fleetNode) command(env []string, words ...string) *exec.Cmd {
	words = append([]string{"--target", n.pid, "--mount"}, words...)
	return testenv.Command(append([]string{"PATH=" + systemPath}, env...), "nsenter", words...)
}

// readProvider takes from the kubelet's file what it starts.
func (n *fleetNode) readProvider() {
	n.t.Helper()
	text, err := n.command(nil, "cat", "/root/kubernetes/credential-providers.json").Output()
	var file struct {
		Providers []struct {
			Name string
			Env  []struct{ Name, Value string }
		}
	}
	if err != nil || json.Unmarshal(text, &file) != nil || len(file.Providers) != 1 {
		n.t.Fatalf("the kubelet's file: %v: %s", err, text)
	}
	n.program = "/root/libexec/credential-provider/" + file.Providers[0].Name
	for _, v := range file.Providers[0].Env {
		n.env = append(n.env, v.Name+"="+v.Value)
	}
}

// pulls pulls again and again, as a kubelet whose five minutes are three seconds.
func (n *fleetNode) pulls() {
	n.wait.Go(func() {
		var user, secret string
		var until time.Time
		for ; ; time.Sleep(20 * time.Millisecond) {
			select {
			case <-n.ended:
				return
			default:
			}
			var err error
			if !time.Now().Before(until) {
				var keep time.Duration
				user, secret, keep, err = n.ask()
				until = time.Now().Add(keep / 100)
			}
			if err == nil {
				_, err = pullImage(n.host, user, secret)
			}
			switch {
			case err == nil:
				n.pulled[user]++
			case n.failed == "":
				n.failed = fmt.Sprintf("after %v: %v", n.pulled, err)
			}
		}
	})
}

func (n *fleetNode) stop() {
	close(n.ended)
	n.wait.Wait()
}

// ask plays one request of the kubelet.
func (n *fleetNode) ask() (user, secret string, keep time.Duration, err error) {
	command := n.command(n.env, n.program)
	command.Stdin = strings.NewReader(fmt.Sprintf(
		`{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest","image":"%s/%s:latest"}`, n.host, image))
	var problem bytes.Buffer
	command.Stderr = &problem
	out, err := command.Output()
	if err != nil {
		return "", "", 0, fmt.Errorf("the provider: %w: %s", err, problem.String())
	}
	var answer struct {
		CacheDuration string
		Auth          map[string]struct{ Username, Password string }
	}
	if err = json.Unmarshal(out, &answer); err == nil {
		keep, err = time.ParseDuration(answer.CacheDuration)
	}
	login := answer.Auth[n.host]
	return login.Username, login.Password, keep, err
}

// pullImage gets the image's manifest and what it lists, and returns the manifest.
func pullImage(host, user, secret string) (manifest string, err error) {
	get := func(path string) (string, error) {
		request, err := http.NewRequest(http.MethodGet, "http://"+host+"/v2/"+image+"/"+path, nil)
		if err != nil {
			return "", err
		}
		request.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json")
		request.SetBasicAuth(user, secret)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s as %q: %s", path, user, response.Status)
		}
		return string(body), err
	}
	type blob struct{ Digest string }
	var listed struct {
		Config blob
		Layers []blob
	}
	if manifest, err = get("manifests/latest"); err == nil {
		err = json.Unmarshal([]byte(manifest), &listed)
	}
	for _, b := range append(listed.Layers, listed.Config) {
		if err == nil {
			_, err = get("blobs/" + b.Digest)
		}
	}
	return manifest, err
}
