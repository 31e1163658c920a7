package lookup

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store"
	"regshape/store/printable"
)

// OwnHelper is the name under which docker's and podman's settings know regshape.
const OwnHelper = "regshape"

// MakesTokens reports whether a helper makes a token at every call, which expires within hours:
// its logins are not worth moving.
func MakesTokens(helper string) bool {
	return helper == "ecr-login" || helper == "gcloud" || helper == "gcr" || helper == "acr-env"
}

// Place is a file in which another tool keeps logins. It need not exist.
type Place struct {
	Tool   string // "docker", "podman", "singularity", "microagent" or "helm"
	Path   string
	Format authfile.Format
}

// Places lists the files of other tools in the order in which their logins count.
func Places(e *app.Env) []Place {
	w := e.Where()
	places := []Place{{"docker", authfile.DockerConfig(w), authfile.Docker}}
	for _, path := range authfile.ContainersAuth(w) {
		places = append(places, Place{"podman", path, authfile.Containers})
	}
	places = append(places, Place{"docker", authfile.Dockercfg(w), authfile.DockercfgFormat})
	for _, path := range authfile.Singularity(w) {
		places = append(places, Place{"singularity", path, authfile.Docker})
	}
	places = append(places, Place{"microagent", authfile.Microagent(w), authfile.Containers}, Place{"helm", authfile.HelmConfig(w), authfile.Docker})
	places = slices.DeleteFunc(places, func(p Place) bool { return p.Path == "" }) // there is no home
	return Unique(places, func(p Place) string { return p.Path })
}

// helperPlaces are the files whose settings name helpers.
func helperPlaces(e *app.Env) []Place {
	return slices.DeleteFunc(append(Places(e), podmansDocker(e)...), func(p Place) bool {
		return p.Format == authfile.DockercfgFormat || p.Tool != "docker" && p.Tool != "podman"
	})
}

// PodmanPlaces are the files that podman, skopeo and buildah read, in their order and as they
// read them: docker's are last.
func PodmanPlaces(e *app.Env) []Place {
	var own, dockercfg []Place
	if path, _ := authfile.AuthfileVariable(e.Where()); path != "" {
		own = append(own, Place{"podman", path, authfile.Containers})
	}
	for _, p := range Places(e) {
		switch {
		case p.Tool == "podman":
			own = append(own, p)
		case p.Format == authfile.DockercfgFormat:
			dockercfg = append(dockercfg, p)
		}
	}
	return slices.Concat(own, podmansDocker(e), dockercfg)
}

// podmansDocker is docker's file as podman reads it.
func podmansDocker(e *app.Env) []Place {
	path := authfile.DockerConfig(e.Where())
	if path == "" {
		return nil
	}
	return []Place{{"podman", path, authfile.Containers}}
}

// DockerStore is the helper that docker asks for all registries: that of credsStore or, with
// a file that has no login and names no helper, the default one of the system if it is
// installed. Source: docker/cli 29.7, cli/config (LoadDefaultConfigFile) and
// cli/config/credentials (default_store*.go).
func DockerStore(d *authfile.Document) string {
	if name := d.CredsStore(); name != "" || len(d.CredHelpers()) > 0 || len(d.Entries()) > 0 {
		return name
	}
	return systemHelper(runtime.GOOS, func(program string) bool { return Installed(program) != "" })
}

// Installed is the first of these programs that is on PATH, or "".
func Installed(names ...string) string {
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return name
		}
	}
	return ""
}

// systemHelper is docker's default helper of a system, "" where it is not installed.
func systemHelper(goos string, installed func(program string) bool) string {
	name := map[string]string{"darwin": "osxkeychain", "windows": "wincred", "linux": "secretservice"}[goos]
	if goos == "linux" && installed("pass") {
		name = "pass"
	}
	if !installed("docker-credential-" + name) {
		return ""
	}
	return name
}

// Asks reports whether the tool of a file asks regshape for all registries. Of tools other
// than docker, podman and helm it is not known.
func Asks(e *app.Env, p Place) bool {
	switch {
	case p.Tool == "podman":
		helpers, _, err := PodmanHelpers(e)
		return err == nil && slices.ContainsFunc(helpers, IsOwn)
	case p.Tool == "docker" && p.Format == authfile.Docker, p.Tool == "helm":
		d, err := authfile.Read(p.Path, p.Format)
		if err == nil && IsOwn(d.CredsStore()) {
			return true
		}
		return p.Tool == "helm" && Asks(e, Place{"docker", authfile.DockerConfig(e.Where()), authfile.Docker})
	}
	return true
}

// OnlyPlace is the file that the user named in place of all others.
type OnlyPlace struct {
	Place
	By string // the flag or the variable
}

// Only is that file; ok is false where nothing names one. The variables of Apptainer and
// SingularityCE name files in docker's format.
func Only(e *app.Env) (only OnlyPlace, ok bool) {
	path, by := e.Authfile, "--authfile"
	if path == "" {
		path, by = authfile.AuthfileVariable(e.Where())
	}
	if path == "" {
		return only, false
	}
	format := authfile.Containers
	if strings.HasPrefix(by, "APPTAINER_") || strings.HasPrefix(by, "SINGULARITY_") {
		format = authfile.Docker
	}
	only = OnlyPlace{PlaceOf(e, path, format), by}
	only.Tool = cmp.Or(only.Tool, "podman")
	return only, true
}

// PlaceOf is a file that the user names: one of the known places, else of a format that is
// guessed.
func PlaceOf(e *app.Env, path string, otherwise authfile.Format) Place {
	for _, p := range Places(e) {
		if p.Path == path {
			return p
		}
	}
	return Place{Path: path, Format: authfile.Guess(path, otherwise)}
}

// credsStore is the helper that the file names for all registries. Podman reads none there,
// but a file that leads to regshape means that.
func (o OnlyPlace) credsStore(d *authfile.Document) string {
	if name := d.CredsStore(); o.Format == authfile.Docker || IsOwn(name) {
		return name
	}
	return ""
}

// StoreOrFile is where all logins are: the store of a profile or, where own is false, the file that
// the user named. One that names regshape for all registries leads to a store.
func StoreOrFile(e *app.Env) (profile string, file Place, own bool) {
	only, named := Only(e)
	if !named {
		return e.Profile, file, true
	}
	if d, err := Read(only.Path, only.Format); err == nil {
		profile, own = ownProfile(d.CredsStore(), e.Profile)
	}
	return profile, only.Place, own
}

// Read reads a file of another tool. One that does not exist is empty.
func Read(path string, f authfile.Format) (*authfile.Document, error) {
	d, err := authfile.Read(path, f)
	if errors.Is(err, fs.ErrNotExist) {
		return authfile.Parse(path, nil, f)
	}
	return d, err
}

// ownProfile recognizes regshape's names among helpers: "regshape" is the present profile,
// "regshape-NAME" another one.
func ownProfile(helper, present string) (profile string, own bool) {
	if helper == OwnHelper {
		return present, true
	}
	profile, own = strings.CutPrefix(helper, OwnHelper+"-")
	return profile, own && store.CheckProfile(profile) == nil
}

// IsOwn reports whether a helper's name in settings means regshape or a profile of it.
func IsOwn(helper string) bool {
	_, own := ownProfile(helper, "")
	return own
}

// IsLogin reports whether an entry holds a credential.
func IsLogin(entry Entry) bool { return !entry.Marker && entry.Err == nil }

// Update edits a file of another tool, and warns of the names under which its old content
// stays.
func Update(e *app.Env, path string, f authfile.Format, edit func(*authfile.Document) error) error {
	names := authfile.NamesOf(path)
	changed, err := authfile.Update(path, f, 0o600, edit)
	if text := FurtherName(e, path, names); changed && text != "" {
		e.Warn("%s: %s.", Tilde(e, path), text)
	}
	return err
}

// FurtherName says that a file's old content still exists under another name, and how to
// find it; "" where there is none. The name that was replaced no longer leads to it.
func FurtherName(e *app.Env, path string, n authfile.Names) string {
	if n.Others == 0 {
		return ""
	}
	where := "/"
	if home := e.Where().Home; home != "" && strings.HasPrefix(ThroughLinks(path), home+"/") {
		where = "~ -xdev" // other file systems have other files of that number
	}
	what := "another name of the file (a hard link) still has its old content"
	if n.Others > 1 {
		what = fmt.Sprintf("%d other names of the file (hard links) still have its old content", n.Others)
	}
	return fmt.Sprintf("%s, with the logins that were in it; 'find %s -inum %d' finds it", what, where, n.Inode)
}

// Tilde is how messages name a file: below the home it begins with "~/".
func Tilde(e *app.Env, path string) string {
	home := e.Where().Home
	if rest, ok := strings.CutPrefix(path, home+"/"); ok && home != "" {
		path = "~/" + rest
	}
	return printable.Line(path, 300)
}

// ThroughLinks is the file behind a symbolic link: the link of a user who keeps such
// files elsewhere stays.
func ThroughLinks(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}
