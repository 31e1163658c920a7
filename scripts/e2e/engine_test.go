//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"regshape/scripts/testenv"
)

// engine is a dockerd of the tests' own, in their namespaces.
type engine struct {
	socket  string
	process *exec.Cmd
	log     string
}

// startEngine runs dockerd with all it owns below dir. It makes no bridge and no firewall
// rule; builds here run no container.
func startEngine(dir string) (*engine, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, err
	}
	e := &engine{socket: filepath.Join(dir, "docker.sock"), log: filepath.Join(dir, "log")}
	log, err := os.Create(e.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	e.process = testenv.Command(testenv.Environ(dir), "dockerd", "--host", "unix://"+e.socket,
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"),
		"--storage-driver=vfs", "--iptables=false", "--ip6tables=false", "--bridge=none")
	e.process.Stdout, e.process.Stderr = log, log
	if err := e.process.Start(); err != nil {
		return nil, fmt.Errorf("dockerd: %w", err)
	}
	ask := &http.Client{Timeout: time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", e.socket)
		},
	}}
	// A busy machine may take half a minute.
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		answer, err := ask.Get("http://docker/_ping")
		if err == nil {
			answer.Body.Close()
			return e, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("dockerd does not answer:\n%s", e.logTail()), e.stop())
}

// stop ends dockerd, which ends its containerd.
func (e *engine) stop() error {
	if err := e.process.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("dockerd had ended: %w", err)
	}
	kill := time.AfterFunc(20*time.Second, func() { _ = e.process.Process.Kill() })
	defer kill.Stop()
	if err := e.process.Wait(); err != nil {
		return fmt.Errorf("dockerd: %w", err)
	}
	return nil
}

func (e *engine) logTail() string {
	out, err := os.ReadFile(e.log)
	if err != nil {
		return err.Error()
	}
	const keep = 16 << 10
	return string(out[max(0, len(out)-keep):])
}

// docker runs the cell's own docker.
func docker(c *cell, args ...string) result { return dockerIn(c, "", args...) }

func dockerIn(c *cell, stdin string, args ...string) result {
	c.t.Helper()
	return c.runIn(stdin, c.client.uses[0], args...)
}

// dockerClients are a docker client alone, with an engine, and its two builders. The name
// of Debian's rows ends with suffix.
func dockerClients(program, suffix string) []*client {
	const engine = "dockerd"
	login := action{text: "`docker login`", run: func(c *cell) result {
		return dockerIn(c, c.r.password, append([]string{"login", "-u", c.r.user, "--password-stdin"}, dockerHost(c)...)...)
	}}
	logout := action{text: "`docker logout`", run: func(c *cell) result {
		return docker(c, append([]string{"logout"}, dockerHost(c)...)...)
	}}
	list := action{text: "docker has no such command; `docker-credential-regshape list` shows the login"}
	inspect := action{text: "`docker manifest inspect`", run: func(c *cell) result {
		return docker(c, dockerManifest(c, "inspect", c.place.dockerRef(c.t))...)
	}}
	push := action{text: "`docker push`", run: func(c *cell) result { return docker(c, "push", "--quiet", c.target()) }}
	build := func(buildkit string) action {
		return action{text: "`DOCKER_BUILDKIT=" + buildkit + " docker build --pull`", run: func(c *cell) result {
			c.setenv("DOCKER_BUILDKIT", buildkit)
			c.setenv("BUILDKIT_PROGRESS", "plain")
			return dockerIn(c, "FROM "+c.r.ref()+"\nLABEL cell="+c.client.name+"-"+c.by+"\n", "build", "--pull", "--tag", c.target(), "-")
		}}
	}
	none := action{text: "a build pulls what it starts from, and its result is pushed"}
	noEngine := "failed to connect to the docker API"
	if program == debianDocker {
		noEngine = "Cannot connect to the Docker daemon"
	}
	buildkit := &client{
		// BuildKit lets one session read what another that runs at the same time may read.
		name: "docker" + suffix + "-buildkit", uses: []string{program, engine}, alone: true, engine: true,
		login: login, logout: logout, list: list, inspect: none, pull: build("1"), push: push,
	}
	if program != debianDocker { // that has a builder of its own
		buildkit.uses = []string{program, "buildx", engine}
		buildkit.prepare = func(c *cell) { c.buildx() }
	}
	return []*client{
		{
			name: "docker" + suffix, uses: []string{program}, systemCA: true, inPlace: true,
			login: login, logout: logout, list: list, inspect: inspect,
			pull: action{text: "`docker pull` needs an engine", refusal: noEngine, run: func(c *cell) result {
				return docker(c, "pull", "--quiet", c.r.ref())
			}},
			push: action{text: "`docker manifest push`", run: func(c *cell) result {
				docker(c, dockerManifest(c, "create", c.target(), c.place.dockerRef(c.t))...).ok().quiet()
				return docker(c, dockerManifest(c, "push", c.target())...)
			}},
		},
		{
			name: "docker" + suffix + "-engine", uses: []string{program, engine}, engine: true,
			login: login, logout: logout, list: list, inspect: inspect,
			pull: action{text: "`docker pull`", run: func(c *cell) result { return docker(c, "pull", "--quiet", c.r.ref()) }},
			push: action{text: "`docker push`", run: func(c *cell) result {
				docker(c, "tag", c.r.ref(), c.target()).ok()
				return push.run(c)
			}},
		},
		{
			name: "docker" + suffix + "-build", uses: []string{program, engine}, engine: true,
			login: login, logout: logout, list: list, inspect: none, pull: build("0"), push: push,
		},
		buildkit,
	}
}

// dockerHost is the registry as docker's login and logout name it: Docker Hub has no name.
func dockerHost(c *cell) []string {
	if c.place.hub {
		return nil
	}
	return []string{c.r.host}
}

// dockerManifest is a command of docker's client that asks the registry itself. Its
// --insecure allows http.
func dockerManifest(c *cell, command string, args ...string) []string {
	line := []string{"manifest", command}
	if c.plainHTTP() {
		line = append(line, "--insecure")
	}
	return append(line, args...)
}
