package authfile

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// variables is an environment for Env.
func variables(kv ...string) func(string) string {
	return func(name string) string {
		for _, v := range kv {
			if n, value, _ := strings.Cut(v, "="); n == name {
				return value
			}
		}
		return ""
	}
}

func TestPlaces(t *testing.T) {
	all := func(e Env) map[string][]string {
		file, variable := AuthfileVariable(e)
		return map[string][]string{
			"docker":      {DockerConfig(e)},
			"auth":        ContainersAuth(e),
			"write":       {ContainersAuthWrite(e)},
			"dockercfg":   {Dockercfg(e)},
			"singularity": Singularity(e),
			"microagent":  {Microagent(e)},
			"helm":        {HelmConfig(e)},
			"dropin":      {RegistriesDropIn(e, Podman4, "")},
			"dropin6":     {RegistriesDropIn(e, Podman6, "")},
			"variable":    {file, variable},
		}
	}
	home := func(goos string, env ...string) Env {
		return Env{Getenv: variables(env...), Home: "/home/ann", GOOS: goos, UID: 1000}
	}
	for _, c := range []struct {
		name string
		env  Env
		want map[string][]string // only what is named is compared
	}{
		{"linux, nothing set", home("linux"), map[string][]string{
			"docker":      {"/home/ann/.docker/config.json"},
			"auth":        {"/run/containers/1000/auth.json", "/home/ann/.config/containers/auth.json"},
			"write":       {"/run/containers/1000/auth.json"},
			"dockercfg":   {"/home/ann/.dockercfg"},
			"singularity": {"/home/ann/.singularity/docker-config.json", "/home/ann/.apptainer/docker-config.json"},
			"microagent":  {"/home/ann/.microagent/auth.json"},
			"helm":        {"/home/ann/.config/helm/registry/config.json"},
			"dropin":      {"/home/ann/.config/containers/registries.conf.d/50-regshape.conf"},
			"variable":    {"", ""},
		}},
		{"linux, all set", home("linux", "XDG_RUNTIME_DIR=/run/user/1000", "XDG_CONFIG_HOME=/cfg", "DOCKER_CONFIG=/dc", "REGISTRY_AUTH_FILE=/a.json", "SINGULARITY_AUTHFILE=/s.json"), map[string][]string{
			"docker":   {"/dc/config.json"},
			"auth":     {"/run/user/1000/containers/auth.json", "/cfg/containers/auth.json"},
			"write":    {"/run/user/1000/containers/auth.json"},
			"dropin":   {"/home/ann/.config/containers/registries.conf.d/50-regshape.conf"}, // not below XDG_CONFIG_HOME: podman 4 does not look there
			"dropin6":  {"/cfg/containers/registries.conf.d/50-regshape.conf"},
			"helm":     {"/cfg/helm/registry/config.json"},
			"variable": {"/a.json", "REGISTRY_AUTH_FILE"},
		}},
		{"singularity's variable", home("linux", "SINGULARITY_AUTHFILE=/s.json"), map[string][]string{
			"variable": {"/s.json", "SINGULARITY_AUTHFILE"},
		}},
		{"helm's variables", home("linux", "HELM_REGISTRY_CONFIG=/h.json", "HELM_CONFIG_HOME=/hc"), map[string][]string{"helm": {"/h.json"}}},
		{"helm's directory", home("darwin", "HELM_CONFIG_HOME=/hc", "XDG_CONFIG_HOME=/cfg"), map[string][]string{"helm": {"/hc/registry/config.json"}}},
		{"darwin", home("darwin", "XDG_RUNTIME_DIR=/tmp/run"), map[string][]string{
			"helm":  {"/home/ann/Library/Preferences/helm/registry/config.json"},
			"auth":  {"/home/ann/.config/containers/auth.json"},
			"write": {"/home/ann/.config/containers/auth.json"},
		}},
		{"darwin with XDG_CONFIG_HOME", home("darwin", "XDG_CONFIG_HOME=/cfg"), map[string][]string{
			"auth":  {"/home/ann/.config/containers/auth.json", "/cfg/containers/auth.json"},
			"write": {"/home/ann/.config/containers/auth.json"},
		}},
		{"windows", home("windows", "XDG_RUNTIME_DIR=/tmp/run"), map[string][]string{
			"docker": {"/home/ann/.docker/config.json"},
			"auth":   {"/home/ann/.config/containers/auth.json"},
			"dropin": {"/home/ann/.config/containers/registries.conf.d/50-regshape.conf"},
		}},
		{"podman 6 and helm on windows", home("windows", `APPDATA=/home/ann/AppData`), map[string][]string{
			"helm":    {"/home/ann/AppData/helm/registry/config.json"},
			"dropin6": {"/home/ann/AppData/containers/registries.conf.d/50-regshape.conf"},
		}},
		{"no home on linux", Env{GOOS: "linux", UID: 7}, map[string][]string{
			"docker": {""}, "auth": {"/run/containers/7/auth.json"}, "dockercfg": {""},
			"singularity": nil, "microagent": {""}, "helm": {""}, "dropin": {""},
		}},
		{"no home on darwin", Env{GOOS: "darwin"}, map[string][]string{"auth": nil, "write": {""}}},
	} {
		got := all(c.env)
		for what, want := range c.want {
			for i := range want {
				want[i] = filepath.FromSlash(want[i])
			}
			for i := range got[what] { // a variable's value is as it was set
				got[what][i] = filepath.FromSlash(got[what][i])
			}
			if !reflect.DeepEqual(got[what], want) {
				t.Errorf("%s: %s is %q, want %q", c.name, what, got[what], want)
			}
		}
	}
}

func TestDockerConfigFlag(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "odd-name")
	put(t, file, "{}")
	for flag, want := range map[string]string{
		dir:                            filepath.Join(dir, "config.json"),
		file:                           file,
		filepath.Join(dir, "new"):      filepath.Join(dir, "new", "config.json"),
		filepath.Join(dir, "new.json"): filepath.Join(dir, "new.json"),
		filepath.Join(dir, "n.json", "") + string(filepath.Separator): filepath.Join(dir, "n.json", "config.json"),
	} {
		// The flag beats the variable.
		if got := DockerConfig(Env{DockerConfig: flag, Getenv: variables("DOCKER_CONFIG=/dc"), Home: "/h"}); got != want {
			t.Errorf("--docker-config %s is %q, want %q", flag, got, want)
		}
	}
}
