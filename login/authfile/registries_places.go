package authfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// dropInName sorts our drop-in into the middle, so that an administrator of the user's
// own directory can still write a file before it and one after it.
const dropInName = "50-regshape.conf"

// RegistriesConf lists the registries.conf files that count, in the order in which
// containers/image reads them; a later file replaces what an earlier one says:
//
//   - the main file: $CONTAINERS_REGISTRIES_CONF, else $REGISTRIES_CONFIG_PATH (podman and
//     buildah; skopeo reads neither), else ~/.config/containers/registries.conf, else
//     /etc/containers/registries.conf, else /usr/share/containers/registries.conf;
//   - then the *.conf files of /etc/containers/registries.conf.d, by name;
//   - then those of ~/.config/containers/registries.conf.d, by name.
//
// When the user's own main file is the one read, it hides the system's main file and the
// system's drop-ins. A main file that a variable names hides only main files. The main
// file is listed only if it exists or a variable names it. $XDG_CONFIG_HOME is not asked,
// as containers/image does not. A directory that cannot be read is left out here;
// CredentialHelpers reports it.
//
// Source: containers/image pkg/sysregistriesv2 (5.23 to 5.36), containers-registries.conf.d(5);
// the order was seen with podman 4.3 and skopeo 1.9.
func RegistriesConf(e Env) []string {
	files, _, _ := registriesFiles(e)
	return files
}

// RegistriesDropIn is the drop-in that setup writes for the user,
// ~/.config/containers/registries.conf.d/50-regshape.conf; "" without a home directory.
func RegistriesDropIn(e Env) string {
	return e.home(".config", "containers", "registries.conf.d", dropInName)
}

// registriesFiles is RegistriesConf with its error. named is the main file if a variable
// named it: that one must exist.
func registriesFiles(e Env) (files []string, named string, err error) {
	system, vendor := e.registriesDirs()
	user := e.home(".config", "containers")
	dirs := []string{system, user}

	named = e.get("CONTAINERS_REGISTRIES_CONF")
	if named == "" {
		named = e.get("REGISTRIES_CONFIG_PATH")
	}
	if named != "" {
		files = append(files, named)
	} else {
		for _, dir := range existing(user, system, vendor) {
			main := filepath.Join(dir, "registries.conf")
			// A file that cannot be looked at counts as absent, as it does for podman.
			if _, err := os.Stat(main); err != nil {
				continue
			}
			files = append(files, main)
			if dir == user {
				dirs = []string{user}
			}
			break
		}
	}
	for _, dir := range existing(dirs...) {
		// ReadDir sorts by name.
		entries, err2 := os.ReadDir(filepath.Join(dir, "registries.conf.d"))
		if err2 != nil {
			if !errors.Is(err2, fs.ErrNotExist) && err == nil {
				err = fmt.Errorf("registries.conf.d cannot be read: %w", err2)
			}
			continue
		}
		for _, entry := range entries {
			if !entry.IsDir() && strings.HasSuffix(entry.Name(), ".conf") {
				files = append(files, filepath.Join(dir, "registries.conf.d", entry.Name()))
			}
		}
	}
	return files, named, err
}

// registriesDirs are the machine's directories: the administrator's and the vendor's.
// Windows has none but the one in %ProgramData%.
func (e Env) registriesDirs() (system, vendor string) {
	switch e.GOOS {
	case "windows":
		if dir := e.get("ProgramData"); dir != "" {
			return filepath.Join(dir, "containers"), ""
		}
		return "", ""
	case "freebsd":
		return e.system("/usr/local/etc/containers"), e.system("/usr/local/share/containers")
	}
	return e.system("/etc/containers"), e.system("/usr/share/containers")
}
