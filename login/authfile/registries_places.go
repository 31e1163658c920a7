package authfile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Generation says whose rules for registries.conf count.
type Generation int

const (
	// Podman4 is podman to 5, and what buildah to 1.43 pulls and pushes with: containers/image
	// to 5.36, go.podman.io/image to 5.39.
	Podman4 Generation = iota
	// Skopeo1 is skopeo to 1.22, and login of buildah to 1.43: they do not read the variables.
	Skopeo1
	// Podman6 is podman 6, buildah 1.44, skopeo 1.23 and later: go.podman.io/image from 5.40.
	Podman6
)

// Generations are all of them.
var Generations = []Generation{Podman4, Skopeo1, Podman6}

func (g Generation) String() string {
	return [...]string{"podman before 6", "skopeo before 1.23", "podman 6"}[g]
}

// dropInNames are the names for a drop-in of ours, in order. The first leaves room for a
// file before it and one after it; the others sort after a file that already stands there.
var dropInNames = []string{"50-regshape.conf", "99-regshape.conf", "zzz-regshape.conf"}

// RegistriesDropIn is the drop-in of the user's that setup writes: its list of helpers counts
// although the file last, "" for none, has one, too. Without such a place it is "".
func RegistriesDropIn(e Env, g Generation, last string) string {
	for _, name := range dropInNames {
		path := filepath.Join(e.registriesUser(g), "registries.conf.d", name)
		files, _, _ := registriesFiles(e, g, path)
		if slices.Index(files, path) > slices.Index(files, last) {
			return path
		}
	}
	return ""
}

// registriesFiles lists the registries.conf files that count, in the order in which a
// generation reads them; a later file replaces what an earlier one says.
//
// Before podman 6:
//
//   - the main file: $CONTAINERS_REGISTRIES_CONF, else $REGISTRIES_CONFIG_PATH, else
//     ~/.config/containers/registries.conf, else /etc/containers/registries.conf;
//   - then the *.conf files of /etc/containers/registries.conf.d, by name;
//   - then those of ~/.config/containers/registries.conf.d, by name.
//
// When the user's own main file is the one read, it hides the system's main file and the
// system's drop-ins. A main file that a variable names hides only main files.
// $XDG_CONFIG_HOME is not asked, and a registries.conf.d that is a symbolic link counts as
// empty.
//
// Podman 6:
//
//   - the main file: $CONTAINERS_REGISTRIES_CONF, else the first of
//     $XDG_CONFIG_HOME/containers/registries.conf, and those in /etc/containers and
//     /usr/share/containers;
//   - then, unless that variable is set, the *.conf files of all drop-in directories
//     together, by name. Of several with one name the user's counts, then
//     /etc/containers/registries.rootless.conf.d/UID, registries.rootless.conf.d (of root
//     registries.rootful.conf.d alone), registries.conf.d, then the same in
//     /usr/share/containers;
//   - then $CONTAINERS_REGISTRIES_CONF_OVERRIDE.
//
// On Windows podman before 6 reads the same, in \etc of the current drive and in %USERPROFILE%,
// and podman 6 %APPDATA%\containers and %ProgramData%\containers alone.
//
// A main file is listed only if it exists or a variable names it; named are those that a
// variable names, which must exist. planned is a drop-in of the user's that is listed even if
// it does not exist yet.
//
// Source: pkg/sysregistriesv2 of containers/image 5.23 to 5.36 and of go.podman.io/image 5.38
// to 5.42, pkg/configfile of go.podman.io/storage 1.65; seen with podman 4.3, skopeo 1.9 and
// buildah 1.28.
func registriesFiles(e Env, g Generation, planned string) (files, named []string, err error) {
	system, vendor := e.registriesDirs(g)
	user := e.registriesUser(g)
	mains := existing(user, system, vendor)
	dirs := existing(system, user)
	variables := []string{"CONTAINERS_REGISTRIES_CONF", "REGISTRIES_CONFIG_PATH"}
	switch g {
	case Podman4:
		mains = existing(user, system)
	case Skopeo1:
		mains, variables = existing(user, system), nil
	case Podman6:
		variables = variables[:1]
	}
	for _, name := range variables {
		if path := e.get(name); path != "" {
			files, named = []string{path}, []string{path}
			break
		}
	}
	for _, dir := range mains {
		main := filepath.Join(dir, "registries.conf")
		_, err := os.Stat(main)
		// Before podman 6, a file that cannot be looked at counts as absent.
		if len(files) > 0 || err != nil && (g != Podman6 || errors.Is(err, fs.ErrNotExist)) {
			continue
		}
		files = append(files, main)
		if dir == user {
			dirs = []string{user}
		}
	}
	if g != Podman6 {
		for _, dir := range dirs {
			names, err2 := dropIns(filepath.Join(dir, "registries.conf.d"), g, planned)
			err = errors.Join(err, err2)
			files = append(files, names...)
		}
		return files, named, err
	}
	if len(named) == 0 {
		byName := map[string]string{}
		for _, dir := range slices.Backward(e.registriesDropIns(user, system, vendor)) {
			paths, err2 := dropIns(dir, g, planned)
			err = errors.Join(err, err2)
			for _, path := range paths {
				byName[filepath.Base(path)] = path
			}
		}
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			files = append(files, byName[name])
		}
	}
	if path := e.get("CONTAINERS_REGISTRIES_CONF_OVERRIDE"); path != "" {
		files, named = append(files, path), append(named, path)
	}
	return files, named, err
}

// dropIns lists the drop-ins of a directory by name, with the planned one.
func dropIns(dir string, g Generation, planned string) ([]string, error) {
	info, err := os.Lstat(dir)
	if err == nil && g != Podman6 && !info.IsDir() {
		return nil, nil // also if it is a symbolic link
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("registries.conf.d cannot be read: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		if !entry.IsDir() && strings.HasSuffix(entry.Name(), ".conf") {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	if planned != "" && filepath.Dir(planned) == dir && !slices.Contains(paths, planned) {
		paths = append(paths, planned)
	}
	slices.Sort(paths)
	return paths, nil
}

// registriesUser is the user's directory; "" without one.
func (e Env) registriesUser(g Generation) string {
	name := "XDG_CONFIG_HOME"
	if e.GOOS == "windows" {
		name = "APPDATA"
	}
	switch dir := e.get(name); {
	case g != Podman6:
	case dir != "":
		return filepath.Join(dir, "containers")
	case e.GOOS == "windows":
		return ""
	}
	return e.home(".config", "containers")
}

// registriesDirs are the machine's directories: the administrator's and the vendor's.
func (e Env) registriesDirs(g Generation) (system, vendor string) {
	switch dir := e.get("ProgramData"); {
	case e.GOOS == "windows" && g == Podman6 && dir == "":
		return "", ""
	case e.GOOS == "windows" && g == Podman6:
		return filepath.Join(dir, "containers"), ""
	case e.GOOS == "freebsd":
		return e.system("/usr/local/etc/containers"), e.system("/usr/local/share/containers")
	}
	return e.system("/etc/containers"), e.system("/usr/share/containers")
}

// registriesDropIns are the drop-in directories of podman 6, the one that counts most first.
func (e Env) registriesDropIns(user, system, vendor string) []string {
	var dirs []string
	for _, dir := range existing(user, system, vendor) {
		if dir != user {
			switch rootless := filepath.Join(dir, "registries.rootless.conf.d"); {
			case e.UID > 0:
				dirs = append(dirs, filepath.Join(rootless, strconv.Itoa(e.UID)), rootless)
			case e.UID == 0: // Windows has no such numbers
				dirs = append(dirs, filepath.Join(dir, "registries.rootful.conf.d"))
			}
		}
		dirs = append(dirs, filepath.Join(dir, "registries.conf.d"))
	}
	return dirs
}
