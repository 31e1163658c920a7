package authfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Env is what the place of a file depends on. Nothing else of the process is asked.
type Env struct {
	// Getenv answers for an environment variable, "" when it is not set; nil is an empty environment.
	Getenv func(string) string
	// Home is the home directory of the user. When it is "", no place below it exists:
	// a relative path would be a file of whoever owns the present directory.
	Home string
	// GOOS is the operating system in Go's spelling; it decides which directories are asked.
	GOOS string
	// UID is the numeric user, for /run/containers/UID.
	UID int
	// DockerConfig is the value of --docker-config: config.json itself or its directory; "" is not given.
	DockerConfig string

	root string // stands before the system's directories, in tests
}

func (e Env) get(name string) string {
	if e.Getenv == nil {
		return ""
	}
	return e.Getenv(name)
}

// home joins a path below the home directory; "" without one.
func (e Env) home(elem ...string) string {
	if e.Home == "" {
		return ""
	}
	return filepath.Join(append([]string{e.Home}, elem...)...)
}

// existing drops the places that there are not, and repetitions.
func existing(paths ...string) []string {
	var out []string
	for _, p := range paths {
		if p != "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// DockerConfig is the path of docker's config.json: the flag (a file or a directory),
// else $DOCKER_CONFIG/config.json, else ~/.docker/config.json; "" without any of them.
// A path of the flag that does not exist is a file if it ends in ".json".
// Source: docker/cli, cli/config (--config and DOCKER_CONFIG name a directory).
func DockerConfig(e Env) string {
	const name = "config.json"
	if p := e.DockerConfig; p != "" {
		if fi, err := os.Stat(p); err == nil {
			if fi.IsDir() {
				return filepath.Join(p, name)
			}
			return p
		}
		if strings.EqualFold(filepath.Ext(p), ".json") && !os.IsPathSeparator(p[len(p)-1]) {
			return p
		}
		return filepath.Join(p, name)
	}
	if dir := e.get("DOCKER_CONFIG"); dir != "" {
		return filepath.Join(dir, name)
	}
	return e.home(".docker", name)
}

// ContainersAuth lists the auth.json files in the order podman, skopeo and buildah read
// them. On Linux $XDG_RUNTIME_DIR/containers/auth.json, or /run/containers/UID/auth.json,
// comes first, elsewhere ~/.config/containers/auth.json; then $XDG_CONFIG_HOME (or
// ~/.config) on every system. Docker's files, which they read next, are not in the list.
// Source: containers/image pkg/docker/config, containers-auth.json(5).
func ContainersAuth(e Env) []string {
	later := e.home(".config", "containers", "auth.json")
	if dir := e.get("XDG_CONFIG_HOME"); dir != "" {
		later = filepath.Join(dir, "containers", "auth.json")
	}
	first := ContainersAuthWrite(e)
	// Where root has run podman, /run/containers is root's alone. Nobody else has a file in a
	// directory that they cannot enter; one that a variable names is another matter.
	if _, err := os.Lstat(first); errors.Is(err, fs.ErrPermission) && e.GOOS == "linux" && e.get("XDG_RUNTIME_DIR") == "" {
		first = ""
	}
	return existing(first, later)
}

// ContainersAuthWrite is the auth.json that `podman login` writes: the first one of
// ContainersAuth; "" when there is none. On Linux it often lies on a tmpfs and is gone
// after a reboot. Source: as ContainersAuth.
func ContainersAuthWrite(e Env) string {
	if e.GOOS != "linux" {
		return e.home(".config", "containers", "auth.json")
	}
	if dir := e.get("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "containers", "auth.json")
	}
	return filepath.Join(e.system("/run"), "containers", strconv.Itoa(e.UID), "auth.json")
}

// CraneAuth is the file that crane, ko, kaniko and others read like docker's as long as there
// is no config.json; "" for none. Source: go-containerregistry 0.22, pkg/authn/keychain.go.
func CraneAuth(e Env) string {
	if path := e.get("REGISTRY_AUTH_FILE"); path != "" {
		return path
	}
	for _, name := range [...]string{"XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"} {
		if dir := e.get(name); dir != "" {
			path := filepath.Join(dir, "containers", "auth.json")
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
	}
	return ""
}

// Dockercfg is docker's oldest file, ~/.dockercfg: a flat map without "auths".
// Source: docker/cli, cli/config (before 1.7); containers/image still reads it.
func Dockercfg(e Env) string { return e.home(".dockercfg") }

// Singularity lists docker-config.json of SingularityCE and of Apptainer:
// ~/.singularity/docker-config.json, then ~/.apptainer/docker-config.json.
// Source: their user guides, "Support for Docker and OCI".
func Singularity(e Env) []string {
	return existing(e.home(".singularity", "docker-config.json"), e.home(".apptainer", "docker-config.json"))
}

// Microagent is microagent's auth.json, ~/.microagent/auth.json (in containers' format).
func Microagent(e Env) string { return e.home(".microagent", "auth.json") }

// HelmConfig is helm's own file, in docker's format: $HELM_REGISTRY_CONFIG, else
// registry/config.json in $HELM_CONFIG_HOME, in helm/ below $XDG_CONFIG_HOME, or where the
// system has configuration; "" without any of them. Helm's login and logout know only this
// one; for a login it then looks into docker's, too.
// Source: helm 4.3 (3.22 alike), pkg/cli/environment.go, pkg/helmpath, pkg/registry/client.go.
func HelmConfig(e Env) string {
	if path := e.get("HELM_REGISTRY_CONFIG"); path != "" {
		return path
	}
	dir, base := e.get("HELM_CONFIG_HOME"), e.get("XDG_CONFIG_HOME")
	if base == "" {
		switch e.GOOS {
		case "darwin":
			base = e.home("Library", "Preferences")
		case "windows":
			base = e.get("APPDATA")
		default:
			base = e.home(".config")
		}
	}
	switch {
	case dir == "" && base == "":
		return ""
	case dir == "":
		dir = filepath.Join(base, "helm")
	}
	return filepath.Join(dir, "registry", "config.json")
}

// AuthfileVariable is the file that an environment variable names in place of every
// other, and the name of that variable: REGISTRY_AUTH_FILE (containers), else Apptainer's,
// else SingularityCE's; both "" when none is set. Apptainer's user guide has both spellings;
// its program reads AUTH_FILE (1.5, cmd/internal/cli), SingularityCE's AUTHFILE.
func AuthfileVariable(e Env) (path, variable string) { //nolint:revive // it is the variable of the --authfile flag
	for _, name := range [...]string{
		"REGISTRY_AUTH_FILE",
		"APPTAINER_AUTHFILE", "APPTAINER_AUTH_FILE",
		"SINGULARITY_AUTHFILE", "SINGULARITY_AUTH_FILE",
	} {
		if p := e.get(name); p != "" {
			return p, name
		}
	}
	return "", ""
}

// system is a directory of the machine, not of the user.
func (e Env) system(dir string) string { return filepath.Join(e.root, filepath.FromSlash(dir)) }
