package authfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// AuthFileHelper is the entry of `credential-helpers` that stands for the auth.json
// files and docker's files, not for a program. A list without it hides every login in
// them. A login is written to the first entry that takes it: a helper takes none for a
// namespace, and none while it fails.
// Source: containers-registries.conf(5), pkg/docker/config; seen with podman 4.3.
const AuthFileHelper = "containers-auth.json"

// helpersKey is the key of the list; podman takes it in any case.
const helpersKey = "credential-helpers"

// ErrRegistriesConf says that a registries.conf cannot be used.
var ErrRegistriesConf = errors.New("registries.conf cannot be used")

// HelperList is the list of `credential-helpers` in one file.
type HelperList struct {
	File    string
	Helpers []string
}

// HelperLists are the lists of `credential-helpers` that a generation reads, in its order:
// the last one replaces the others. A file that is not there is fine, unless a variable names
// it: podman, too, stops then. A file that cannot be read or parsed is ErrRegistriesConf, and
// a *SyntaxError with the place if it is no TOML, or the key holds something else than strings
// or is there twice (podman 4.3 took the second one; newer ones refuse).
func HelperLists(e Env, g Generation) ([]HelperList, error) {
	files, named, err := registriesFiles(e, g, "")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRegistriesConf, err)
	}
	var lists []HelperList
	for _, path := range files {
		list, err := readHelpers(path, g)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !slices.Contains(named, path):
			continue // removed between the listing and the reading
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrRegistriesConf, err)
		case list != nil:
			lists = append(lists, HelperList{path, list})
		}
	}
	return lists, nil
}

// CredentialHelpers is the list of HelperLists that counts, in the order in which podman,
// skopeo and buildah ask, and the file that says so. An empty list brings back the default,
// which is AuthFileHelper alone and has from "".
func CredentialHelpers(e Env, g Generation) (helpers []string, from string, err error) {
	lists, err := HelperLists(e, g)
	if err != nil {
		return nil, "", err
	}
	helpers, from = LastOf(lists)
	return helpers, from, nil
}

// LastOf is the list that counts, and its file.
func LastOf(lists []HelperList) (helpers []string, from string) {
	if n := len(lists); n > 0 && len(lists[n-1].Helpers) > 0 {
		return lists[n-1].Helpers, lists[n-1].File
	}
	return []string{AuthFileHelper}, ""
}

// readHelpers is the list in one file; nil when the file does not say.
func readHelpers(path string, g Generation) ([]string, error) {
	// CONTAINERS_REGISTRIES_CONF=/dev/null is how people switch the file off.
	if path == os.DevNull {
		return nil, nil
	}
	data, _, err := readText(path)
	if err != nil {
		return nil, err
	}
	type old struct{ Registries []string }
	var conf struct {
		Helpers    []string                              `toml:"credential-helpers"`
		Registries struct{ Search, Insecure, Block old } `toml:"registries"`
	}
	// A byte order mark is dropped, as podman's decoder does (4.3 still refused it).
	err = toml.Unmarshal(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), &conf)
	broken := &SyntaxError{Name: path, Line: 1, Column: 1, Reason: "not valid TOML"}
	if err == nil {
		v1 := conf.Registries
		main := filepath.Base(filepath.Dir(path)) != "registries.conf.d"
		if v1.Search.Registries == nil && v1.Insecure.Registries == nil && v1.Block.Registries == nil || g != Podman6 && main && conf.Helpers == nil {
			return conf.Helpers, nil
		}
		broken.Reason = "[registries.search], [registries.insecure] and [registries.block] are of version 1, which podman refuses"
		return nil, broken
	}
	if at, ok := errors.AsType[*toml.DecodeError](err); ok {
		broken.Line, broken.Column = at.Position()
		if key := at.Key(); len(key) == 1 && strings.EqualFold(key[0], helpersKey) {
			broken.Reason = helpersKey + " must be one list of strings"
		}
	}
	return nil, broken
}

// WithHelper is a list of helpers with another one in it, which is asked first, or, with
// afterFiles, once the files have no login. The others keep their order.
func WithHelper(list []string, helper string, afterFiles bool) []string {
	list = slices.DeleteFunc(existing(list...), func(name string) bool { return name == helper })
	at := 0
	if afterFiles {
		at = slices.Index(list, AuthFileHelper) + 1
	}
	return slices.Insert(list, at, helper)
}

// DropInText is the content of a drop-in with a list of helpers; note is a line for whoever
// reads it.
func DropInText(note string, list []string) []byte {
	return []byte("# " + note + "\n# Podman, Skopeo and Buildah ask these in turn.\n" + helpersKey + " = " + HelpersText(list) + "\n")
}

// HelpersText is a list of helpers in TOML.
func HelpersText(list []string) string {
	quoted := make([]string, len(list))
	for i, name := range list {
		quoted[i] = tomlString(name)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// tomlString is a basic string of TOML: Go's quoting differs from it in \a, \v and \x.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
