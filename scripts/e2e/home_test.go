//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
)

// commandTime is what one command may take. The slowest, podman's first pull,
// takes about a second; a helper that waits for ever is what this is to catch.
const commandTime = time.Minute

// registriesConf is where podman and skopeo look first. CONTAINERS_REGISTRIES_CONF
// would be podman's alone.
const registriesConf = ".config/containers/registries.conf"

// helperLine is what makes podman and skopeo use the helper.
const helperLine = "credential-helpers = [\"regshape\"]\n"

// home is a user's clean HOME, with docker, podman and skopeo set up to use
// regshape and to reach the three registries.
type home struct {
	t       *testing.T
	dir     string
	env     []string
	secrets []string // what no file and no output may hold
	ssh     string   // commands run there, as ssh's configuration has it
}

func newHome(t *testing.T) *home {
	t.Helper()
	// Not t.TempDir: podman refuses a run folder whose path is over 50 characters.
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the home: %v", err)
		}
	})
	h := &home{t: t, dir: dir}
	in := func(names ...string) string { return filepath.Join(append([]string{h.dir}, names...)...) }
	h.env = []string{
		"PATH=" + binDir + ":" + clientsDir + ":" + systemPath,
		"HOME=" + h.dir,
		"LANG=C.UTF-8",
		"TMPDIR=" + in("tmp"),
		"XDG_CONFIG_HOME=" + in(".config"),
		"XDG_DATA_HOME=" + in(".local", "share"),
		"XDG_STATE_HOME=" + in(".local", "state"),
		"XDG_CACHE_HOME=" + in(".cache"),
		"XDG_RUNTIME_DIR=" + in("run"),
		// DOCKER_CONFIG is not set: podman 4.3 and skopeo 1.9 would then log in to that
		// file and leave their own auth.json alone.
		// No engine, on purpose: a machine that has one must not change the results.
		"DOCKER_HOST=unix://" + in("run", "no-engine.sock"),
	}
	for _, dir := range []string{in("tmp"), in("run")} {
		h.must(os.MkdirAll(dir, 0o700))
	}
	h.write(".docker/config.json", `{"credsStore":"regshape"}`)
	h.write(".config/containers/policy.json", `{"default":[{"type":"insecureAcceptAnything"}]}`)
	h.write(registriesConf, helperLine)
	for _, r := range registries {
		h.secrets = append(h.secrets, r.password, r.core)
		if r.caPEM == nil {
			h.allowHTTP(r.host)
		} else {
			h.write(".config/containers/certs.d/"+r.host+"/ca.crt", string(r.caPEM))
		}
	}
	t.Cleanup(h.checkLeaks)
	return h
}

func (h *home) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) write(name, content string) {
	h.t.Helper()
	file := filepath.Join(h.dir, filepath.FromSlash(name))
	h.must(os.MkdirAll(filepath.Dir(file), 0o700))
	h.must(os.WriteFile(file, []byte(content), 0o600))
}

// allowHTTP lets podman and skopeo talk plain http to a registry.
func (h *home) allowHTTP(host string) {
	h.t.Helper()
	conf, err := os.ReadFile(filepath.Join(h.dir, registriesConf))
	h.must(err)
	h.write(registriesConf, string(conf)+fmt.Sprintf("[[registry]]\nlocation = %q\ninsecure = true\n", host))
}

// run runs a command with nothing on stdin; runIn gives it input.
func (h *home) run(name string, args ...string) result {
	h.t.Helper()
	return h.runIn("", name, args...)
}

func (h *home) runIn(stdin, name string, args ...string) result {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	command := testenv.CommandContext(ctx, h.env, h.lookPath(name), args...)
	if h.ssh != "" {
		command = testenv.CommandContext(ctx, h.env, "ssh", "-T", h.ssh, quoted(append([]string{name}, args...)))
	}
	command.Dir = h.dir
	command.Stdin = strings.NewReader(stdin)
	command.WaitDelay = time.Second // a child that keeps the pipes open must not hold the test
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	got := result{h: h, line: name + " " + strings.Join(args, " "), stdout: stdout.String(), stderr: stderr.String()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		h.t.Fatalf("%s: no end after %s", got.line, commandTime)
	case errors.As(err, &exit):
		got.code = exit.ExitCode()
	case err != nil:
		h.t.Fatalf("%s: %v", got.line, err)
	}
	return got
}

// lookPath finds a program of ours, one that install.sh has built, or one of Debian's.
func (h *home) lookPath(name string) string {
	h.t.Helper()
	if own := filepath.Join(binDir, name); strings.Contains(name, "regshape") {
		return own
	}
	if path, err := exec.LookPath(filepath.Join(clientsDir, name)); err == nil {
		return path
	}
	path, err := exec.LookPath(name)
	h.must(err)
	return path
}

// storeRaw stores a credential as docker does, without asking any registry.
func (h *home) storeRaw(address, user, secret string) {
	h.t.Helper()
	h.secrets = append(h.secrets, secret)
	input, err := json.Marshal(map[string]string{"ServerURL": address, "Username": user, "Secret": secret})
	h.must(err)
	h.runIn(string(input), "docker-credential-regshape", "store").ok().quiet()
}

// stored asks the helper for everything it has, address -> user name.
func (h *home) stored() map[string]string {
	h.t.Helper()
	list := h.run("docker-credential-regshape", "list").ok().quiet()
	got := map[string]string{}
	if err := json.Unmarshal([]byte(list.stdout), &got); err != nil {
		h.t.Fatalf("not what docker reads (%v):\n%s", err, list)
	}
	return got
}

// secretOf asks the helper for one address; what it answers is watched for leaks
// from here on.
func (h *home) secretOf(address string) (user, secret string) {
	h.t.Helper()
	get := h.runIn(address, "docker-credential-regshape", "get")
	var answer struct{ ServerURL, Username, Secret string }
	if get.code != 0 || json.Unmarshal([]byte(get.stdout), &answer) != nil || answer.ServerURL != address {
		h.t.Fatalf("get of %s:\n%s", address, get)
	}
	h.secrets = append(h.secrets, answer.Secret)
	return answer.Username, answer.Secret
}

// notFound fails the test unless the helper says, word for word, that it has
// nothing for the address (clients compare the text).
func (h *home) notFound(address string) {
	h.t.Helper()
	get := h.runIn(address, "docker-credential-regshape", "get")
	if get.code != 1 || strings.TrimSpace(get.stdout) != "credentials not found in native keychain" || get.stderr != "" {
		h.t.Fatalf("want the not-found text alone on stdout and exit 1:\n%s", get)
	}
}

// checkLeaks reads every file below the home, the tools' own too. Every test
// ends with it.
func (h *home) checkLeaks() {
	h.t.Helper()
	files, found, err := canary.Tree(h.dir, h.secrets...)
	if err != nil {
		h.t.Errorf("look for leaks: %v", err)
	}
	if files == 0 {
		h.t.Error("look for leaks: no file at all, which cannot be")
	}
	for _, leak := range found {
		h.t.Errorf("a file holds a secret: %s", leak)
	}
}

// result is what a command did.
type result struct {
	h              *home
	line           string
	code           int
	stdout, stderr string
}

// String is the command and its output for a failing test's log, without secrets.
func (r result) String() string {
	text := fmt.Sprintf("$ %s\nexit %d", r.line, r.code)
	for name, out := range map[string]string{"stdout": r.stdout, "stderr": r.stderr} {
		if out != "" {
			text += "\n" + name + ": " + strings.TrimSpace(out)
		}
	}
	return canary.Redact(text, r.h.secrets...)
}

// ok fails the test unless the command succeeded and, with texts, printed them.
func (r result) ok(texts ...string) result {
	r.h.t.Helper()
	if r.code != 0 {
		r.h.t.Fatalf("failed, though it should work:\n%s", r)
	}
	return r.says(texts...)
}

// refused fails the test unless the command failed.
func (r result) refused(texts ...string) result {
	r.h.t.Helper()
	if r.code == 0 {
		r.h.t.Fatalf("worked, though it should be refused:\n%s", r)
	}
	return r.says(texts...)
}

func (r result) says(texts ...string) result {
	r.h.t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			r.h.t.Fatalf("%q is not in the output:\n%s", text, r)
		}
	}
	return r
}

// quiet fails the test when the output holds a secret.
func (r result) quiet() result {
	r.h.t.Helper()
	if found := canary.Find([]byte(r.stdout+r.stderr), r.h.secrets...); found != "" {
		r.h.t.Fatalf("the output holds a secret (%s):\n%s", found, r)
	}
	return r
}
