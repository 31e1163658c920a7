package authfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// AuthFileHelper is the entry of `credential-helpers` that stands for the auth.json
// files and docker's files, not for a program. A list without it hides every login in
// them. Source: containers-registries.conf(5); seen with podman 4.3.
const AuthFileHelper = "containers-auth.json"

// helpersKey is the key of the list; podman takes it in any case.
const helpersKey = "credential-helpers"

// ErrRegistriesConf says that a registries.conf cannot be used.
var ErrRegistriesConf = errors.New("registries.conf cannot be used")

// CredentialHelpers is the list of `credential-helpers` as podman, skopeo and buildah see
// it, in the order they ask, and the file that says so. The last file that has the key
// replaces the whole list; an empty list there brings back the default, which is
// AuthFileHelper alone and has from "". A file that is not there is fine, unless
// $CONTAINERS_REGISTRIES_CONF or $REGISTRIES_CONFIG_PATH names it: podman, too, stops
// then. A file that cannot be read or parsed is ErrRegistriesConf, and a *SyntaxError
// with the place if it is no TOML, or the key holds something else than strings or is
// there twice (podman 4.3 took the second one; newer ones refuse).
func CredentialHelpers(e Env) (helpers []string, from string, err error) {
	files, named, err := registriesFiles(e)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrRegistriesConf, err)
	}
	for _, path := range files {
		list, err := readHelpers(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != named:
			continue // removed between the listing and the reading
		case err != nil:
			return nil, "", fmt.Errorf("%w: %w", ErrRegistriesConf, err)
		case list != nil:
			helpers, from = list, path
		}
	}
	if len(helpers) == 0 {
		return []string{AuthFileHelper}, "", nil
	}
	return helpers, from, nil
}

// readHelpers is the list in one file; nil when the file does not say.
func readHelpers(path string) ([]string, error) {
	// CONTAINERS_REGISTRIES_CONF=/dev/null is how people switch the file off.
	if path == os.DevNull {
		return nil, nil
	}
	data, _, err := readText(path)
	if err != nil {
		return nil, err
	}
	var conf struct {
		Helpers []string `toml:"credential-helpers"`
	}
	// A byte order mark is dropped, as podman's decoder does (4.3 still refused it).
	err = toml.Unmarshal(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), &conf)
	if err == nil {
		return conf.Helpers, nil
	}
	broken := &SyntaxError{Name: path, Line: 1, Column: 1, Reason: "not valid TOML"}
	if at, ok := errors.AsType[*toml.DecodeError](err); ok {
		broken.Line, broken.Column = at.Position()
		if key := at.Key(); len(key) == 1 && strings.EqualFold(key[0], helpersKey) {
			broken.Reason = helpersKey + " must be one list of strings"
		}
	}
	return nil, broken
}

// DropInText is the content of a drop-in: note is a line for whoever reads it, helper is asked first, then the programs
// that were asked before (of the list of CredentialHelpers), in their order and without
// repetitions. AuthFileHelper is left out on purpose: with it, podman 4.3 writes a login
// in plaintext whenever the helper fails. That hides the logins in auth.json and docker's file from podman, so setup has
// to import those first, or to stop.
func DropInText(note, helper string, before []string) []byte {
	list := existing(append([]string{helper}, before...)...)
	list = slices.DeleteFunc(list, func(name string) bool { return name == AuthFileHelper })
	var b bytes.Buffer
	b.WriteString("# " + note + "\n")
	b.WriteString("# Podman, Skopeo and Buildah ask these in turn.\n")
	b.WriteString(helpersKey + " = [")
	for i, name := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(tomlString(name))
	}
	b.WriteString("]\n")
	return b.Bytes()
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
