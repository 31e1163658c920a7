//go:build e2e

package e2e

import (
	"crypto/rand"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"regshape/scripts/testregistry"
)

// The recipes of README.md run as they stand there. Replaced are only the registry's name, what
// would need an engine, and folders of the system.

const exampleHost = "registry.example.com"

// recipe returns the blocks of a language in a section of the recipes in README.md.
func recipe(t *testing.T, section, language string) []string {
	t.Helper()
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "\n## Recipes\n")
	text, _, _ = strings.Cut(text, "\n## ")
	_, text, found := strings.Cut(text, "\n### "+section+"\n")
	text, _, _ = strings.Cut(text, "\n### ")
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, m[1])
	}
	if !found || len(blocks) == 0 {
		t.Fatalf("README.md has no %s in a recipe %q", language, section)
	}
	return blocks
}

// example is a registry for the users of the recipes, all with one password, and a home
// that knows it.
func example(t *testing.T) (*home, *registry) {
	t.Helper()
	r := &registry{name: "example", user: "alice", password: rand.Text()}
	own := testregistry.New(testregistry.Options{
		Auth:  testregistry.Basic,
		Users: map[string]string{"alice": r.password, "app": r.password, "ci": r.password},
	})
	if _, err := own.Seed(image, "latest"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(own)
	t.Cleanup(server.Close)
	r.host = server.Listener.Addr().String()
	h := newHome(t)
	h.secrets = append(h.secrets, r.password)
	h.allowHTTP(r.host)
	return h, r
}

// script runs shell code of a recipe with more variables.
func (h *home) script(r *registry, code string, env ...string) result {
	h.t.Helper()
	code = strings.NewReplacer(
		exampleHost, r.host,
		// There is no engine here; this asks the registry in the same way.
		"docker pull ", "docker manifest inspect --insecure ",
	).Replace(code)
	before := h.env
	h.env = append(slices.Clone(before), env...)
	got := h.run("bash", "-euo", "pipefail", "-c", code)
	h.env = before
	return got
}

// GitHub's runner starts a shell for each step; what a step writes into GITHUB_ENV are
// variables of those after it.
func TestExampleGitHub(t *testing.T) {
	h, r := example(t)
	temp := filepath.Join(h.dir, "tmp", "runner")
	h.must(os.MkdirAll(temp, 0o700))
	envFile := filepath.Join(temp, "env")
	h.must(os.WriteFile(envFile, nil, 0o600))
	before := h.files()
	last := result{}
	for _, step := range workflowSteps(t, recipe(t, "CI jobs", "yaml")[0]) {
		written, err := os.ReadFile(envFile)
		h.must(err)
		env := append(strings.Fields(string(written)), "RUNNER_TEMP="+temp, "GITHUB_ENV="+envFile)
		for name, value := range step.env {
			if !strings.HasPrefix(value, "${{ secrets.") {
				t.Fatalf("%s is no secret of the repository: %q", name, value)
			}
			env = append(env, name+"="+r.password)
		}
		last = h.script(r, step.run, env...).ok().quiet()
	}
	last.says("schemaVersion")
	h.jobLeavesNothing(before)
	if _, err := os.Stat(filepath.Join(temp, "regshape", "key")); err != nil {
		t.Errorf("the store is not in the job's folder: %v", err)
	}
	if last = h.run("docker", "manifest", "inspect", "--insecure", r.ref()); last.code == 0 {
		t.Error("docker still gets in after the job")
	}
}

// jobLeavesNothing fails the test when a job has changed the home or its store.
func (h *home) jobLeavesNothing(before map[string]string) {
	h.t.Helper()
	for name, content := range h.files() {
		if before[name] != content {
			h.t.Errorf("the job has changed %s", name)
		}
	}
	h.stores(map[string]string{})
}

type step struct {
	env map[string]string
	run string
}

// workflowSteps reads the steps of a workflow, in the subset of YAML that the recipe is
// written in: env with one variable a line, and run with its text there or below.
func workflowSteps(t *testing.T, yaml string) []step {
	t.Helper()
	var steps []step
	in := ""
	for _, line := range strings.Split(strings.TrimRight(yaml, "\n"), "\n") {
		if rest, is := strings.CutPrefix(line, "  - "); is {
			steps = append(steps, step{env: map[string]string{}})
			line = "    " + rest
		}
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case line == "steps:":
		case len(steps) == 0:
			t.Fatalf("no step begins before %q", line)
		case strings.HasPrefix(line, "      ") && in == "run":
			steps[len(steps)-1].run += strings.TrimSpace(line) + "\n"
		case strings.HasPrefix(line, "      ") && in == "env":
			steps[len(steps)-1].env[key] = value
		case key == "env:":
			in = "env"
		case key == "run":
			in = "run"
			if value != "|" {
				steps[len(steps)-1].run = value
			}
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return steps
}

// GitLab's runner has before_script and script in one shell, after_script in another.
func TestExampleGitLab(t *testing.T) {
	h, r := example(t)
	project := filepath.Join(h.dir, "tmp", "builds", "app")
	h.must(os.MkdirAll(project, 0o700))
	before := h.files()
	env := []string{"CI_PROJECT_DIR=" + project, "CI_REGISTRY=" + r.host, "CI_REGISTRY_USER=ci", "CI_REGISTRY_PASSWORD=" + r.password}
	parts := map[string]string{}
	part := ""
	for _, line := range strings.Split(recipe(t, "CI jobs", "yaml")[1], "\n") {
		if name, is := strings.CutSuffix(line, ":"); is {
			part = strings.TrimSpace(name)
		} else if command, is := strings.CutPrefix(line, "    - "); is {
			parts[part] += command + "\n"
		} else if name, value, is := strings.Cut(strings.TrimSpace(line), ": "); is && part == "variables" {
			env = append(env, name+"="+strings.ReplaceAll(value, "${CI_PROJECT_DIR}", project))
		} else if line != "" {
			t.Fatalf("unknown line %q", line)
		}
	}
	h.script(r, parts["before_script"]+parts["script"], env...).ok("Login Succeeded", "schemaVersion").quiet()
	if _, err := os.Stat(project + ".tmp/regshape/key"); err != nil {
		t.Errorf("the store is not in the job's folder: %v", err)
	}
	h.script(r, parts["after_script"], env...).ok().quiet()
	if left, err := filepath.Glob(project + ".tmp/*"); err != nil || len(left) > 0 {
		t.Errorf("left after the job: %v, %v", left, err)
	}
	h.jobLeavesNothing(before)
}

// Singularity and Apptainer are not in Debian. What stands in for them reads the file as
// they do, with docker's code for it and go-containerregistry's lookups: crane.
func TestExampleBatchJobs(t *testing.T) {
	h, r := example(t)
	h.program("singularity", `#!/bin/sh
set -eu
test "$1" = pull
DOCKER_CONFIG="$TMPDIR/as-docker"
export DOCKER_CONFIG
mkdir -p "$DOCKER_CONFIG"
ln -sf "$SINGULARITY_AUTHFILE" "$DOCKER_CONFIG/config.json"
exec '`+h.lookPath("crane")+`' manifest --insecure "${2#docker://}"
`)
	blocks := recipe(t, "Batch jobs with Singularity or Apptainer", "bash")
	h.write("registry-token", r.password)
	h.script(r, blocks[0]).ok("Login Succeeded", "schemaVersion").quiet()
	h.must(os.Remove(filepath.Join(h.dir, "registry-token")))
	h.stores(map[string]string{})

	h.runIn(r.password, "regshape", "--store", filepath.Join(h.dir, "batch"), "auth", "login", r.host, "-u", "alice", "--password-stdin").ok()
	h.script(r, blocks[1]).ok("schemaVersion").quiet()

	// The warning that the recipe speaks of.
	file := filepath.Join(h.dir, "authfile.json")
	h.env = append(h.env, "SINGULARITY_AUTHFILE="+file)
	h.login(r, r.password).ok("Warning", file, "SINGULARITY_AUTHFILE", "not encrypted").quiet()
	h.script(r, "singularity pull docker://"+exampleHost+"/team/app").ok("schemaVersion").quiet()
	h.must(os.Remove(file))
}

// program writes a script onto the PATH of this home.
func (h *home) program(name, text string) {
	h.t.Helper()
	bin := filepath.Join(h.dir, "bin")
	if _, err := os.Stat(bin); err != nil {
		h.must(os.Mkdir(bin, 0o700))
		h.prependPath(bin)
	}
	h.must(os.WriteFile(filepath.Join(bin, name), []byte(text), 0o700))
}
